"""Linear operators with exact adjoints, and solvers on them."""

from medidiff.core.linear.operators import (
    Dense,
    Diagonal,
    Identity,
    LinearOperator,
    ZDifference,
    hstack,
    stack,
)
from medidiff.core.linear.shapes import Shape
from medidiff.core.linear.solvers import CGInfo, cg

__all__ = [
    "CGInfo",
    "Dense",
    "Diagonal",
    "Identity",
    "LinearOperator",
    "Shape",
    "ZDifference",
    "cg",
    "hstack",
    "stack",
]
