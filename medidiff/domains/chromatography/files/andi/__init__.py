"""ANDI (AIA) files: netCDF classic by the templates ASTM E1947 (chromatography) and E2077 (mass spectra)."""
