"""What every operator must do: exact adjoint, linear, row by row, differentiable with the adjoint."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from medidiff.core.contracts import Entry
from medidiff.core.linear import LinearOperator, Shape
from medidiff.errors import InputError


def random(
    operator: LinearOperator, shape: Shape, rows: int = 3, seed: int = 0, like: Tensor | None = None
) -> Tensor:
    size = [rows, *(2 if n is None else n for n in shape)]
    dtype = operator.dtype if like is None else like.dtype
    return torch.randn(size, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def pair(operator: LinearOperator, rows: int = 3) -> tuple[Tensor, Tensor]:
    """An input, and a measurement of the right size and dtype."""
    x = random(operator, operator.shape_in, rows)
    out = operator(x)
    return x, torch.randn(out.shape, dtype=out.dtype, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def operator(operator_entry: Entry) -> LinearOperator:
    return operator_entry.make(torch.float64)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_adjoint_is_exact(operator_entry: Entry, dtype: torch.dtype, bound: float) -> None:
    """|<A x, y> - <x, A^H y>| relative to |A x| |y|, in each row; the real part where x is real."""
    operator = operator_entry.make(dtype)
    x, y = pair(operator)
    forward, back = operator(x), operator.adjoint(y)
    gap = torch.linalg.vecdot(forward.flatten(1), y.flatten(1)) - torch.linalg.vecdot(
        x.flatten(1), back.flatten(1)
    )
    gap = gap if x.is_complex() else gap.real
    size = forward.flatten(1).norm(dim=1) * y.flatten(1).norm(dim=1)
    assert (gap.abs() <= bound * size).all()
    assert size.min() > 0


def test_normal_is_the_adjoint_of_the_forward(operator: LinearOperator) -> None:
    x, _ = pair(operator)
    torch.testing.assert_close(operator.normal(x), operator.adjoint(operator(x)), rtol=1e-10, atol=1e-10)


def test_linear(operator: LinearOperator) -> None:
    x, z = random(operator, operator.shape_in), random(operator, operator.shape_in, seed=5)
    torch.testing.assert_close(operator(2 * x - z), 2 * operator(x) - operator(z), rtol=1e-10, atol=1e-10)


def test_rows_do_not_know_of_each_other(operator: LinearOperator) -> None:
    x, y = pair(operator)
    torch.testing.assert_close(operator(x)[1:2], operator(x[1:2]), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(operator.adjoint(y)[1:2], operator.adjoint(y[1:2]), rtol=1e-12, atol=1e-12)


def test_input_is_not_changed(operator: LinearOperator) -> None:
    x, y = pair(operator)
    before = x.clone(), y.clone()
    operator(x), operator.adjoint(y), operator.normal(x)
    assert torch.equal(x, before[0])
    assert torch.equal(y, before[1])


def test_gradients_of_first_and_second_order(operator: LinearOperator) -> None:
    """Finite differences in float64, through forward, adjoint and normal."""
    x, y = (v[:1].clone().requires_grad_() for v in pair(operator))
    for function, v in ((operator, x), (operator.adjoint, y), (operator.normal, x)):
        assert torch.autograd.gradcheck(function, (v,), fast_mode=True)
        assert torch.autograd.gradgradcheck(function, (v,), fast_mode=True)


def test_forward_derivative_is_the_operator(operator: LinearOperator) -> None:
    x, v = random(operator, operator.shape_in), random(operator, operator.shape_in, seed=3)
    with torch.autograd.forward_ad.dual_level():
        out = torch.autograd.forward_ad.unpack_dual(operator(torch.autograd.forward_ad.make_dual(x, v)))
    torch.testing.assert_close(out.tangent, operator(v))


def test_wrong_shape_names_the_operator(operator: LinearOperator) -> None:
    x, _ = pair(operator)
    with pytest.raises(InputError) as error:
        operator(x[0])
    assert repr(operator) in error.value.what


def test_norm_bounds_the_gain(operator: LinearOperator) -> None:
    """20 power iterations give a bound from below of |A|; a random x stays under 1.5 of it."""
    x, _ = pair(operator)
    gain = operator(x).flatten(1).norm(dim=1) / x.flatten(1).norm(dim=1)
    norm = operator.norm(x.shape[1:])
    assert 0 < gain.max() <= 1.5 * norm
    assert norm == operator.norm(x.shape[1:])
