"""Guidance, blocks, kernels and ensembles; and the order in which they stand around each other."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from medidiff.core.denoisers import (
    Context,
    Ensemble,
    Estimate,
    Flipped,
    GaussianOracle,
    Guided,
    OnKernel,
    Sliced,
    Stacked,
    Tiled,
)
from medidiff.core.linear.operators import Identity, hstack
from medidiff.core.posterior.proximal import ProximalData
from medidiff.core.process import DDIM, EDM, VP, Heun, NoiseStreams, Renoise, logsnr_grid, sample
from medidiff.errors import InputError, MissingError

_T = torch.tensor(0.5, dtype=torch.float64)
_CONTEXT = Context(NoiseStreams(0))


def state(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@dataclass
class Net:
    """D(x) = x / 2 plus the mean of the condition (0 without one), counting its calls."""

    calls: list[bool] = field(default_factory=list)

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        self.calls.append(context.condition is not None)
        x0 = x / 2 if context.condition is None else x / 2 + context.condition.mean()
        return Estimate(x0, x0)


@pytest.mark.parametrize(
    ("weight", "shift", "calls"), [(1.0, 3.0, [True]), (0.0, 0.0, [False]), (2.5, 7.5, [False, True])]
)
def test_guidance_weighs_the_condition(weight: float, shift: float, calls: list[bool]) -> None:
    """The condition moves D by 3: guided by w it moves it by 3 w; 0 and 1 are exact and cost one call."""
    x, net = state(2, 1, 3, 4), Net()
    context = Context(NoiseStreams(0), condition=torch.full((2, 1), 3.0))
    x0 = Guided(net, weight).denoise(x, _T, context).x0
    torch.testing.assert_close(x0, x / 2 + shift)
    assert net.calls == calls
    if weight in (0, 1):
        bare = context if weight else _CONTEXT
        assert torch.equal(x0, Net().denoise(x, _T, bare).x0)


def test_guidance_needs_a_condition_and_a_weight() -> None:
    with pytest.raises(InputError) as error:
        Guided(Net(), 2.0).denoise(state(1, 1, 2, 2), _T, _CONTEXT)
    assert error.value.expected == "a condition"
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError):
            Guided(Net(), weight)


def oracle(kernel: Any, mean: float, sd: float) -> GaussianOracle:
    return GaussianOracle(
        kernel, torch.full((1, 1, 2, 3), mean, dtype=torch.float64), torch.full((6,), sd**2).double()
    )


def test_a_denoiser_moves_to_another_kernel() -> None:
    """A VP oracle asked with EDM states is the EDM oracle, at every level that VP has; time maps included."""
    own, kernel = VP(), EDM()
    moved = OnKernel(oracle(own, 0.7, 0.5), own, kernel)
    x = state(3, 1, 2, 3).double()
    for sigma in (0.01, 0.3, 4.0, 70.0):
        t = kernel.at_sigma(sigma)
        expected = oracle(kernel, 0.7, 0.5).denoise(x, t, _CONTEXT).x0
        torch.testing.assert_close(moved.denoise(x, t, _CONTEXT).x0, expected, rtol=0, atol=1e-9)


def test_a_level_that_the_other_kernel_lacks_is_refused() -> None:
    own = EDM(sigma_min=0.01, sigma_max=5.0)
    moved = OnKernel(oracle(own, 0.0, 1.0), own, EDM())
    for sigma in (0.005, 20.0):
        with pytest.raises(InputError) as error:
            moved.denoise(state(1, 1, 2, 3).double(), EDM().at_sigma(sigma), _CONTEXT)
        assert "between 0.01 and 5" in error.value.expected


def test_blocks_keep_their_own_priors_and_kernels() -> None:
    """The law of each block of a sample is its own: means 2 and -1, deviations 0.5 and 0.1 (4 errors)."""
    kernel = EDM()
    stacked = Stacked(
        (oracle(kernel, 2.0, 0.5), OnKernel(oracle(VP(), -1.0, 0.1), VP(), kernel)), channels=(1, 1)
    )
    grid = logsnr_grid(kernel, 40, sigma_max=70.0, sigma_min=0.01)
    rows = 2000
    start = kernel.start(state(rows, 2, 2, 3).double(), t=grid[0])
    x = sample(stacked, kernel, Heun(), grid, start=start, context=_CONTEXT)
    for block, mean, sd in ((x[:, 0], 2.0, 0.5), (x[:, 1], -1.0, 0.1)):
        assert abs(block.mean() - mean) < 4 * sd / (6 * rows) ** 0.5 + 0.01
        assert abs(block.std() / sd - 1) < 0.07
    assert abs(torch.corrcoef(torch.stack([x[:, 0].flatten(), x[:, 1].flatten()]))[0, 1]) < 0.04


@dataclass
class Remembers:
    """It returns how often it was asked, through the carry, plus its block's known image."""

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        seen = context.carry.get("seen", 0)
        assert isinstance(seen, int)
        x0 = torch.full_like(x, seen + 1.0) + (0 if context.y is None else context.y)
        return Estimate(x0, -x0, {"seen": seen + x.shape[1]})


def test_blocks_keep_their_own_carries_and_known_images() -> None:
    stacked, x = Stacked((Remembers(), Remembers()), (1, 2)), state(2, 3, 2, 2)
    context = Context(NoiseStreams(0), y=10 * torch.arange(3.0).reshape(1, 3, 1, 1), carry={"outer": 1})
    for expected in ([1, 11, 21], [2, 13, 23], [3, 15, 25]):
        estimate = stacked.denoise(x, _T, context)
        assert estimate.x0[0, :, 0, 0].tolist() == expected
        assert torch.equal(estimate.prior, -estimate.x0)
        assert estimate.carry["outer"] == 1
        context = context.keeping(estimate.carry)


def test_blocks_that_do_not_fit_are_refused() -> None:
    for inners, channels in (((), ()), ((Net(),), (1, 1)), ((Net(),), (0,))):
        with pytest.raises(InputError):
            Stacked(inners, channels)
    with pytest.raises(InputError):
        Stacked((Net(),), (2,)).denoise(state(1, 1, 2, 2), _T, _CONTEXT)


def members(ensemble: Ensemble, **options: Any) -> list[Tensor]:
    """All members, each once and in order."""
    found: list[Tensor] = []

    def keep(k: int, x0: Tensor) -> None:
        assert k == len(found)
        found.append(x0)

    kernel = EDM()
    values: dict[str, Any] = {"context": Context(NoiseStreams(7)), "shape": (1, 2, 3), **options}
    ensemble.run(kernel, DDIM(0.5), logsnr_grid(kernel, 12), finished=keep, **values)
    return found


def test_members_depend_neither_on_the_chunk_nor_on_their_number() -> None:
    prior = oracle(EDM(), 1.0, 0.5)
    whole = members(Ensemble(prior, 7, chunk=7))
    for other in (members(Ensemble(prior, 7, chunk=3)), members(Ensemble(prior, 9, chunk=2))[:7]):
        torch.testing.assert_close(torch.stack(other), torch.stack(whole), rtol=0, atol=1e-6)
    assert torch.stack(whole).std(0).min() > 0.05


def test_members_are_draws_of_the_prior() -> None:
    x = torch.stack(members(Ensemble(oracle(EDM(), 1.0, 0.5), 600, chunk=200)))
    assert abs(x.mean() - 1.0) < 4 * 0.5 / 3600**0.5 + 0.01
    assert abs(x.std() / 0.5 - 1) < 0.25  # twelve first-order levels lose a part of the spread


def test_members_that_do_not_fit_are_halved(caplog: pytest.LogCaptureFixture) -> None:
    """Room for three rows of an ensemble of eight: 8, 4, 2; the same members."""

    @dataclass
    class Small:
        room: int
        sizes: list[int] = field(default_factory=list)

        def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
            if len(x) > self.room:
                raise torch.OutOfMemoryError("injected")
            self.sizes.append(len(x))
            return oracle(EDM(), 0.0, 1.0).denoise(x, t, context)

    small = Small(3)
    with caplog.at_level(logging.WARNING):
        found = members(Ensemble(small, 8))
    assert set(small.sizes) == {2}
    assert len(caplog.records) == 2
    expected = members(Ensemble(oracle(EDM(), 0.0, 1.0), 8))
    torch.testing.assert_close(torch.stack(found), torch.stack(expected), rtol=0, atol=1e-6)
    with pytest.raises(MissingError) as error:
        members(Ensemble(Small(0), 2))
    assert error.value.expected == "room for one member of shape (1, 2, 3)"


def test_progress_and_conditions_of_members() -> None:
    """Progress counts levels of members; a condition has one row for all or one a member."""
    heard, condition = [], torch.arange(5.0).reshape(5, 1)

    class Conditioned:
        def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
            assert context.condition is not None
            x0 = context.condition.reshape(len(x), 1, 1, 1).expand_as(x) + 0.0
            return Estimate(x0, x0)

    ensemble = Ensemble(Conditioned(), 5, chunk=2)
    context = Context(NoiseStreams(0), condition=condition)
    found = members(ensemble, context=context, progress=lambda p: heard.append((p.done, p.total)))
    assert [x.mean().item() for x in found] == [0, 1, 2, 3, 4]
    assert heard[0] == (2, 60)
    assert heard[-1] == (60, 60)
    with pytest.raises(InputError):
        members(ensemble, context=Context(NoiseStreams(0), condition=condition[:3]))
    for options in ({"members": 0}, {"members": 2, "chunk": 0}):
        with pytest.raises(InputError):
            Ensemble(Net(), **options)


def posterior(inner: Any) -> ProximalData:
    """One measured volume, the sum of two blocks."""
    shape = (1, 2, 9, 11)
    one = Identity(shape, torch.float32)
    assert hstack(one, one).shape_in != shape
    return ProximalData(inner, Identity((2, *shape[1:]), torch.float32), torch.zeros(1, 2, *shape[1:]))


def test_all_wrappers_in_their_order() -> None:
    """Net, Guided, Tiled, Sliced, Stacked, Posterior, Ensemble: bit-equal to fewer wrappers that do the same.

    The network is voxel by voxel, so tiles and slices change nothing.
    """
    condition = torch.full((1, 1), 0.25)
    context = Context(NoiseStreams(3), condition=condition)
    whole = Ensemble(
        posterior(Stacked((Sliced(Tiled(Guided(Net(), 2.0), tile=4)),) * 2, (1, 1))), members=2, chunk=1
    )
    plain = Ensemble(posterior(Guided(Net(), 2.0)), members=2)
    kernel, grid = EDM(), logsnr_grid(EDM(), 5)
    results: list[list[Tensor]] = []
    for ensemble in (whole, plain):
        results.append([])
        ensemble.run(
            kernel,
            Renoise(),
            grid,
            shape=(2, 2, 9, 11),
            context=context,
            finished=lambda k, x0: results[-1].append(x0),
        )
    assert torch.equal(torch.stack(results[0]), torch.stack(results[1]))


LAYERS: list[Any] = [
    lambda inner: Guided(inner, 2.0),
    lambda inner: Tiled(inner),
    lambda inner: Stacked((inner,), (1,)),
    posterior,
    lambda inner: Ensemble(inner, 2),
]


@pytest.mark.parametrize("outer", range(5))
@pytest.mark.parametrize("inner", range(5))
def test_a_wrong_order_is_refused(outer: int, inner: int) -> None:
    """What belongs outside is refused inside, through a change of kernel too."""
    if inner == outer == 4:
        with pytest.raises(InputError):
            LAYERS[4](LAYERS[4](Net()))
    elif inner <= outer:
        LAYERS[outer](LAYERS[inner](Net()))
    else:
        for made in (LAYERS[inner](Net()), OnKernel(LAYERS[inner](Net()), EDM(), VP())):
            with pytest.raises(InputError) as error:
                LAYERS[outer](made)
            assert error.value.argument


def test_parts_may_hold_each_other() -> None:
    """Tiles of slices, slices of tiles, mirrors of either: the same numbers of a voxel-wise network."""
    x = state(1, 1, 2, 9, 11)
    expected = Net().denoise(x, _T, _CONTEXT).x0
    nests = [
        Sliced(Tiled(Net(), tile=4)),
        Tiled(Sliced(Net()), tile=4),
        Flipped(Sliced(Tiled(Net(), tile=4))),
        Sliced(Flipped(Net())),
    ]
    for nest in nests:
        assert torch.equal(nest.denoise(x, _T, _CONTEXT).x0, expected)
