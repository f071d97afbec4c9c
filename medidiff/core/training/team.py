"""Several processes, one training: each computes the gradient of a batch of its own, all take the mean.

Started by `torchrun`, which sets RANK, WORLD_SIZE and the rendezvous; without it the team has one member and
nothing here does anything. Gradients are averaged in one flat vector of fixed layout, so the order of every
sum is the same in each step and after a resume (`DistributedDataParallel` regroups its buckets after the
first step, which with more than two processes changes the rounding of a resumed run). Gloo on CPUs, NCCL on
GPUs.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from safetensors.torch import load, save
from torch import Tensor, distributed

from medidiff.errors import MissingError

_PREFIX = "rank {}/"
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Team:
    """Member `rank` of `size` processes, its network on `device`."""

    rank: int = 0
    size: int = 1
    device: torch.device = _CPU

    @property
    def leads(self) -> bool:
        """Whether this member writes files and speaks."""
        return self.rank == 0

    def mean(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over the members."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(flat)
        flat /= self.size
        for tensor, part in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))

    def either(self, *wishes: bool) -> tuple[bool, ...]:
        """Each wish that at least one member has, so that all do the same."""
        if self.size == 1:
            return wishes
        flags = torch.tensor(wishes, dtype=torch.int32, device=self.device)
        distributed.all_reduce(flags, distributed.ReduceOp.MAX)
        return tuple(bool(flag) for flag in flags.tolist())

    def gather(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The states of all members in one: the first one's names as they are, others' with their rank."""
        if self.size == 1:
            return state
        # As safetensors: the collectives for objects would send pickles.
        content = bytearray(save({name: t.detach().cpu().contiguous() for name, t in state.items()}))
        own = torch.frombuffer(content, dtype=torch.uint8).to(self.device)
        sizes = [torch.zeros(1, dtype=torch.int64, device=self.device) for _ in range(self.size)]
        distributed.all_gather(sizes, torch.tensor([len(own)], device=self.device))
        longest = max(int(size) for size in sizes)
        padded = torch.zeros(longest, dtype=torch.uint8, device=self.device)
        padded[: len(own)] = own
        received = [torch.zeros_like(padded) for _ in range(self.size)]
        distributed.all_gather(received, padded)
        found = {}
        for rank, (data, size) in enumerate(zip(received, sizes, strict=True)):
            prefix = _PREFIX.format(rank) if rank else ""
            part = load(bytes(data[: int(size)].cpu().numpy()))
            found.update({prefix + name: tensor for name, tensor in part.items()})
        return found

    def own(self, gathered: dict[str, Tensor]) -> dict[str, Tensor]:
        """The part of this member in what `gather` gave."""
        if self.size == 1:
            return gathered
        others = tuple(_PREFIX.format(rank) for rank in range(1, self.size))
        if self.rank == 0:
            return {name: t for name, t in gathered.items() if not name.startswith(others)}
        prefix = _PREFIX.format(self.rank)
        return {n.removeprefix(prefix): t for n, t in gathered.items() if n.startswith(prefix)}

    def agrees(self, number: int) -> bool:
        """Whether all members have this number."""
        if self.size == 1:
            return True
        ends = torch.tensor([number, -number], device=self.device)
        distributed.all_reduce(ends, distributed.ReduceOp.MAX)
        return int(ends[0]) == -int(ends[1])


def launched_team() -> Team:
    """The member that this process was started as, not joined yet; alone without `torchrun`."""
    return Team(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Team]:
    """The team of this process, ready to speak to the others until the body ends.

    Raises MissingError when the others cannot be reached.
    """
    team = launched_team()
    if team.size == 1:
        yield replace(team, device=device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    # Its functions keep, as a default, the group that exists when they are first imported (an optimiser
    # does): the group's threads would outlive `destroy_process_group` and abort an interpreter that ends.
    importlib.import_module("torch.distributed.nn.functional")

    try:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except (ValueError, RuntimeError) as error:
        raise MissingError(
            "team of processes",
            expected=f"{team.size} processes that find each other",
            got=str(error).partition("\n")[0],
            fix="Start all with torchrun --nproc-per-node N -m medidiff train ..., or unset WORLD_SIZE.",
        ) from error
    try:
        yield replace(team, device=device)
    finally:
        distributed.destroy_process_group()
