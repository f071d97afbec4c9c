"""The XML formats: GAML, and the chromatograms of mzML."""
