"""Flow and adsorption in a gas chromatograph: simulate a column, fit a trace, read instruments' files.

The model is that of Cabrera-Codony, Valverde, Born, Noreldin and Myers, "Mathematical modelling of flow and
adsorption in a gas chromatograph" (arXiv:2501.00001): a carrier gas, a film, and kinetic exchange between
them. Numpy and scipy alone; nothing here imports torch.
"""
