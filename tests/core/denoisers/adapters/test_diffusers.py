"""diffusers' checkpoints without diffusers: MONAI's network is the same architecture and the oracle here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.networks.nets.diffusion_model_unet import DiffusionModelUNet
from monai.networks.schedulers import DDPMScheduler
from safetensors.torch import load_file, save_file
from torch import Tensor

from medidiff.core.denoisers import Context
from medidiff.core.denoisers.adapters import from_monai, read_diffusers
from medidiff.core.denoisers.adapters.diffusers_unet import UNet2D, UNet2DConfig, _sinusoids
from medidiff.core.process import NoiseStreams
from medidiff.errors import InputError

_CONTEXT = Context(NoiseStreams(0))
WEIGHTS = "diffusion_pytorch_model.safetensors"
CONFIG: dict[str, Any] = {
    "_class_name": "UNet2DModel",
    "_diffusers_version": "0.30.0",
    "sample_size": 16,
    "in_channels": 1,
    "out_channels": 1,
    "block_out_channels": [16, 32],
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "norm_num_groups": 8,
    "norm_eps": 1e-6,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "downsample_padding": 1,
    "act_fn": "silu",
}
SCHEDULE: dict[str, Any] = {
    "_class_name": "DDPMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "trained_betas": None,
    "prediction_type": "epsilon",
    "clip_sample": True,
}
# MONAI's names on the left, diffusers' on the right.
NAMES = [
    (r"\.conv\.(weight|bias)$", r".\1"),
    (r"^time_embed\.0", "time_embedding.linear_1"),
    (r"^time_embed\.2", "time_embedding.linear_2"),
    (r"^middle_block\.resnet_1", "mid_block.resnets.0"),
    (r"^middle_block\.resnet_2", "mid_block.resnets.1"),
    (r"^middle_block\.attention", "mid_block.attentions.0"),
    (r"(attentions\.\d+)\.norm", r"\1.group_norm"),
    (r"(attentions\.\d+)\.attn\.out_proj", r"\1.to_out.0"),
    (r"(attentions\.\d+)\.attn\.", r"\1."),
    (r"skip_connection", "conv_shortcut"),
    (r"downsampler\.op", "downsamplers.0.conv"),
    (r"upsampler\.postconv", "upsamplers.0.conv"),
    (r"^out\.0", "conv_norm_out"),
    (r"^out\.2", "conv_out"),
]


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def oracle() -> DiffusionModelUNet:
    """MONAI's network of the same sizes, all weights random."""
    net = DiffusionModelUNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=1,
        channels=(16, 32),
        attention_levels=(False, True),
        num_res_blocks=2,
        norm_num_groups=8,
        norm_eps=1e-6,
        num_head_channels=8,
    ).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            size = 0.5 / max(parameter[0].numel(), 1) ** 0.5 if parameter.ndim > 1 else 0.5
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator) + (parameter.ndim == 1))
    return net


def renamed(name: str) -> str:
    for old, new in NAMES:
        name = re.sub(old, new, name)
    return name


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    weights = {renamed(name): tensor.detach().clone() for name, tensor in oracle().state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "scheduler_config.json").write_text(json.dumps(SCHEDULE))
    return folder


@pytest.mark.parametrize("step", [0, 17, 999])
def test_the_denoiser_is_that_of_the_same_network_in_monai(checkpoint: Path, step: int) -> None:
    """Same weights, same schedule: D agrees to float32's rounding, at a size that needs padding too."""
    ours, theirs = read_diffusers(checkpoint), from_monai(oracle(), DDPMScheduler(1000))
    t = torch.tensor((step + 1) / 1000, dtype=torch.float64)
    for shape in ((2, 1, 16, 12), (1, 1, 9, 15)):
        x = noise(*shape)
        one, two = ours.denoise(x, t, _CONTEXT).x0, theirs.denoise(x, t, _CONTEXT).x0
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4 * float(two.abs().max()))
    raw = ours.network(noise(1, 1, 8, 8), torch.tensor([float(step)]))
    assert raw.std() > 0.05  # the comparison is not one of zeros


def test_a_pipeline_folder_and_old_names_are_read(checkpoint: Path, tmp_path: Path) -> None:
    """unet/ and scheduler/; attention layers as they were called before they were renamed."""
    pipeline = tmp_path / "pipeline"
    (pipeline / "unet").mkdir(parents=True)
    (pipeline / "scheduler").mkdir()
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    weights = load_file(checkpoint / WEIGHTS)
    for new, name in old.items():
        weights = {key.replace(f".{new}.", f".{name}."): tensor for key, tensor in weights.items()}
    assert any("proj_attn" in key for key in weights)
    save_file(weights, pipeline / "unet" / WEIGHTS)
    (pipeline / "unet" / "config.json").write_text(json.dumps(CONFIG))
    (pipeline / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULE))
    x, t = noise(1, 1, 8, 8), torch.tensor(0.3, dtype=torch.float64)
    expected = read_diffusers(checkpoint).denoise(x, t, _CONTEXT).x0
    assert torch.equal(read_diffusers(pipeline).denoise(x, t, _CONTEXT).x0, expected)


def test_options_of_the_first_public_checkpoints() -> None:
    """One head, frequencies shifted and sines first, asymmetric halving: its parameters by name and shape."""
    changes = {
        "attention_head_dim": None,
        "freq_shift": 1,
        "flip_sin_to_cos": False,
        "downsample_padding": 0,
        "in_channels": 3,
        "out_channels": 3,
    }
    config = UNet2DConfig.model_validate({k: v for k, v in (CONFIG | changes).items() if k[0] != "_"})
    net = UNet2D(config).eval()
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    assert shapes["down_blocks.0.downsamplers.0.conv.weight"] == (16, 16, 3, 3)
    assert shapes["down_blocks.1.resnets.0.conv_shortcut.weight"] == (32, 16, 1, 1)
    assert shapes["mid_block.attentions.0.to_out.0.bias"] == (32,)
    assert shapes["up_blocks.0.resnets.2.conv1.weight"] == (32, 48, 3, 3)
    assert shapes["up_blocks.1.resnets.0.conv1.weight"] == (16, 48, 3, 3)
    assert net(noise(2, 3, 8, 12), torch.tensor([3.0, 40.0])).shape == (2, 3, 8, 12)


def test_scale_and_shift_widen_the_projection_and_drop_the_middle_norm() -> None:
    changes = {"resnet_time_scale_shift": "scale_shift"}
    config = UNet2DConfig.model_validate({k: v for k, v in (CONFIG | changes).items() if k[0] != "_"})
    net = UNet2D(config)
    names = net.state_dict()
    assert names["mid_block.resnets.0.time_emb_proj.weight"].shape == (64, 64)
    assert "mid_block.attentions.0.group_norm.weight" not in names
    assert "down_blocks.1.attentions.0.group_norm.weight" in names
    assert torch.isfinite(net(noise(1, 1, 8, 8), torch.tensor([5.0]))).all()


def test_sinusoids_by_their_definition() -> None:
    """Frequencies 10000^(-k / (half - shift)), sines first unless flipped."""
    found = _sinusoids(torch.tensor([7.0]), 6, shift=1, cosine_first=False)[0]
    phases = [7.0 * 10000 ** (-k / 2) for k in range(3)]
    expected = torch.tensor(phases)
    torch.testing.assert_close(found, torch.cat([expected.sin(), expected.cos()]))
    flipped = _sinusoids(torch.tensor([7.0]), 6, shift=1, cosine_first=True)[0]
    assert torch.equal(flipped, found.roll(3))


@pytest.mark.parametrize(
    ("changes", "h_first", "h_last"),
    [
        ({}, 4.61, -5.06),
        ({"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}, 3.53, -2.68),
        ({"beta_schedule": "squaredcos_cap_v2"}, 5.05, -6.0),  # as far as noise tells x0
        ({"beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample"}, 5.05, -9.92),
        ({"trained_betas": [0.01, 0.02], "num_train_timesteps": 2}, 2.3, 1.74),
    ],
)
def test_schedules(changes: dict[str, Any], h_first: float, h_last: float, checkpoint: Path) -> None:
    """Half log-SNR at both ends, against the numbers of the literature."""
    (checkpoint / "scheduler_config.json").write_text(json.dumps(SCHEDULE | changes))
    kernel = read_diffusers(checkpoint).kernel
    ends = [
        float(kernel.half_logsnr(torch.tensor(t, dtype=torch.float64))) for t in (kernel.t_min, kernel.t_max)
    ]
    assert ends == pytest.approx([h_first, h_last], abs=0.06)


def truncate(folder: Path) -> None:
    file = folder / WEIGHTS
    file.write_bytes(file.read_bytes()[:-100])


def scramble(folder: Path) -> None:
    """The header's length, altered."""
    file = folder / WEIGHTS
    file.write_bytes(b"\xff" * 8 + file.read_bytes()[8:])


def poison(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    weights["conv_in.bias"][0] = float("nan")
    save_file(weights, folder / WEIGHTS)


def lose_a_tensor(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    del weights["conv_in.bias"]
    save_file(weights, folder / WEIGHTS)


def other_sizes(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG | {"block_out_channels": [16, 64]}))


def only_a_pickle(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "diffusion_pytorch_model.bin")


def no_schedule(folder: Path) -> None:
    (folder / "scheduler_config.json").unlink()


def half_a_config(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG)[:-20])


def a_list(folder: Path) -> None:
    (folder / "config.json").write_text("[" * 100_000)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncate, "SafetensorError"),
        (scramble, "SafetensorError"),
        (poison, "NaN or infinity in conv_in.bias"),
        (lose_a_tensor, "conv_in.bias"),
        (other_sizes, "mid_block"),
        (only_a_pickle, "none"),
        (no_schedule, "none"),
        (half_a_config, "JSONDecodeError"),
        (a_list, "RecursionError"),
    ],
)
def test_damage_is_refused_in_a_line(damage: Callable[[Path], None], words: str, checkpoint: Path) -> None:
    damage(checkpoint)
    with pytest.raises(InputError) as error:
        read_diffusers(checkpoint)
    if damage is not other_sizes:  # which tensor comes first is PyTorch's choice
        assert words in error.value.got
    assert "\n" not in str(error.value)
    assert str(checkpoint.parent) not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"_class_name": "UNet2DConditionModel"}, "UNet2DConditionModel"),
        ({"down_block_types": ["DownBlock2D", "SkipDownBlock2D"]}, "down_block_types"),
        ({"time_embedding_type": "fourier"}, "time_embedding_type"),
        ({"class_embed_type": "timestep"}, "class_embed_type"),
        ({"num_class_embeds": 10}, "num_class_embeds"),
        ({"center_input_sample": True}, "center_input_sample"),
        ({"something_new": 1}, "something_new"),
        ({"block_out_channels": [16, 30]}, "norm_num_groups"),
        ({"block_out_channels": [16, 10**6]}, "norm_num_groups"),
        ({"block_out_channels": [16]}, "differ in length"),
        ({"attention_head_dim": 7}, "attention_head_dim"),
        ({"freq_shift": 8}, "freq_shift"),
        ({"out_channels": 2}, "1 in, 2 out"),
    ],
)
def test_other_architectures_are_refused_by_their_key(
    changes: dict[str, Any], words: str, checkpoint: Path
) -> None:
    (checkpoint / "config.json").write_text(json.dumps(CONFIG | changes))
    with pytest.raises(InputError) as error:
        read_diffusers(checkpoint)
    assert words in error.value.got
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"beta_schedule": "sigmoid"},
        {"beta_schedule": None},
        {"num_train_timesteps": 10**9},
        {"num_train_timesteps": "1000"},
        {"beta_start": 0.5, "beta_end": 0.1},
        {"rescale_betas_zero_snr": True},
        {"trained_betas": ["x"]},
        {"prediction_type": "flow_prediction"},
    ],
)
def test_other_schedules_are_refused(changes: dict[str, Any], checkpoint: Path) -> None:
    (checkpoint / "scheduler_config.json").write_text(json.dumps(SCHEDULE | changes))
    with pytest.raises(InputError) as error:
        read_diffusers(checkpoint)
    assert "\n" not in str(error.value)
