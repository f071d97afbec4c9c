"""Tiles: every voxel once, the same offsets whatever the chunk, and borders that cannot be seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from medidiff.core.denoisers import Context, Estimate, GaussianField, Sliced, Tiled
from medidiff.core.process import EDM, Heun, NoiseStreams, logsnr_grid, sample
from medidiff.errors import InputError, MissingError

_T = torch.tensor(0.5, dtype=torch.float64)


def image(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@dataclass
class Counting:
    """D(x) = x + the part's mean; it counts voxels, and memory ends at `room` of them."""

    room: int = 10**9
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        if x.numel() > self.room:
            raise torch.OutOfMemoryError("injected")
        self.shapes.append(tuple(x.shape))
        x0 = x + x.mean((-2, -1), keepdim=True)
        if context.y is not None:
            x0 = x0 + context.y
        if context.condition is not None:
            x0 = x0 + context.condition.reshape(len(x), -1, *[1] * (x.ndim - 2))
        return Estimate(x0, -x0)

    @property
    def voxels(self) -> int:
        return sum(torch.Size(shape).numel() for shape in self.shapes)


@pytest.mark.parametrize("shape", [(2, 1, 50, 37), (1, 2, 3, 16, 41), (1, 1, 17, 16), (1, 1, 64, 1)])
@pytest.mark.parametrize("step", range(6))
def test_offset_tiles_cost_one_pass(shape: tuple[int, ...], step: int) -> None:
    """Odd, unequal sizes and volumes: as many voxels as the state holds, whatever the offset."""
    net, context = Counting(), Context(NoiseStreams(3), step=step)
    estimate = Tiled(net, tile=16, chunk=3).denoise(image(*shape), _T, context)
    assert net.voxels == torch.Size(shape).numel()
    assert estimate.x0.shape == shape
    assert torch.equal(estimate.prior, -estimate.x0)


@pytest.mark.parametrize("step", range(8))
@pytest.mark.parametrize("length", [17, 20, 40, 97])
def test_spans_partition_the_axis_and_keep_their_bounds(length: int, step: int) -> None:
    rows, columns = Tiled(Counting(), tile=16).spans(length, 16, Context(NoiseStreams(1), step=step))
    assert columns == [(0, 16)]
    assert [begin for begin, _ in rows] == [0, *(end for _, end in rows[:-1])]
    assert rows[-1][1] == length
    assert all(4 <= end - begin <= 24 for begin, end in rows)


def test_every_tile_is_estimated_alone_and_put_back() -> None:
    """Against a plain double loop over the spans, with a known image and a condition a row."""
    x, y, condition = image(2, 1, 21, 30), image(2, 1, 21, 30) * 2, torch.tensor([[1.0], [2.0]])
    context = Context(NoiseStreams(5), y=y, condition=condition, step=2)
    tiled = Tiled(Counting(), tile=8, chunk=2)
    estimate = tiled.denoise(x, _T, context)
    rows, columns = tiled.spans(21, 30, context)
    assert len(rows) > 1
    assert len(columns) > 2
    for top, bottom in rows:
        for left, right in columns:
            cut = (..., slice(top, bottom), slice(left, right))
            own = Context(NoiseStreams(5), y=y[cut], condition=condition)
            expected = Counting().denoise(x[cut], _T, own).x0
            torch.testing.assert_close(estimate.x0[cut], expected, rtol=0, atol=1e-6)


def test_a_time_map_goes_along_with_its_slices() -> None:
    """Levels by slice reach each tile whole."""

    class Levels:
        def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
            x0 = t.expand_as(x).float()
            return Estimate(x0, x0)

    t = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64).reshape(1, 1, 3, 1, 1)
    x0 = Tiled(Levels(), tile=4).denoise(image(2, 1, 3, 9, 7), t, Context(NoiseStreams(0))).x0
    assert torch.equal(x0, t.float().expand(2, 1, 3, 9, 7))


def test_offsets_are_named_by_the_step_alone() -> None:
    """Other steps and seeds move the tiles; the chunk, the member and the slab do not."""
    tiled, streams = Tiled(Counting(), tile=64), NoiseStreams(9)
    spans = [tiled.spans(512, 512, Context(streams, step=step)) for step in range(20)]
    assert len({str(s) for s in spans}) > 15
    assert spans[0] != tiled.spans(512, 512, Context(NoiseStreams(8)))
    block = streams.block(first_sample=3, first_slice=5)
    assert Tiled(Counting(), tile=64, chunk=1).spans(512, 512, Context(block)) == spans[0]


def test_offsets_are_uniform_multiples() -> None:
    """4000 offsets of a tile of 16 in multiples of 4: each of the four is drawn within 4 standard errors."""
    tiled, found = Tiled(Counting(), tile=16, multiple=4), []
    for step in range(2000):
        rows, columns = tiled.spans(160, 160, Context(NoiseStreams(2), step=step))
        found += [rows[1][0] % 16, columns[1][0] % 16]
    counts = [found.count(offset) for offset in (0, 4, 8, 12)]
    assert sum(counts) == 4000
    assert all(abs(n - 1000) < 4 * (4000 * 0.25 * 0.75) ** 0.5 for n in counts)


@pytest.mark.parametrize("mode", ["offset", "overlap"])
def test_one_tile_is_the_bare_denoiser(mode: Literal["offset", "overlap"]) -> None:
    x, context = image(1, 1, 16, 9), Context(NoiseStreams(0))
    net = Counting()
    assert torch.equal(
        Tiled(net, tile=16, mode=mode).denoise(x, _T, context).x0, Counting().denoise(x, _T, context).x0
    )
    assert net.shapes == [(1, 1, 16, 9)]


def test_overlap_is_a_mean_that_leaves_what_agrees() -> None:
    """Parts that answer 1 and 2 meet by a ramp between; neighbours share what was asked for."""

    class Sides:
        def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
            x0 = torch.where(x[..., :1, :1] < 1, 1.0, 2.0).expand_as(x)
            return Estimate(x0, x0)

    x = (torch.arange(12.0) >= 4).float().expand(1, 1, 8, 12)
    tiled = Tiled(Sides(), tile=8, mode="overlap", overlap=4)
    assert tiled.spans(8, 12, Context(NoiseStreams(0)))[1] == [(0, 8), (4, 12)]
    x0 = tiled.denoise(x, _T, Context(NoiseStreams(0))).x0[0, 0, 3]
    torch.testing.assert_close(
        x0, torch.tensor([1.0, 1, 1, 1, 1.125, 1.375, 1.625, 1.875, 2, 2, 2, 2]), rtol=0, atol=1e-6
    )


def test_the_chunk_is_halved_and_remembered() -> None:
    """Room for two tiles: same numbers, and the next step begins with two; so does `Sliced` around it."""
    x, context = image(1, 1, 32, 32), Context(NoiseStreams(0))
    for wrap, state in ((lambda d: d, x), (Sliced, x[:, :, None])):
        net = Counting(room=2 * 24 * 24)
        estimate = wrap(Tiled(net, tile=16, chunk=8)).denoise(state, _T, context)
        free: Any = wrap(Tiled(Counting(), tile=16, chunk=8)).denoise(state, _T, context)
        assert torch.equal(estimate.x0, free.x0)
        assert max(shape[0] for shape in net.shapes) <= 2 * (24 * 24) // (8 * 8)
    tiled = Tiled(Counting(room=2 * 16 * 16), tile=16, mode="overlap", chunk=8)
    assert tiled.denoise(x, _T, context).carry == {"tile chunk": 2}


def test_a_tile_that_does_not_fit_names_one_that_would() -> None:
    with pytest.raises(MissingError) as error:
        Tiled(Counting(room=1100), tile=64, mode="overlap").denoise(
            image(1, 1, 128, 128), _T, Context(NoiseStreams(0))
        )
    assert error.value.expected == "room for one tile of 64 x 64"
    assert "32 x 32 would fit" in error.value.fix


@pytest.mark.parametrize(
    "options",
    [
        {"tile": 1},
        {"tile": 16, "multiple": 5},
        {"tile": 16, "multiple": 0},
        {"tile": 16, "overlap": 16},
        {"tile": 16, "overlap": 0},
        {"chunk": 0},
        {"mode": "fixed"},
    ],
)
def test_sizes_that_do_not_fit_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError) as error:
        Tiled(Counting(), **options)
    assert error.value.argument


def test_a_state_without_an_image_is_refused() -> None:
    with pytest.raises(InputError):
        Tiled(Counting()).denoise(image(1, 1, 9), _T, Context(NoiseStreams(0)))


def steps_at(x: Tensor, places: list[int]) -> Tensor:
    """Mean |x_i - x_{i-1}| along the last axis at `places` over that of the field, whose law is known."""
    gaps = x.diff(dim=-1).abs()
    return gaps[..., [place - 1 for place in places]].mean() / gaps.mean()


class Fixed:
    """Tiles that never move: what offset and overlap are there to avoid."""

    def __init__(self, inner: GaussianField) -> None:
        self.inner = inner

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        x0 = torch.cat([self.inner.denoise(part, t, context).x0 for part in x.split(64, -1)], -1)
        return Estimate(x0, x0)


def run_field(denoiser: Any, seed: int, rows: int = 800) -> tuple[Tensor, Context]:
    """Profiles of 192 voxels, correlation 6, in 40 levels; and the context of the last level."""
    kernel = EDM(sigma_max=20.0)
    context, grid = Context(NoiseStreams(seed)), logsnr_grid(kernel, 40)
    n = context.draw(torch.empty(1, 1, rows, 192), "start").reshape(rows, 1, 1, 192)
    x = sample(denoiser, kernel, Heun(), grid, start=kernel.start(n), context=context)
    return x, Context(context.streams, step=len(grid) - 1)


@pytest.mark.parametrize("mode", ["offset", "overlap"])
def test_no_border_shows_on_the_gaussian_field(mode: Literal["offset", "overlap"]) -> None:
    """Tiles of 64, correlation 6: steps across the last borders within 2 %; fixed tiles stand at 2.55.

    Four runs of 800 profiles, two or three borders each: standard error 1 %; the bound is 2 % and twice that.
    """
    field = GaussianField(EDM(sigma_max=20.0), 6.0)
    tiled = Tiled(field, tile=64, mode=mode, overlap=16, chunk=9999)
    ratios = []
    for seed in range(4):
        x, last = run_field(tiled, seed)
        _, columns = tiled.spans(1, 192, last)
        ratios.append(steps_at(x, [end for _, end in columns[:-1]]))
        assert abs(x.std() - 1) < 0.05
    assert abs(torch.stack(ratios).mean() - 1) < 0.02 + 0.02


def test_fixed_tiles_would_show() -> None:
    """The statistic sees what it is there to see."""
    x, _ = run_field(Fixed(GaussianField(EDM(sigma_max=20.0), 6.0)), 0, rows=200)
    assert steps_at(x, [64, 128]) > 2.2
