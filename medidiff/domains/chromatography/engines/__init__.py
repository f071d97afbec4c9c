"""Solvers of one column: closed form, Fourier, PDE, nonlinear (Langmuir), temperature programme.

The linear ones take a `Transport` and an injection of unit area and give `Curves`.
"""
