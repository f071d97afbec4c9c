"""The command line: `main` finds the verb, `verbs` hold one file each, `door` gives exit codes."""
