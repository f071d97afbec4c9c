"""medidiff inside MONAI pipelines: transforms, their dictionary twins, and inferers.

    from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, SaveImaged
    from medidiff.transforms import DiffusionReconstructd, SparseViewCTd

    steps = [
        LoadImaged("image"),
        EnsureChannelFirstd("image"),  # HU, any orientation and spacing
        SparseViewCTd("image", views=24),  # to a sinogram (1, slices, views, detectors)
        DiffusionReconstructd("image"),  # to an image on the grid of the file
        SaveImaged("image", output_dir="out", output_postfix="diffusion"),
    ]
    Compose(steps)({"image": "chest.nii.gz"})

Between the two the sinogram is a MetaTensor with the identity as affine; to save it, use
`SaveImaged(..., resample=False)`. `pattern` says how a domain adds its own.
"""

from medidiff.transforms.ct.reconstructions import (
    FBP,
    DiffusionReconstruct,
    DiffusionReconstructd,
    FBPd,
    TVReconstruct,
    TVReconstructd,
)
from medidiff.transforms.ct.scans import (
    LimitedAngleCT,
    LimitedAngleCTd,
    LowDoseCT,
    LowDoseCTd,
    SparseViewCT,
    SparseViewCTd,
)
from medidiff.transforms.inferers import ReconstructionInferer, SliceVolumeInferer

# The other two spellings that MONAI gives every dictionary transform.
DiffusionReconstructD = DiffusionReconstructDict = DiffusionReconstructd
FBPD = FBPDict = FBPd
LimitedAngleCTD = LimitedAngleCTDict = LimitedAngleCTd
LowDoseCTD = LowDoseCTDict = LowDoseCTd
SparseViewCTD = SparseViewCTDict = SparseViewCTd
TVReconstructD = TVReconstructDict = TVReconstructd

__all__ = [
    "FBP",
    "DiffusionReconstruct",
    "DiffusionReconstructd",
    "FBPd",
    "LimitedAngleCT",
    "LimitedAngleCTd",
    "LowDoseCT",
    "LowDoseCTd",
    "ReconstructionInferer",
    "SliceVolumeInferer",
    "SparseViewCT",
    "SparseViewCTd",
    "TVReconstruct",
    "TVReconstructd",
]
