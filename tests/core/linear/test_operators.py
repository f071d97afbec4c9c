"""Operators against matrices written down; what all share is in the contract."""

from __future__ import annotations

import pytest
import torch

from medidiff.core.denoisers.oracle import matrix
from medidiff.core.linear import Dense, Diagonal, Identity, ZDifference, hstack, stack
from medidiff.errors import InputError

_GENERATOR = torch.Generator().manual_seed(0)
_M = torch.randn(5, 6, generator=_GENERATOR, dtype=torch.float64)
_N = torch.randn(6, 4, generator=_GENERATOR, dtype=torch.float64)
_A, _B = Dense(_M, (1, 6), (1, 5)), Dense(_N, (1, 2, 2), (1, 6))


def test_algebra_is_that_of_matrices() -> None:
    for operator, expected in (
        (_A @ _B, _M @ _N),
        (_A + _A, 2 * _M),
        (_A - 3 * _A, -2 * _M),
        (-_A, -_M),
        (_A.H, _M.mT),
        ((_A @ _B).H, _N.mT @ _M.mT),
        (stack(_A, 2 * _A), torch.cat([_M, 2 * _M])),
        (hstack(_A, 2 * _A), torch.cat([_M, 2 * _M], 1)),
    ):
        torch.testing.assert_close(matrix(operator, [int(n or 1) for n in operator.shape_in]), expected)
    assert _A.H.H is _A


def test_norm_is_the_largest_singular_value() -> None:
    """A gap of 2 between the first singular values: 20 iterations leave 2^-40."""
    weights = torch.tensor([[1.0, -4.0, 2.0]], dtype=torch.float64)
    assert Diagonal(weights).norm() == pytest.approx(4.0, rel=1e-9)
    assert (0 * Diagonal(weights)).norm() == 0


def test_complex_norm() -> None:
    weights = torch.tensor([[3 + 4j, 1]], dtype=torch.complex128)
    assert Diagonal(weights).norm() == pytest.approx(5.0, rel=1e-9)


def test_differences_of_a_ramp_are_its_slope() -> None:
    """Positions 0, 1, 3.5, 4 mm and values 2 z: every difference is 2; nothing joins last and first."""
    z = torch.tensor([0.0, 1.0, 3.5, 4.0])
    x = (2 * z).reshape(1, 1, 4, 1, 1).expand(2, 1, 4, 3, 5)
    out = ZDifference(4, (1.0, 2.5, 0.5))(x)
    assert out.shape == (2, 1, 3, 3, 5)
    torch.testing.assert_close(out, torch.full_like(out, 2.0))


def test_uneven_difference_matrix() -> None:
    expected = torch.tensor([[-1.0, 1, 0], [0, -0.5, 0.5]])
    torch.testing.assert_close(matrix(ZDifference(3, (1.0, 2.0)), (1, 3, 1, 1)), expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ZDifference(1),
        lambda: ZDifference(3, 0.0),
        lambda: ZDifference(3, (1.0, 2.0, 3.0)),
        lambda: ZDifference(3, (1.0, float("nan"))),
        lambda: _A @ _A,
        lambda: _A + _B,
        lambda: stack(_A, _B),
        lambda: stack(ZDifference(3), ZDifference(3)),
    ],
)
def test_what_does_not_fit_is_refused(make) -> None:
    with pytest.raises(InputError):
        make()


def test_wrong_shape_says_expected_and_got() -> None:
    with pytest.raises(InputError) as error:
        ZDifference(4)(torch.zeros(1, 1, 3, 2, 2))
    assert error.value.expected == "rows of shape (any, 4, any, any)"
    assert error.value.got == "a tensor of shape (1, 1, 3, 2, 2)"
    assert "ZDifference" in error.value.what


def test_identity_does_not_copy() -> None:
    x = torch.ones(1, 2, 3)
    assert Identity((2, 3))(x).data_ptr() == x.data_ptr()


def test_any_lengths_compose_with_fixed_ones() -> None:
    chain = ZDifference(4) @ Identity((1, 4, 2, 3))
    assert chain.shape_in == (1, 4, 2, 3)
    assert chain(torch.zeros(1, 1, 4, 2, 3)).shape == (1, 1, 3, 2, 3)


def test_real_input_of_a_complex_operator_has_a_real_gradient() -> None:
    """d/dx |W x|^2 = 2 |W|^2 x."""
    weights = torch.tensor([[1 + 2j, 3j]], dtype=torch.complex128)
    x = torch.tensor([[[0.5, -1.0]]], dtype=torch.float64, requires_grad=True)
    Diagonal(weights)(x).abs().square().sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.tensor([[[5.0, -18.0]]], dtype=torch.float64))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError):
        Dense(torch.ones(7, 12), (1, 3, 4), (1, 6))
    with pytest.raises(InputError):
        Diagonal(torch.ones(2, 3, 4), (3, 4))
    assert Diagonal(torch.ones(3, 1, 4), (3, None, 4)).shape_in == (3, None, 4)
