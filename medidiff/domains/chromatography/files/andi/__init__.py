"""ANDI (AIA) chromatography and mass spectrometry files: netCDF classic by the templates ASTM E1947 and E2077."""
