"""One thin file a verb: its arguments, one call, what it prints.

Each has `add_arguments(parser)`, which also sets `run`, a function of (arguments, terminal) -> exit code.
Heavy modules are imported inside `run`, so that help stays quick.
"""
