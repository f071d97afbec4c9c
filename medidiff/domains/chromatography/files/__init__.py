"""Instrument files in and out: ANDI, GAML, mzML, JCAMP-DX, text and medidiff's JSON, plain or gzipped."""

from medidiff.domains.chromatography.files.reading import read_chromatogram, read_chromatograms

__all__ = ["read_chromatogram", "read_chromatograms"]
