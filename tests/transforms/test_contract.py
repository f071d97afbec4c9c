"""One contract for every public transform: each that `medidiff.transforms` names is tried here.

A new transform needs one line in `CASES`: what it is given, and parameters that make it quick.
"""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, decollate_batch
from monai.inferers import Inferer
from monai.transforms import Compose, Flipd, Invertd, MapTransform, Spacingd, Transform

import medidiff.transforms as public
from medidiff.errors import InputError, MissingError
from medidiff.transforms.ct.sinogram import SCAN, WARNINGS
from medidiff.transforms.pattern import OfArray, OfKeys

MakeImage = Callable[..., MetaTensor]


@dataclass(frozen=True)
class Case:
    """What a transform takes, and with which parameters it is tried."""

    takes: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


CASES = {
    "SparseViewCT": Case("image", {"views": 9, "photons": 1e4, "seed": 3}),
    "LimitedAngleCT": Case("image", {"views": 8, "arc_deg": 100.0}),
    "LowDoseCT": Case("image", {"views": 20, "photons": 2e3}),
    "FBP": Case("sinogram"),
    "TVReconstruct": Case("sinogram"),
    "DiffusionReconstruct": Case("sinogram", {"prior": "tiny", "device": "cpu", "float32": True}),
}
_NAMED = {name: getattr(public, name) for name in public.__all__}
_EXPECTED: dict[str, MetaTensor] = {}
ARRAYS = [name for name, kind in _NAMED.items() if issubclass(kind, OfArray)]
TWINS = [name for name, kind in _NAMED.items() if issubclass(kind, OfKeys)]

pytestmark = pytest.mark.usefixtures("tiny_prior")
each = pytest.mark.parametrize("name", ARRAYS)


def array(name: str) -> Any:
    return _NAMED[name](**CASES[name].parameters)


def twin(name: str, keys: Any = "it", **more: Any) -> Any:
    return _NAMED[f"{name}d"](keys, **CASES[name].parameters, **more)


@pytest.fixture
def given(make_image: MakeImage) -> Callable[[str], MetaTensor]:
    """What a transform takes."""

    def give(name: str) -> MetaTensor:
        image = make_image()
        return image if CASES[name].takes == "image" else public.SparseViewCT(views=10, photons=1e5)(image)

    return give


@pytest.fixture
def expected(given: Callable[[str], MetaTensor]) -> Callable[[str], MetaTensor]:
    """What the array form gives, computed once for all tests; nobody changes it."""

    def expect(name: str) -> MetaTensor:
        if name not in _EXPECTED:
            _EXPECTED[name] = array(name)(given(name))
        return _EXPECTED[name]

    return expect


def same(a: Any, b: Any) -> bool:
    """Equal to the last bit, whatever holds what."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, MetaTensor) and isinstance(b, MetaTensor):
        plain = torch.equal(a.as_tensor(), b.as_tensor()) and a.dtype == b.dtype
        return plain and same(a.meta, b.meta) and a.applied_operations == b.applied_operations
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(np.array_equal(np.asarray(a), np.asarray(b), equal_nan=isinstance(a, float)))


def test_every_public_transform_is_tried_and_has_a_twin() -> None:
    assert sorted(ARRAYS) == sorted(CASES)
    assert sorted(TWINS) == sorted(f"{name}d" for name in CASES)
    rest = set(_NAMED) - set(ARRAYS) - set(TWINS)
    assert [name for name in rest if not issubclass(_NAMED[name], Inferer)] == []


def test_nothing_public_is_unnamed() -> None:
    spellings = {f"{name}{end}" for name in ARRAYS for end in ("D", "Dict")}
    kinds = {name for name, value in vars(public).items() if inspect.isclass(value)}
    assert kinds - spellings == set(_NAMED)


@each
def test_the_forms_are_monais_and_share_their_parameters(name: str) -> None:
    form, keyed = array(name), twin(name, ["a", "b"])
    assert isinstance(form, Transform)
    assert isinstance(keyed, MapTransform)
    assert keyed.keys == ("a", "b")
    assert [getattr(public, f"{name}{end}") for end in ("D", "Dict")] == [type(keyed)] * 2
    ours = dict(inspect.signature(type(form)).parameters)
    theirs = dict(inspect.signature(type(keyed)).parameters)
    assert [theirs.pop("keys").name, theirs.pop("allow_missing_keys").default] == ["keys", False]
    assert theirs == ours
    assert type(form).__doc__ != type(keyed).__doc__ != None  # noqa: E711  a chain reads better here


@each
def test_what_comes_out_is_a_float32_metatensor_of_the_promised_shape(
    name: str, given: Callable[[str], MetaTensor], make_image: MakeImage
) -> None:
    source, image = given(name), make_image()
    out = array(name)(source)
    assert (type(out), out.dtype, out.device) == (MetaTensor, torch.float32, source.device)
    assert torch.isfinite(out).all()
    if CASES[name].takes == "image":
        assert out.shape[:3] == (1, 3, CASES[name].parameters["views"])
        assert torch.equal(out.affine, torch.eye(4, dtype=torch.float64))
    else:
        assert out.shape == image.shape
        assert torch.equal(out.affine, image.affine)
        assert SCAN not in out.meta


@each
def test_the_users_meta_goes_through(name: str, given: Callable[[str], MetaTensor]) -> None:
    source = given(name)
    source.applied_operations = [{"class": "Somebodys", "id": 3}]
    out = array(name)(source)
    for key in ("filename_or_obj", "original_affine", "spatial_shape", "mine", "space"):
        assert same(out.meta[key], source.meta[key]), key
    assert out.applied_operations == source.applied_operations
    assert out.applied_operations is not source.applied_operations
    assert isinstance(out.meta[WARNINGS], str)


def plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and plain(entry) for key, entry in value.items())
    return all(map(plain, value)) if isinstance(value, list) else type(value) in (int, float, str)


@each
def test_what_is_added_to_the_meta_is_plain(name: str, given: Callable[[str], MetaTensor]) -> None:
    source = given(name)
    out = array(name)(source)
    added = {key: entry for key, entry in out.meta.items() if key not in source.meta}
    assert plain(added)
    assert pickle.loads(pickle.dumps(added)).keys() == added.keys()  # noqa: S301  our own bytes


@each
def test_the_input_stays_as_it_was(name: str, given: Callable[[str], MetaTensor]) -> None:
    source = given(name)
    before, data = copy.deepcopy(source), {"it": source, "other": 5}
    twin(name)(data)
    assert same(source, before)
    assert data.keys() == {"it", "other"}
    assert data["it"] is source


@each
def test_the_same_seed_gives_the_same_result(
    name: str, given: Callable[[str], MetaTensor], expected: Callable[[str], MetaTensor]
) -> None:
    assert same(array(name)(given(name)), expected(name))


@each
def test_the_twin_gives_what_the_array_form_gives(
    name: str, given: Callable[[str], MetaTensor], expected: Callable[[str], MetaTensor]
) -> None:
    source, other = given(name), torch.ones(2)
    out = twin(name, ("it", "that"))({"it": source, "that": given(name), "other": other})
    assert same(out["it"], expected(name))
    assert same(out["that"], out["it"])
    assert out["other"] is other


@each
def test_it_pickles_and_compares_as_what_it_is(
    name: str, given: Callable[[str], MetaTensor], expected: Callable[[str], MetaTensor]
) -> None:
    for form in (array(name), twin(name)):
        again = pickle.loads(pickle.dumps(form))  # noqa: S301  our own bytes
        assert again == form
        assert f"{type(form).__name__}(" in repr(form)
        assert all(f"{key}={value!r}" in repr(form) for key, value in CASES[name].parameters.items())
    assert same(again({"it": given(name)})["it"], expected(name))


@each
def test_a_missing_key_is_said_or_allowed(name: str) -> None:
    data = {"other": 1}
    with pytest.raises(KeyError, match="it"):
        twin(name)(data)
    assert twin(name, allow_missing_keys=True)(data) == data
    with pytest.raises(InputError) as error:
        twin(name, [])
    assert error.value.got == "[]"


def two_channels(tensor: MetaTensor) -> Any:
    return MetaTensor(tensor.as_tensor().repeat(2, 1, 1, 1), meta=tensor.meta)


def with_nan(tensor: MetaTensor) -> Any:
    bad = tensor.clone()
    bad[0, 1, 2, 3] = torch.nan
    return bad


def without_channel(tensor: MetaTensor) -> Any:
    return MetaTensor(tensor.as_tensor()[0], meta=tensor.meta)


def rescaled(tensor: MetaTensor) -> Any:
    """0 to 255, as a picture has, and no line integral."""
    values = tensor.as_tensor()
    low, high = values.min(), values.max()
    return MetaTensor(255 * (values - low) / (high - low), meta=tensor.meta)


BAD = {
    "two channels": two_channels,
    "NaN": with_nan,
    "no channel": without_channel,
    "other values": rescaled,
    "no affine": lambda tensor: tensor.as_tensor(),
    "an array": lambda tensor: tensor.numpy(),
    "a path": lambda tensor: "chest.nii.gz",
    "a bare MetaTensor of zeros": lambda tensor: MetaTensor(torch.zeros(1, 17, 18, 19)),
}


@each
@pytest.mark.parametrize("fault", BAD)
def test_bad_input_is_one_clear_line_inside_compose_too(
    name: str, fault: str, given: Callable[[str], MetaTensor]
) -> None:
    bad = BAD[fault](given(name))
    with pytest.raises(InputError):
        array(name)(bad)
    with pytest.raises(RuntimeError, match=f"{name}d") as error:
        Compose([twin(name)])({"it": bad})
    cause = error.value.__cause__
    assert isinstance(cause, InputError)
    assert cause.what.startswith("it, ")
    assert "\n" not in str(cause)
    assert all((cause.expected, cause.got, cause.fix))


@each
def test_workers_give_what_this_process_gives(
    name: str, given: Callable[[str], MetaTensor], expected: Callable[[str], MetaTensor]
) -> None:
    loader = DataLoader(
        Dataset([{"it": given(name)}] * 2, twin(name)),
        batch_size=2,
        num_workers=1,
        multiprocessing_context="fork",
    )
    (batch,) = loader
    alone = expected(name)
    for item in decollate_batch(batch):
        assert torch.equal(item["it"].as_tensor(), alone.as_tensor())
        assert torch.equal(item["it"].affine, alone.affine)
        assert item["it"].meta["filename_or_obj"] == "folder/chest.nii.gz"
        assert same(item["it"].meta.get(SCAN, {}), alone.meta.get(SCAN, {}))
        assert item["it"].meta[WARNINGS] == alone.meta[WARNINGS]


def test_spawned_workers_give_what_this_process_gives(
    given: Callable[[str], MetaTensor], expected: Callable[[str], MetaTensor]
) -> None:
    """All transforms in one worker, because a new process has to import everything anew."""
    data = [{name: given(name)} for name in ARRAYS]
    chain = Compose([twin(name, name, allow_missing_keys=True) for name in ARRAYS])
    loader = DataLoader(Dataset(data, chain), batch_size=1, num_workers=1, multiprocessing_context="spawn")
    for name, batch in zip(ARRAYS, loader, strict=True):
        assert torch.equal(batch[name][0].as_tensor(), expected(name).as_tensor()), name


@each
def test_what_is_pending_is_done_first(name: str, make_image: MakeImage) -> None:
    """A lazy chain must measure the image as it is resampled, not as it was read."""
    before = [Flipd("it", spatial_axis=1), Spacingd("it", pixdim=(4.0, 1.5, 2.0))]
    between = [] if CASES[name].takes == "image" else [public.SparseViewCTd("it", views=10)]
    chain = [*before, *between, twin(name)]
    now = Compose(chain)({"it": make_image()})["it"]
    lazy = Compose(chain, lazy=True)({"it": make_image()})["it"]
    assert torch.equal(now.affine, lazy.affine)
    assert torch.allclose(now.as_tensor(), lazy.as_tensor(), atol=1.0 if between else 1e-3)


@each
def test_it_refuses_an_image_with_something_pending(name: str, make_image: MakeImage) -> None:
    if CASES[name].takes != "image":
        pytest.skip("a sinogram has no spatial transform that could be pending")
    pending = Flipd("it", spatial_axis=1, lazy=True)({"it": make_image()})["it"]
    with pytest.raises(InputError) as error:
        array(name)(pending)
    assert error.value.got == "1 pending"


@pytest.mark.parametrize("name", [name for name in ARRAYS if CASES[name].takes == "sinogram"])
def test_invertd_brings_a_reconstruction_to_the_grid_of_the_file(name: str, make_image: MakeImage) -> None:
    """What stood before the scan is undone; scan and reconstruction have nothing to undo."""
    image = make_image()
    before = Compose([Flipd("it", spatial_axis=(0, 2)), public.SparseViewCTd("it", views=10), twin(name)])
    data = before({"it": image})
    data["pred"] = data["it"]
    out = Invertd("pred", before, orig_keys="it", nearest_interp=False)(data)["pred"]
    assert torch.equal(out.affine, image.affine)
    straight = array(name)(public.SparseViewCT(views=10)(image))
    assert torch.allclose(out.as_tensor(), straight.as_tensor(), atol=0.5)


@pytest.mark.parametrize(
    ("name", "wrong", "kind"),
    [
        ("SparseViewCT", {"views": 0}, InputError),
        ("SparseViewCT", {"photons": 0.0}, InputError),
        ("SparseViewCT", {"views": 24.5}, InputError),
        ("SparseViewCT", {"views": "24"}, InputError),
        ("SparseViewCT", {"matrix": 0}, InputError),
        ("SparseViewCT", {"seed": -1}, InputError),
        ("LimitedAngleCT", {"arc_deg": -5.0}, InputError),
        ("LimitedAngleCT", {"arc_deg": None}, InputError),
        ("LowDoseCT", {"photons": None}, InputError),
        ("LowDoseCT", {"photons": -1.0}, InputError),
        ("DiffusionReconstruct", {"coupling": "glue"}, InputError),
        ("DiffusionReconstruct", {"device": "tpu"}, InputError),
        ("DiffusionReconstruct", {"seed": -1}, InputError),
        ("DiffusionReconstruct", {"prior": "nobody"}, MissingError),
    ],
)
def test_wrong_parameters_are_refused_when_the_transform_is_made(
    name: str, wrong: dict[str, Any], kind: type[Exception]
) -> None:
    for make in (_NAMED[name], lambda **words: _NAMED[f"{name}d"]("it", **words)):
        with pytest.raises(kind):
            make(**wrong)
