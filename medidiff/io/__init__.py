"""Files in and out: opens containers, checks them, and gives a `Volume`."""

from medidiff.io.dicom import Series, SeveralSeriesError, list_series
from medidiff.io.hdf5 import Hdf5, is_hdf5, read_hdf5
from medidiff.io.hounsfield import check_attenuation, check_hu
from medidiff.io.limits import Limits
from medidiff.io.nifti import read_nifti, write_nifti
from medidiff.io.orientation import Permutation, to_canonical
from medidiff.io.reading import read_volume
from medidiff.io.volume import UNITS, Units, Volume, block_mean

__all__ = [
    "UNITS",
    "Hdf5",
    "Limits",
    "Permutation",
    "Series",
    "SeveralSeriesError",
    "Units",
    "Volume",
    "block_mean",
    "check_attenuation",
    "check_hu",
    "is_hdf5",
    "list_series",
    "read_hdf5",
    "read_nifti",
    "read_volume",
    "to_canonical",
    "write_nifti",
]
