"""What every domain's transforms are made of: one definition, two forms.

    @dataclass(kw_only=True)
    class _Blur(Operation):                    the definition: parameters, and what is done to one tensor
        width_mm: float = 2.0

        def apply(self, tensor): ...

    @dataclass(kw_only=True)
    class Blur(_Blur, OfArray): ...            on a tensor

    @dataclass
    class Blurd(_Blur, OfKeys): ...            on the tensors of a dictionary, keys first

Parameters stand once and are by keyword; a transform pickles, compares and prints as what it is. (Frozen it
cannot be: MONAI's `Invertd` sets `allow_missing_keys` for a while.) It is neither lazy (MONAI applies what is
pending before it) nor random (the seed is a parameter) nor invertible (`Invertd` passes it by: what a chain
of them gives lies on the grid of its input).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import MapTransform, Transform
from monai.utils.misc import ensure_tuple

from medidiff.errors import InputError
from medidiff.io.opening import naming


class Operation(ABC):
    """A definition: a dataclass of parameters by keyword."""

    def __post_init__(self) -> None:
        """Check the parameters when the transform is made, not at the first image."""
        self.check()

    def check(self) -> None:  # noqa: B027  many operations have nothing to check
        """Raise InputError for parameters that are wrong whatever the tensor."""

    @abstractmethod
    def apply(self, tensor: Any) -> MetaTensor:
        """What is made of one tensor (of another kind: InputError), which stays as it is."""


class OfArray(Operation, Transform):
    """The array form of an operation."""

    def __call__(self, img: Any) -> MetaTensor:
        """`apply`."""
        return self.apply(img)


@dataclass
class OfKeys(Operation, MapTransform):
    """The dictionary form of an operation: on each of `keys`, all else untouched.

    A key that is absent raises KeyError, unless `allow_missing_keys`. Errors name the key.
    """

    keys: Hashable | Iterable[Hashable]  # type: ignore[assignment]  # given so, kept as MONAI's tuple
    allow_missing_keys: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        """Raise InputError when there is no key."""
        keys = ensure_tuple(self.keys)
        if not keys or not all(isinstance(key, Hashable) for key in keys):
            raise InputError(
                f"keys of {type(self).__name__}",
                expected="a key or several",
                got=repr(self.keys),
                fix="Name the entry that holds the image.",
                argument=True,
            )
        self.keys = keys
        self.check()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """A new dictionary."""
        out = dict(data)
        for key in self.key_iterator(out):
            with naming(str(key)):
                out[key] = self.apply(out[key])
        return out
