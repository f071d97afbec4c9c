"""Planes of a volume: order, chunks, memory, what is passed down; and the mirror."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from medidiff.core.denoisers import Context, Estimate, Flipped, Sliced
from medidiff.core.process import EDM, NoiseStreams
from medidiff.errors import InputError, MissingError

_T = torch.tensor(0.5, dtype=torch.float64)
_CONTEXT = Context(NoiseStreams(0))


def volume(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@dataclass
class Net:
    """A 2D denoiser that mixes the plane: x + its mean + a ramp down its columns; it logs batch sizes.

    `room` is how many voxels fit; more raise the error that CUDA raises.
    """

    room: int = 10**9
    batches: list[int] = field(default_factory=list)

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        assert x.ndim == 4
        self.batches.append(len(x))
        if x.numel() > self.room:
            raise torch.OutOfMemoryError("injected")
        x0 = x + x.mean((2, 3), keepdim=True) + torch.linspace(0, 1, x.shape[2])[:, None]
        if context.y is not None:
            x0 = x0 + context.y
        if context.condition is not None:
            x0 = x0 + context.condition.reshape(len(x), -1, 1, 1)
        return Estimate(x0, -x0)


@pytest.mark.parametrize("axis", [2, 3, 4])
@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_planes_are_the_inner_estimates_of_each_plane(axis: int, chunk: int) -> None:
    """Any axis and chunk, chunks across samples included, two channels, odd sizes; y goes along."""
    x, y = volume(2, 2, 3, 5, 7), volume(2, 2, 3, 5, 7).flip(2)
    estimate = Sliced(Net(), axis=axis, chunk=chunk).denoise(x, _T, Context(NoiseStreams(0), y=y))
    for k in range(2):
        for z in range(x.shape[axis]):
            plane, known = x[k].select(axis - 1, z)[None], y[k].select(axis - 1, z)[None]
            expected = Net().denoise(plane, _T, Context(NoiseStreams(0), y=known)).x0[0]
            torch.testing.assert_close(estimate.x0[k].select(axis - 1, z), expected, rtol=0, atol=1e-6)
    assert torch.equal(estimate.prior, -estimate.x0)


def test_memory_layout_is_kept() -> None:
    """A volume stored with z innermost comes back stored so, without a copy of it."""
    x = volume(1, 1, 5, 7, 3).movedim(4, 2)
    assert Sliced(Net(), chunk=2).denoise(x, _T, _CONTEXT).x0.stride() == x.stride()


def test_one_condition_a_sample_and_one_level_a_slice() -> None:
    """A condition (K, C) reaches every plane of its sample; a time map arrives as (B, 1, 1, 1)."""

    class Levels:
        def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
            assert t.shape == (len(x), 1, 1, 1)
            assert context.condition is not None
            x0 = t.expand_as(x).float() + context.condition.reshape(-1, 1, 1, 1)
            return Estimate(x0, x0)

    t = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64).reshape(1, 1, 3, 1, 1)
    context = Context(NoiseStreams(0), condition=torch.tensor([[10.0], [20.0]]))
    x0 = Sliced(Levels(), chunk=4).denoise(volume(2, 1, 3, 2, 2), t, context).x0
    assert x0[:, 0, :, 0, 0].tolist() == [
        pytest.approx([10.1, 10.2, 10.3]),
        pytest.approx([20.1, 20.2, 20.3]),
    ]


def test_chunk_is_halved_when_memory_runs_out_and_stays_so(caplog: pytest.LogCaptureFixture) -> None:
    """8 planes do not fit, 4 do not, 2 do: same numbers, and the next step begins with 2."""
    x, net = volume(1, 1, 8, 5, 5), Net(room=2 * 25)
    sliced = Sliced(net, chunk=8)
    with caplog.at_level(logging.WARNING):
        estimate = sliced.denoise(x, _T, _CONTEXT)
    assert net.batches == [8, 4, 2, 2, 2, 2]
    assert len(caplog.records) == 2
    torch.testing.assert_close(estimate.x0, Sliced(Net(), chunk=8).denoise(x, _T, _CONTEXT).x0)
    net.batches.clear()
    sliced.denoise(x, _T, _CONTEXT.keeping(estimate.carry))
    assert net.batches == [2, 2, 2, 2]


def test_a_plane_that_does_not_fit_names_the_size_that_would() -> None:
    """80 x 100 does not fit into 2100 voxels; half of it (40 x 50) does."""
    with pytest.raises(MissingError) as error:
        Sliced(Net(room=2100), chunk=2).denoise(volume(1, 1, 3, 80, 100), _T, _CONTEXT)
    assert error.value.expected == "room for one plane of 80 x 100"
    assert "40 x 50 would fit" in error.value.fix


def test_nothing_fits() -> None:
    with pytest.raises(MissingError) as error:
        Sliced(Net(room=0)).denoise(volume(1, 1, 3, 40, 40), _T, _CONTEXT)
    assert "would fit" not in error.value.fix


def test_other_errors_pass_through() -> None:
    class Faulty:
        def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        Sliced(Faulty()).denoise(volume(1, 1, 3, 4, 4), _T, _CONTEXT)


def test_wrong_axes_chunks_and_states_are_refused() -> None:
    for options in ({"axis": 1}, {"axis": 5}, {"chunk": 0}):
        with pytest.raises(InputError):
            Sliced(Net(), **options)
    with pytest.raises(InputError):
        Sliced(Net()).denoise(volume(1, 1, 4, 4), _T, _CONTEXT)


@dataclass
class Ramp:
    """D(x) = x + 10 row + column + y: it knows which way is up."""

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        x0 = x + 10 * torch.arange(3.0)[:, None] + torch.arange(5.0)
        x0 = x0 if context.y is None else x0 + context.y
        return Estimate(x0, 2 * x0)


@pytest.mark.parametrize(
    ("each", "step", "rows", "columns"),
    [
        (1, 0, [0, 10, 20], [0, 1, 2, 3, 4]),
        (1, 1, [0, 10, 20], [4, 3, 2, 1, 0]),
        (1, 2, [20, 10, 0], [4, 3, 2, 1, 0]),
        (1, 7, [20, 10, 0], [0, 1, 2, 3, 4]),
        (2, 0, [0, 10, 20], [2, 2, 2, 2, 2]),
        (2, 3, [20, 10, 0], [2, 2, 2, 2, 2]),
        (4, 5, [10, 10, 10], [2, 2, 2, 2, 2]),
    ],
)
def test_flipped_turns_there_and_back(each: int, step: int, rows: list[float], columns: list[float]) -> None:
    """The ramp of an estimate is the mean over the orientations of its level; a known image turns along."""
    x, y = volume(1, 1, 3, 5), volume(1, 1, 3, 5) * 3
    estimate = Flipped(Ramp(), each).denoise(x, EDM().at_sigma(1.0), Context(NoiseStreams(0), y=y, step=step))
    expected = x + torch.tensor(rows)[:, None] + torch.tensor(columns) + y
    torch.testing.assert_close(estimate.x0, expected)
    torch.testing.assert_close(estimate.prior, 2 * expected)


@dataclass
class Phase:
    """D(x) = x + 10 r + c, r and c the place of a pixel in the 8 x 8 cells of a grid that stands still."""

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        rows, columns = (torch.arange(n) % 8 for n in x.shape[-2:])
        x0 = x + 10.0 * rows[:, None] + columns
        return Estimate(x0, x0)


def test_a_moved_image_meets_every_phase_of_the_grid_and_comes_back() -> None:
    """In eight levels a pixel stands once in each row and once in each column of the grid's cells."""
    x = torch.zeros(1, 1, 2, 17, 17)  # a pixel in the middle stays there in every orientation
    middle = []
    for step in range(8):
        x0 = Flipped(Phase(), 1, shift=8).denoise(x, _T, Context(NoiseStreams(0), step=step)).x0
        assert x0.shape == x.shape
        middle.append(divmod(int(x0[0, 0, 1, 8, 8]), 10))
    assert sorted(row for row, _ in middle) == sorted(column for _, column in middle) == list(range(8))
    still = Flipped(Phase(), 1).denoise(x, _T, Context(NoiseStreams(0), step=5)).x0
    assert divmod(int(still[0, 0, 1, 8, 8]), 10) == (0, 0)


@pytest.mark.parametrize("step", range(8))
def test_y_and_a_time_map_move_along(step: int) -> None:
    x, y = volume(1, 1, 3, 5, 7), volume(1, 1, 3, 5, 7).flip(3)
    times = torch.linspace(0.2, 0.8, 3, dtype=torch.float64).reshape(1, 1, 3, 1, 1)

    class Sum:
        def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
            assert context.y is not None
            return Estimate(x + 2 * context.y + t.float(), x)

    context = Context(NoiseStreams(0), y=y, step=step)
    estimate = Flipped(Sum(), 1, shift=4).denoise(x, times, context)
    torch.testing.assert_close(estimate.x0, x + 2 * y + times.float())
    torch.testing.assert_close(estimate.prior, x)


def test_an_inner_that_carries_is_refused() -> None:
    """No plane's carry could go to the next level alone."""

    class Carrying:
        def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
            return Estimate(x, x, {"kept": x})

    with pytest.raises(InputError) as error:
        Sliced(Carrying()).denoise(volume(1, 1, 2, 4, 4), _T, _CONTEXT)
    assert error.value.got == "kept"


@pytest.mark.parametrize("each", [0, -1, 5])
def test_the_number_of_orientations_is_checked(each: int) -> None:
    with pytest.raises(InputError):
        Flipped(Net(), each)
    with pytest.raises(InputError):
        Flipped(Net(), 1, shift=each - 5)
