"""Linear operators on rows of tensors, their algebra, and exact adjoints.

    <A x, y> = <x, A.adjoint(y)>        with <u, v> = sum conj(u) v

An operator maps (K, *shape_in) to (K, *shape_out), each of the K rows alone; a size of None in a shape
means any length. `A(x)`, `A.adjoint(y)` and `A.normal(x)` = A^H A x are differentiable and need no graph
inside: the backward of the forward is the adjoint and the reverse, to any order.

A subclass sets `shape_in`, `shape_out` (and `dtype`, `device` where they are not float32 on the CPU) and
writes `_forward` and `_adjoint`; it may write a faster `_normal`. The algebra is

    A @ B    A + B    A - B    2 * A    A.H    stack(A, B)    hstack(A, B)
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import reduce
from typing import Any, Literal, cast

import torch
from torch import Tensor

from medidiff.core.linear.shapes import Shape, agree, fits, matched, merge, refuse, text
from medidiff.errors import InputError

Way = Literal["forward", "adjoint", "normal"]
_BACKWARD: dict[Way, Way] = {"forward": "adjoint", "adjoint": "forward", "normal": "normal"}
_POWER_ITERATIONS = 20


class LinearOperator(ABC):
    """A linear map of rows; see the module for what a subclass writes."""

    shape_in: Shape
    shape_out: Shape
    dtype: torch.dtype = torch.float32
    device: torch.device = torch.device("cpu")

    @abstractmethod
    def _forward(self, x: Tensor) -> Tensor: ...

    @abstractmethod
    def _adjoint(self, y: Tensor) -> Tensor: ...

    def _normal(self, x: Tensor) -> Tensor:
        return self._adjoint(self._forward(x))

    def __call__(self, x: Tensor) -> Tensor:
        """A x: (K, *shape_in) to (K, *shape_out). Raises InputError on another shape."""
        return self._apply(x, "forward", self.shape_in)

    def adjoint(self, y: Tensor) -> Tensor:
        """A^H y, the exact (conjugate) transpose: (K, *shape_out) to (K, *shape_in)."""
        return self._apply(y, "adjoint", self.shape_out)

    def normal(self, x: Tensor) -> Tensor:
        """A^H A x: (K, *shape_in) to itself."""
        return self._apply(x, "normal", self.shape_in)

    def norm(self, shape: Sequence[int] | None = None, iterations: int = _POWER_ITERATIONS) -> float:
        """The largest singular value by power iterations from a fixed start (a bound from below).

        `shape` replaces `shape_in` where that holds None; left out, a length of any is taken as 1.
        """
        size = tuple(shape) if shape is not None else tuple(1 if n is None else n for n in self.shape_in)
        generator = torch.Generator().manual_seed(0)
        x = torch.randn((1, *size), generator=generator, dtype=self.dtype).to(self.device)
        value = 0.0
        for _ in range(iterations):
            length = float(torch.linalg.vector_norm(x))
            if length == 0:
                return 0.0
            z = self.normal(x / length)
            value, x = float(torch.linalg.vector_norm(z)), z
        return math.sqrt(value)

    @property
    def H(self) -> LinearOperator:  # noqa: N802  the field's symbol
        """The adjoint as an operator; A.H.H is A."""
        return Adjoint(self)

    def __matmul__(self, other: LinearOperator) -> LinearOperator:
        """Other first, then self."""
        return Composed(self, other)

    def __add__(self, other: LinearOperator) -> LinearOperator:
        """The sum of two maps between the same spaces."""
        return Sum(self, other)

    def __sub__(self, other: LinearOperator) -> LinearOperator:
        """The difference of two maps between the same spaces."""
        return Sum(self, -1.0 * other)

    def __neg__(self) -> LinearOperator:
        """Minus the operator."""
        return Scaled(self, -1.0)

    def __mul__(self, factor: complex) -> LinearOperator:
        """The operator times a number."""
        return Scaled(self, factor)

    __rmul__ = __mul__

    def __repr__(self) -> str:
        """Name and shapes, as error messages print it."""
        return f"<{self._name()} {text(self.shape_in)} -> {text(self.shape_out)}>"

    def _name(self) -> str:
        return type(self).__name__

    def _apply(self, x: Tensor, way: Way, shape: Shape) -> Tensor:
        if x.ndim != len(shape) + 1 or not fits(tuple(x.shape[1:]), shape):
            raise InputError(
                f"input of {way} of {self!r}",
                expected=f"rows of shape {text(shape)}",
                got=f"a tensor of shape {text(tuple(x.shape))}",
                fix="Put the K rows first: (K, C, *space).",
            )
        return cast(Tensor, _Linear.apply(x, self, way))  # type: ignore[no-untyped-call]  # torch has no types


class _Linear(torch.autograd.Function):
    """One application of an operator whose backward is the application of its adjoint."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, operator: LinearOperator, way: Way) -> Tensor:
        ctx.operator, ctx.way, ctx.real = operator, way, not x.is_complex()
        out: Tensor = getattr(operator, "_" + way)(x)
        return out.view_as(out) if out is x else out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        out: Tensor = _Linear.apply(grad, ctx.operator, _BACKWARD[ctx.way])  # type: ignore[no-untyped-call]  # torch has no types
        return (out.real if ctx.real and out.is_complex() else out), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return cast(Tensor, _Linear.apply(tangent, ctx.operator, ctx.way))  # type: ignore[no-untyped-call]  # torch has no types


class Identity(LinearOperator):
    """x itself, not a copy."""

    def __init__(self, shape: Sequence[int | None], dtype: torch.dtype = torch.float32) -> None:
        self.shape_in = self.shape_out = tuple(shape)
        self.dtype = dtype

    def _forward(self, x: Tensor) -> Tensor:
        return x

    def _adjoint(self, y: Tensor) -> Tensor:
        return y

    def _normal(self, x: Tensor) -> Tensor:
        return x


class Diagonal(LinearOperator):
    """Multiplication by `weights`, which broadcasts to `shape` (default: its own shape).

    Raises InputError for weights that do not.
    """

    def __init__(self, weights: Tensor, shape: Sequence[int | None] | None = None) -> None:
        self.shape_in = self.shape_out = tuple(weights.shape if shape is None else shape)
        sizes = zip(weights.shape[::-1], self.shape_in[::-1], strict=False)
        if weights.ndim > len(self.shape_in) or not all(m is None or n in (1, m) for n, m in sizes):
            refuse("weights of a diagonal", self.shape_in, weights.shape, "Give weights that broadcast.")
        self.weights, self.dtype, self.device = weights, weights.dtype, weights.device
        self._square = (weights.conj() * weights).real if weights.is_complex() else weights * weights

    def _forward(self, x: Tensor) -> Tensor:
        return self.weights * x

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.weights.conj() * y

    def _normal(self, x: Tensor) -> Tensor:
        return self._square * x


class Dense(LinearOperator):
    """A matrix (outputs, inputs) on flattened rows. Raises InputError for shapes of other sizes."""

    def __init__(self, matrix: Tensor, shape_in: Sequence[int], shape_out: Sequence[int]) -> None:
        sizes = (math.prod(shape_out), math.prod(shape_in))
        if tuple(matrix.shape) != sizes:
            refuse("matrix", sizes, matrix.shape, "Rows are outputs, columns are inputs.")
        self.matrix, self.dtype, self.device = matrix, matrix.dtype, matrix.device
        self.shape_in, self.shape_out = tuple(shape_in), tuple(shape_out)
        self._sizes = tuple(shape_in), tuple(shape_out)

    def _forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.matrix.mT).reshape(-1, *self._sizes[1])

    def _adjoint(self, y: Tensor) -> Tensor:
        return (y.flatten(1) @ self.matrix.conj()).reshape(-1, *self._sizes[0])


class ZDifference(LinearOperator):
    """Forward differences down z: (C, n, y, x) to (C, n - 1, y, x), never from the last slice to the first.

        (D x)_k = (x_{k+1} - x_k) / h_k         k = 0 .. n - 2

    `spacing` is one h, or n - 1 of them where slices are unevenly spaced; its unit is the caller's.
    """

    def __init__(
        self, slices: int, spacing: float | Sequence[float] = 1.0, dtype: torch.dtype = torch.float32
    ) -> None:
        if slices < 2:
            raise InputError(
                "z-difference", expected="two or more slices", got=str(slices), fix="Turn z-coupling off."
            )
        steps = torch.as_tensor(spacing, dtype=torch.float64)
        if steps.ndim > 1 or (steps.ndim == 1 and len(steps) != slices - 1) or not bool((steps > 0).all()):
            raise InputError(
                "z-difference",
                expected=f"one positive spacing or {slices - 1} of them",
                got=f"{spacing}",
                fix="Give the distances between neighbouring slice centres.",
            )
        self.shape_in, self.shape_out = (None, slices, None, None), (None, slices - 1, None, None)
        self.dtype, self._inverse = dtype, 1 / steps.reshape(-1, 1, 1)

    def _forward(self, x: Tensor) -> Tensor:
        return torch.diff(x, dim=2).mul_(self._inverse.to(x.device, x.real.dtype))

    def _adjoint(self, y: Tensor) -> Tensor:
        y = y * self._inverse.to(y.device, y.real.dtype)
        x = y.new_zeros((*y.shape[:2], y.shape[2] + 1, *y.shape[3:]))
        x[:, :, 1:] += y
        x[:, :, :-1] -= y
        return x


class Adjoint(LinearOperator):
    """A^H as an operator."""

    def __init__(self, inner: LinearOperator) -> None:
        self.inner, self.dtype, self.device = inner, inner.dtype, inner.device
        self.shape_in, self.shape_out = inner.shape_out, inner.shape_in

    def _forward(self, x: Tensor) -> Tensor:
        return self.inner.adjoint(x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.inner(y)

    @property
    def H(self) -> LinearOperator:  # noqa: N802  the field's symbol
        """The operator itself."""
        return self.inner

    def _name(self) -> str:
        return f"{self.inner._name()}.H"


class Composed(LinearOperator):
    """A B: first B, then A."""

    def __init__(self, outer: LinearOperator, inner: LinearOperator) -> None:
        if not agree(outer.shape_in, inner.shape_out):
            refuse(f"{outer!r} @ {inner!r}", outer.shape_in, inner.shape_out)
        self.outer, self.inner = outer, inner
        self.shape_in, self.shape_out = inner.shape_in, outer.shape_out
        self.dtype, self.device = inner.dtype, inner.device

    def _forward(self, x: Tensor) -> Tensor:
        return self.outer(self.inner(x))

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.inner.adjoint(self.outer.adjoint(y))

    def _normal(self, x: Tensor) -> Tensor:
        return self.inner.adjoint(self.outer.normal(self.inner(x)))

    def _name(self) -> str:
        return f"({self.outer._name()} @ {self.inner._name()})"


class Sum(LinearOperator):
    """A + B."""

    def __init__(self, first: LinearOperator, second: LinearOperator) -> None:
        for one, other in ((first.shape_in, second.shape_in), (first.shape_out, second.shape_out)):
            if not agree(one, other):
                refuse(f"{first!r} + {second!r}", one, other)
        self.first, self.second = first, second
        self.shape_in = merge(first.shape_in, second.shape_in)
        self.shape_out = merge(first.shape_out, second.shape_out)
        self.dtype = torch.promote_types(first.dtype, second.dtype)
        self.device = first.device

    def _forward(self, x: Tensor) -> Tensor:
        return self.first(x) + self.second(x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.first.adjoint(y) + self.second.adjoint(y)

    def _name(self) -> str:
        return f"({self.first._name()} + {self.second._name()})"


class Scaled(LinearOperator):
    """A number times A; the adjoint takes its conjugate."""

    def __init__(self, inner: LinearOperator, factor: complex) -> None:
        self.inner, self.factor, self.device = inner, factor, inner.device
        self.shape_in, self.shape_out = inner.shape_in, inner.shape_out
        is_complex = isinstance(factor, complex)
        self.dtype = torch.promote_types(inner.dtype, torch.complex64) if is_complex else inner.dtype

    def _forward(self, x: Tensor) -> Tensor:
        return self.factor * self.inner(x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.factor.conjugate() * self.inner.adjoint(y)

    def _normal(self, x: Tensor) -> Tensor:
        return abs(self.factor) ** 2 * self.inner.normal(x)

    def _name(self) -> str:
        return f"{self.factor:g} * {self.inner._name()}"


class Stack(LinearOperator):
    """Several operators of one input; their outputs one after another along `axis` (1 is C)."""

    def __init__(self, operators: Sequence[LinearOperator], axis: int = 1) -> None:
        self.operators, self.axis = tuple(operators), axis
        name = f"stack of {', '.join(map(repr, operators))}"
        self.shape_in = matched(name, [A.shape_in for A in operators])
        lengths = [A.shape_out[axis - 1] for A in operators]
        self._lengths = [n for n in lengths if n is not None]
        if len(self._lengths) < len(lengths):
            refuse(name, ("a fixed length along the stacked axis",), tuple(lengths))
        rest = [(*A.shape_out[: axis - 1], 0, *A.shape_out[axis:]) for A in operators]
        merged = list(matched(name, rest))
        merged[axis - 1] = sum(self._lengths)
        self.shape_out = tuple(merged)
        self.dtype, self.device = self.operators[0].dtype, self.operators[0].device

    def _forward(self, x: Tensor) -> Tensor:
        return torch.cat([A(x) for A in self.operators], self.axis)

    def _adjoint(self, y: Tensor) -> Tensor:
        parts = torch.split(y, self._lengths, self.axis)
        terms = [A.adjoint(part) for A, part in zip(self.operators, parts, strict=True)]
        return reduce(torch.add, terms)

    def _normal(self, x: Tensor) -> Tensor:
        return reduce(torch.add, [A.normal(x) for A in self.operators])


def stack(*operators: LinearOperator, axis: int = 1) -> LinearOperator:
    """From x to (A x, B x, ...), concatenated along `axis` of (K, C, *space)."""
    return Stack(operators, axis)


def hstack(*operators: LinearOperator, axis: int = 1) -> LinearOperator:
    """From (x, z, ...), concatenated along `axis`, to A x + B z + ..."""
    return Stack([A.H for A in operators], axis).H
