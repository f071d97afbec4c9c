"""The shared diffusion core: which noise, which denoiser, which correction by data, run in one loop.

It knows torch and no modality: no HU, no millimetre except in a noise law's length, no file but checkpoints.
"""
