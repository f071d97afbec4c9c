"""CT slices in DICOM, made on the spot; whatever describes a person in them bears the name `CANARY`."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

CANARY = "CANARY^ZX81"
BIRTH, NUMBER = "19370426", "98765432123"

Target = TypeVar("Target", Path, IO[bytes])


def write_slice(
    target: Target, stored: np.ndarray, *, syntax: str = ExplicitVRLittleEndian, **tags: Any
) -> Target:
    """One slice of 16-bit stored values; `tags` add to or replace what it says, None leaves one out."""
    header = Dataset()
    header.file_meta, header.preamble = FileMetaDataset(), b"\0" * 128
    header.file_meta.TransferSyntaxUID = syntax
    values = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": "1.2.3.4",
        "PatientName": CANARY,
        "PatientID": "CANARY-ID-77",
        "SeriesDescription": "CANARY-DESCRIPTION",
        "Modality": "CT",
        "SeriesInstanceUID": "1.2.9",
        "SeriesNumber": 3,
        "FrameOfReferenceUID": "1.2.8",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "PixelSpacing": [0.9, 0.7],
        "SliceThickness": 5,
        "ImagePositionPatient": [-10, -20, 0],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "Rows": stored.shape[0],
        "Columns": stored.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": int(stored.dtype.kind == "i"),
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "PixelData": stored.tobytes(),
    }
    for name, value in {**values, **tags}.items():
        if value is not None:
            setattr(header, name, value)
    header["PixelData"].VR = "OW"
    header.save_as(target, enforce_file_format=True)
    return target


def write_patient(target: Target, k: int, *, side: int, **tags: Any) -> Target:
    """Slice k of a disc of water, 1 x 1 x 2 mm: date of birth and every identifier are a patient's."""
    y, x = np.mgrid[:side, :side] - side / 2
    plane = np.where(x**2 + y**2 < 100, 40, -1000).astype("<i2")
    names = ("SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
    return write_slice(
        target,
        plane,
        PatientBirthDate=BIRTH,
        SOPInstanceUID=f"1.2.{NUMBER}.{k}",
        **{name: f"1.2.{NUMBER}.{last}" for name, last in zip(names, (9, 8, 7), strict=True)},
        ImagePositionPatient=[0, 0, 2 * k],
        PixelSpacing=[1, 1],
        SliceThickness=2,
        RescaleIntercept=0,
        **tags,
    )
