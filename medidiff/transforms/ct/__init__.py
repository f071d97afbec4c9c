"""CT's transforms: what a scanner would measure of an image, and images of what was measured.

scans              image -> sinogram          SparseViewCT, LimitedAngleCT, LowDoseCT
reconstructions    sinogram -> image          FBP, TVReconstruct, DiffusionReconstruct
sinogram           how a measurement travels between the two
"""
