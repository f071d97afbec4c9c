"""Inferers: the planes of a volume in their order, and measurements in an evaluator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from torch import Tensor, nn

from medidiff.errors import InputError, MissingError
from medidiff.transforms import (
    FBP,
    ReconstructionInferer,
    SliceVolumeInferer,
    SparseViewCT,
    SparseViewCTd,
)

MakeImage = Callable[..., MetaTensor]


class Net(nn.Module):
    """Two channels to three, with a kernel that knows up from down; counts what it is given."""

    def __init__(self, room: int = 1000) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, (3, 1), padding="same", bias=False)
        nn.init.normal_(self.conv.weight, generator=torch.Generator().manual_seed(0))
        self.room, self.batches = room, []

    def forward(self, x: Tensor, factor: float = 1.0, *, shift: float = 0.0) -> Tensor:
        self.batches.append(len(x))
        if len(x) > self.room:
            raise torch.OutOfMemoryError("made for a test")
        out: Tensor = factor * self.conv(x) + shift
        return out


def volumes() -> Tensor:
    return torch.randn(2, 2, 5, 6, 7, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize("spatial_dim", [0, 1, 2])
@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_every_slice_meets_the_network_once(spatial_dim: int, chunk: int) -> None:
    """Against a loop over the slices; the arguments reach the network."""
    net, x = Net(), volumes()
    out = SliceVolumeInferer(spatial_dim, chunk)(x, net, 2.0, shift=0.5)
    axis = spatial_dim + 2
    expected = torch.stack([Net()(x.select(axis, k), 2.0, shift=0.5) for k in range(x.shape[axis])], axis)
    assert torch.allclose(out, expected, atol=1e-6)
    assert sum(net.batches) == 2 * x.shape[axis]
    assert max(net.batches) <= chunk


@torch.no_grad()
def test_the_chunk_is_halved_when_memory_runs_out() -> None:
    net, x = Net(room=3), volumes()
    out = SliceVolumeInferer(chunk=8)(x, net)
    assert torch.allclose(out, SliceVolumeInferer(chunk=1)(x, Net()), atol=1e-6)
    assert net.batches[:3] == [8, 4, 2]
    with pytest.raises(MissingError):
        SliceVolumeInferer()(x, Net(room=0))


@torch.no_grad()
def test_the_slices_keep_their_place_and_meta() -> None:
    x = MetaTensor(volumes(), affine=torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0])), meta={"mine": 3})
    before = x.clone()
    out = SliceVolumeInferer()(x, lambda planes: planes[:, :1].double())
    assert isinstance(out, MetaTensor)
    assert torch.equal(out.affine, x.affine)
    assert out.meta["mine"] == 3
    assert out.dtype == torch.float64  # the network's
    assert torch.equal(out.as_tensor(), before.as_tensor()[:, :1])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: SliceVolumeInferer(3),
        lambda: SliceVolumeInferer(chunk=0),
        lambda: SliceVolumeInferer()(torch.zeros(2, 5, 6, 7), Net()),
        lambda: SliceVolumeInferer()(volumes(), lambda x: x[..., 1:]),
        lambda: SliceVolumeInferer()(volumes(), lambda x: (x, x)),
        lambda: ReconstructionInferer(FBP())(volumes(), nn.Identity()),
        lambda: ReconstructionInferer(FBP())(MetaTensor(volumes()), nn.Identity()),
    ],
)
def test_what_cannot_be_is_refused(wrong: Callable[[], Any]) -> None:
    with pytest.raises(InputError):
        wrong()


def test_a_batch_of_two_sizes_is_refused(make_image: MakeImage) -> None:
    """Of one sinogram's size, but not of one image's: turned by 90 degrees in the slice."""
    images = [make_image((0, 1, 2)), make_image((1, 0, 2))]
    data = Dataset([{"it": image} for image in images], SparseViewCTd("it", views=4))
    (batch,) = DataLoader(data, batch_size=2)
    with pytest.raises(InputError) as error:
        ReconstructionInferer(FBP())(batch["it"], nn.Identity())
    assert error.value.fix == "Use batch_size=1."


@pytest.fixture
def evaluator() -> Any:
    pytest.importorskip("ignite", reason="the evaluator needs medidiff[train]")
    from monai.engines import SupervisedEvaluator

    def run(images: list[MetaTensor], inferer: Any, network: Any, transform: Any = None) -> list[Any]:
        loader = DataLoader(Dataset([{"image": image} for image in images], transform), batch_size=2)
        engine = SupervisedEvaluator(torch.device("cpu"), loader, network, inferer=inferer)
        engine.run()
        return list(engine.state.output)

    return run


def test_a_2d_network_in_an_evaluator(evaluator: Any, make_image: MakeImage) -> None:
    images = [make_image((0, 1, 2), seed=seed) for seed in (0, 1)]
    found = evaluator(images, SliceVolumeInferer(chunk=2), nn.AvgPool2d(3, 1, 1))
    for item, image in zip(found, images, strict=True):
        planes = torch.nn.functional.avg_pool2d(image.as_tensor().movedim(3, 0), 3, 1, 1)
        assert torch.allclose(item["pred"].as_tensor(), planes.movedim(0, 3), atol=1e-3)
        assert torch.equal(item["pred"].affine, image.affine)
        assert item["pred"].meta["filename_or_obj"] == "folder/chest.nii.gz"


def test_a_reconstruction_in_an_evaluator(evaluator: Any, make_image: MakeImage) -> None:
    images = [make_image(seed=seed) for seed in (0, 1)]
    scan = SparseViewCTd("image", views=12, photons=1e5)
    found = evaluator(images, ReconstructionInferer(FBP()), nn.Identity(), scan)
    for item, image in zip(found, images, strict=True):
        alone = FBP()(SparseViewCT(views=12, photons=1e5)(image))
        assert torch.equal(item["pred"].as_tensor(), alone.as_tensor())
        assert torch.equal(item["pred"].affine, image.affine)
        assert item["pred"].meta["filename_or_obj"] == "folder/chest.nii.gz"
