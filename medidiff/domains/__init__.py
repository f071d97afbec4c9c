"""What the suite is for, one wing each; they never import each other.

`TRAININGS` names the module of each training task; reading it imports nothing heavy. Such a module gives
`objective(settings, data)`, `start_weights(settings)` and `card_facts(denoiser, settings, data, progress=)`.
"""

TRAININGS = {"ct": "medidiff.domains.reconstruction.ct.training.task"}
