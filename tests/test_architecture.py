"""The floors of the house, read from the imports of every file, those inside functions included.

A room imports from its own folder and from lower floors; on the ground floor also from rooms to its left.
ARCHITECTURE.md draws it. Each check is a function of a file's text, and is tried on a planted fault.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "medidiff"

FLOORS: list[list[str]] = [
    ["errors", "progress", "atomic"],
    ["specs", "io", "runs", "core"],
    ["priors", "uncertainty", "metrics"],
    [
        "domains/reconstruction",
        "domains/ultrasound",
        "domains/deformation",
        "domains/chromatography",
        "domains",
        "review",
    ],
    ["cli", "apps", "transforms", "bench"],
]
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
GROUND = ["specs", "io", "runs"]
TOP = ""
"""`medidiff/__init__.py` and `__main__.py`: they hand names on from any floor; only doors ask them."""

WITHOUT_TORCH = {
    "specs",
    "io",
    "runs",
    "metrics",
    "uncertainty",
    "review",
    "domains/chromatography",
    *FLOORS[0],
}
FACES = {"argparse", "rich", "streamlit"}
READERS = {"nibabel", "pydicom", "SimpleITK", "h5py", "skimage", "matplotlib"}
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
UNSAFE_CALLS = {
    "torch.load",
    "torch.save",
    "yaml.load",
    "yaml.full_load",
    "yaml.unsafe_load",
    "yaml.load_all",
}
EMPTY_NAMES = {"util", "utils", "helper", "helpers", "misc", "common"}


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def tracked_files() -> list[Path]:
    """What git tracks; in an unpacked archive, whatever lies there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    return [
        p for p in ROOT.rglob("*") if p.is_file() and not set(p.relative_to(ROOT).parts) & {".venv", ".git"}
    ]


def room_of(module: str) -> str:
    """The room of a dotted module: medidiff.domains.reconstruction.ct.simulate -> domains/reconstruction."""
    parts = module.split(".")[1:]
    if parts[:1] == ["domains"] and len(parts) > 1 and "/".join(parts[:2]) in FLOOR:
        return "/".join(parts[:2])
    return parts[0] if parts and (parts[0] in FLOOR or (PACKAGE / parts[0]).exists()) else TOP


def module_of(path: Path) -> str:
    """Its dotted name. The app's files, which import each other by bare names, are in the room `apps`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("medidiff", *parts) if parts[0] == "apps" else parts
    return ".".join(parts[:-1] if parts[-1] in ("__init__", "__main__") else parts)


def imports(tree: ast.AST, module: str, *, package: bool = False) -> Iterator[str]:
    """Every dotted name that a file imports, anywhere in it, by statement or by `import_module("...")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")[: len(module.split(".")) - node.level + package]
                base = ".".join([*parents, *([base] if base else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and dotted(node.func).endswith(("import_module", "__import__")):
            yield from (
                arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            )


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def may_import(room: str, other: str) -> bool:
    if room in (other, TOP):
        return True
    if other == TOP:
        return FLOOR[room] == FLOOR["cli"]
    for row in (FLOORS[0], GROUND):
        if room in row and other in row:
            return row.index(other) < row.index(room)
    return FLOOR[other] < FLOOR[room] or (room, other) == ("cli", "bench")


def faults(text: str, module: str, *, package: bool = False) -> list[str]:
    """What a file of the package does against the house."""
    tree, room = ast.parse(text), room_of(module)
    found = []
    for name in imports(tree, module, package=package):
        top = name.split(".")[0]
        if top == "medidiff" and not may_import(room, room_of(name)):
            found.append(f"{room} imports {name}")
        if top in ("torch", "monai") and room in WITHOUT_TORCH | {TOP}:
            found.append(f"{room or 'medidiff'} imports {top}")
        if top == "monai" and room == "core" and ".denoisers." not in module:
            found.append("core imports monai outside its networks")
        if top in READERS and room == "core":
            found.append(f"core imports {top}")
        if top in FACES and FLOOR.get(room, 4) < FLOOR["cli"]:
            found.append(f"{room} imports {top}")
        if top in PICKLES:
            found.append(f"imports {top}")
    return found + unsafe_calls(tree)


def unsafe_calls(tree: ast.AST) -> list[str]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [dotted(call.func) for call in calls]
    pickles = [
        "allow_pickle"
        for call in calls
        for word in call.keywords
        if word.arg == "allow_pickle"
        and not (isinstance(word.value, ast.Constant) and word.value.value is False)
    ]
    return [name for name in named if name in UNSAFE_CALLS | {"eval", "exec"}] + pickles


SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|fmt:|pragma:|pylint:|mypy:|ruff:)(.*)")
WITH_REASON = re.compile(r"^:?\s*(\[[\w\-, ]+\]|[A-Z]+\d+(,\s*[A-Z]+\d+)*)\s+(#\s*)?\w.{7,}$")


def bare_suppressions(text: str) -> list[str]:
    """Suppressions that name no rule or give no reason of at least eight characters."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = (token.string for token in tokens if token.type == tokenize.COMMENT)
    found = (SUPPRESSION.match(comment) for comment in comments)
    return [match[0] for match in found if match and not WITH_REASON.match(match[2])]


PRIVATE_PATH = re.compile(r"(?<![\w.])/(?:work|root|home/\w|Users/\w|tmp/\w*venv)[\w./-]*")


def private_paths(text: str) -> list[str]:
    return PRIVATE_PATH.findall(text)


@pytest.mark.parametrize("path", python_files("medidiff", "apps"), ids=module_of)
def test_a_file_keeps_to_its_floor(path: Path) -> None:
    package = path.name in ("__init__.py", "__main__.py")
    assert faults(path.read_text(encoding="utf-8"), module_of(path), package=package) == []


def test_every_room_is_on_the_plan() -> None:
    rooms = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert rooms - set(FLOOR) - {"__init__", "__main__"} == set()
    domains = {f"domains/{p.name}" for p in (PACKAGE / "domains").iterdir() if (p / "__init__.py").exists()}
    assert domains <= set(FLOOR)


PLANTED = [
    ("medidiff.metrics.image", "def f():\n    import torch", "metrics imports torch"),
    ("medidiff.metrics.image", "from torch.nn import functional", "metrics imports torch"),
    ("medidiff.core.linear.solvers", "import monai.networks", "core imports monai outside its networks"),
    (
        "medidiff.core.linear.solvers",
        "from medidiff.io.volume import Volume",
        "core imports medidiff.io.volume.Volume",
    ),
    ("medidiff.io.volume", "from medidiff import runs", "io imports medidiff.runs"),
    ("medidiff.io.volume", "from ..runs import Result", "io imports medidiff.runs.Result"),
    ("medidiff.metrics.image", "from medidiff.priors import find", "metrics imports medidiff.priors.find"),
    ("medidiff.runs.result", "import medidiff", "runs imports medidiff"),
    (
        "medidiff.domains.reconstruction.ct.methods.fbp",
        "if TYPE_CHECKING:\n    import medidiff.domains.ultrasound.chain",
        "domains/reconstruction imports medidiff.domains.ultrasound.chain",
    ),
    (
        "medidiff.priors.find",
        "importlib.import_module('medidiff.domains.reconstruction')",
        "priors imports medidiff.domains.reconstruction",
    ),
    (
        "medidiff.domains.reconstruction.ct.methods.fbp",
        "import argparse",
        "domains/reconstruction imports argparse",
    ),
    ("medidiff.transforms.ct", "from medidiff.cli import main", "transforms imports medidiff.cli.main"),
    ("medidiff.apps.screens.compare", "from medidiff.cli import door", "apps imports medidiff.cli.door"),
    ("medidiff.cli.verbs.app", "import medidiff.apps.settings", "cli imports medidiff.apps.settings"),
    ("medidiff.runs.jobs.control", "import streamlit", "runs imports streamlit"),
    ("medidiff.core.training.checkpoints", "import pickle", "imports pickle"),
    ("medidiff.core.training.checkpoints", "import torch\ntorch.load(p)", "torch.load"),
    ("medidiff.specs.card", "import yaml\nyaml.load(t, Loader=L)", "yaml.load"),
    ("medidiff.io.volume", "np.load(p, allow_pickle=True)", "allow_pickle"),
]


@pytest.mark.parametrize(("module", "text", "fault"), PLANTED)
def test_a_planted_fault_is_found(module: str, text: str, fault: str) -> None:
    assert faults(text, module) == [fault]


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("medidiff.runs.result", "from medidiff.io.volume import Volume"),
        ("medidiff.priors.find", "from medidiff.core.denoisers import NetDenoiser\nimport torch"),
        ("medidiff.cli.bench", "from medidiff.bench import ct\nfrom medidiff import __version__"),
        ("medidiff.core.denoisers.monai_unet", "import monai"),
        (
            "medidiff.domains.reconstruction.ct.methods.fbp",
            "from . import geometry\nfrom ..shared import null_space",
        ),
        ("medidiff.io.volume", "np.load(p, allow_pickle=False)\nyaml.safe_load(t)"),
        ("medidiff.apps.frame", "import streamlit\nfrom settings import settings\nimport medidiff as md"),
    ],
)
def test_what_the_plan_allows(module: str, text: str) -> None:
    assert faults(text, module) == []


def test_scripts_and_apps_read_nothing_unsafe() -> None:
    for path in python_files("benchmarks", "apps", "notebooks"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        loaded = {name.split(".")[0] for name in imports(tree, path.stem)} & PICKLES
        assert (path.name, loaded, unsafe_calls(tree)) == (path.name, set(), [])


def test_names_say_what_is_inside() -> None:
    parts = {part for p in tracked_files() for part in (*p.relative_to(ROOT).parent.parts, p.stem)}
    assert parts & EMPTY_NAMES == set()


def test_suppressions_carry_a_reason() -> None:
    found = {
        str(path.relative_to(ROOT)): bare
        for path in python_files("medidiff", "tests", "benchmarks", "apps", "notebooks")
        if (bare := bare_suppressions(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("comment", "bare"),
    [
        ("# noqa", True),
        ("# noqa: E501", True),
        ("# noqa: E501  url", True),
        ("# type: ignore", True),
        ("# type: ignore[misc]", True),
        ("# fmt: off", True),
        ("# noqa: E501  a link cannot be broken", False),
        ("# noqa: N801, N802  names of the paper", False),
        ("# type: ignore[misc]  # nibabel has no types", False),
        ("# a comment about noqa", False),
    ],
)
def test_bare_suppressions_are_found(comment: str, bare: bool) -> None:
    assert bool(bare_suppressions(f"x = 1  {comment}\n")) is bare


def test_no_private_path_is_tracked() -> None:
    texts = ((path, path.read_bytes()) for path in tracked_files())
    found = {
        str(path.relative_to(ROOT)): paths
        for path, data in texts
        if b"\0" not in data and (paths := private_paths(data.decode("utf-8", "replace")))
    }
    assert found == {}


def test_private_paths_are_found() -> None:
    for start in (
        "/wo" + "rk/x",
        "/ro" + "ot/.cache",
        "/ho" + "me/ann",
        "/Us" + "ers/ann",
        "/tmp/v" + "env/bin",
    ):
        assert private_paths(f"see {start} now") == [start]
    assert private_paths("https://x.org/work/a, framework/b, /usr/lib, ./root/x") == []


def test_constraints_hold_no_gpu_build() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="ascii").splitlines()
    pins = [line for line in lines if line.strip() and not line.startswith("#")]
    assert "torch==2.13.0" in pins
    assert [pin for pin in pins if re.search(r"nvidia|triton|torchvision|cuda", pin)] == []
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9_.\-]+==[\w.]+", pin)] == []


def test_import_is_quick_and_light() -> None:
    """Half a second, best of three (the machine may be busy), and neither torch nor monai."""
    code = (
        "import sys, time; start = time.perf_counter(); import medidiff; print(time.perf_counter() - start, "
        "*{'torch', 'monai', 'matplotlib', 'SimpleITK'} & set(sys.modules))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(3)
    ]
    assert [run[1:] for run in runs] == [[], [], []]
    assert min(float(run[0]) for run in runs) < 0.5
