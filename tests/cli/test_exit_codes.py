"""Each documented exit code, from the installed command, with one line on stderr."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# A verb that ends as the test wants: `main` runs it through the same door as the real ones.
_PLANTED = """
import sys, types
from medidiff.cli import main
verb = types.ModuleType("medidiff.cli.verbs.planted")
def add_arguments(parser):
    parser.add_argument("what")
    parser.set_defaults(run=run)
def run(arguments, terminal):
    exec(arguments.what)
    return 0
verb.add_arguments = add_arguments
sys.modules[verb.__name__] = verb
main.VERBS["planted"] = "a verb for tests"
sys.exit(main.main(["planted", *sys.argv[1:]]))
"""


def medidiff(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "medidiff", *words], cwd=cwd, capture_output=True, text=True, timeout=120
    )


def planted(code: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _PLANTED, code, *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


def one_line(run: subprocess.CompletedProcess[str]) -> str:
    """The only line of stderr, without a traceback."""
    assert run.stderr.count("\n") == 1, run.stderr
    assert run.stderr.startswith("medidiff: ")
    return run.stderr.strip()


def test_0_when_done(tmp_path: Path) -> None:
    run = medidiff("models", "list", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")


def test_1_for_a_bug_with_a_log_that_names_nobody(tmp_path: Path) -> None:
    """The message and the folder hold a name; the line and the log must not."""
    folder = tmp_path / "CANARY^ZX81"
    folder.mkdir()
    run = planted("raise ValueError('CANARY^ZX81 has a bad header')", cwd=folder)
    assert run.returncode == 1
    line = one_line(run)
    log = Path(re.search(r"the log is (\S+\.log)", line)[1])
    text = log.read_text()
    log.unlink()
    assert "ValueError" in text
    assert "medidiff/cli/door.py:" in text
    assert "CANARY" not in text + line
    assert "Traceback" not in run.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    run = planted("raise ValueError('the message')", "--debug", cwd=tmp_path)
    assert run.returncode == 1
    assert "Traceback" in run.stderr
    assert "the message" in run.stderr
    Path(re.search(r"the log is (\S+\.log)", run.stderr)[1]).unlink()


@pytest.mark.parametrize(
    "words",
    [
        ("reconstruct", "ct", "x.nii", "--views", "0", "--out", "o"),
        ("reconstruct", "ct", "x.nii", "--views", "24", "--arc-deg", "-5", "--out", "o"),
        ("reconstruct", "ct", "x.nii", "--views", "24", "--arc-deg", "361", "--out", "o"),
        ("reconstruct", "ct", "x.nii", "--views", "24", "--photons", "nan", "--out", "o"),
        ("reconstruct", "ct", "x.nii", "--views", "24", "--photons", "5", "--out", "o"),
        ("reconstruct", "ct", "x.nii", "--views", "24", "--photons", "1e16", "--out", "o"),
        ("reconstruct", "ct", "x.nii", "--angles-file", "a.txt", "--arc-deg", "90", "--out", "o"),
        ("reconstruct", "ct", "x.nii", "--views", "24", "--method", "magic", "--out", "o"),
        ("reconstruct", "ct", "x.nii", "--views", "24", "--method", "tv,tv", "--out", "o"),
        ("reconstruct", "ct", "x.nii", "--views", "24", "--slices", "9:3", "--out", "o"),
        ("reconstruct", "ct", "x.nii", "--views", "24", "--seed", "-1", "--out", "o"),
        ("reconstruct", "ct", "x.nii", "--view", "24", "--out", "o"),
        ("reconstruct", "ct", "x.nii", "--out", "o"),
        ("reconstruct", "mri", "x.h5"),
        ("reconstruct",),
        ("recnostruct",),
    ],
)
def test_2_for_an_argument_wrong_by_itself(words: tuple[str, ...], tmp_path: Path) -> None:
    run = medidiff(*words, cwd=tmp_path)
    assert run.returncode == 2
    one_line(run)
    assert list(tmp_path.iterdir()) == []


def test_2_for_an_unknown_option_names_the_help_that_lists_the_known_ones(tmp_path: Path) -> None:
    run = medidiff("reconstruct", "ct", "x.nii", "--views", "24", "--out", "o", "--foo", cwd=tmp_path)
    assert run.returncode == 2
    assert one_line(run).endswith("unrecognized arguments: --foo. See 'medidiff reconstruct ct --help'.")


def test_2_for_an_input_error_about_an_argument(tmp_path: Path) -> None:
    code = "import medidiff as m; raise m.InputError('x', expected='a', got='b', fix='c', argument=True)"
    assert planted(code, cwd=tmp_path).returncode == 2


def test_3_for_a_file_that_is_absent(tmp_path: Path) -> None:
    run = medidiff("reconstruct", "ct", "chest.nii.gz", "--views", "24", "--out", "o", cwd=tmp_path)
    assert run.returncode == 3
    assert "chest.nii.gz: expected" in one_line(run)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "code",
    [
        "import medidiff as m; raise m.MissingError('x', expected='a', got='b', fix='c')",
        "raise MemoryError",
        "import numpy; numpy.empty(2**62, 'u1')",
        "raise RuntimeError('[enforce fail] DefaultCPUAllocator: can\\'t allocate memory')",
    ],
)
def test_4_when_something_needed_is_absent(code: str, tmp_path: Path) -> None:
    run = planted(code, cwd=tmp_path)
    assert run.returncode == 4
    one_line(run)


@pytest.mark.parametrize(
    ("module", "name"), [("skimage", "scikit-image"), ("h5py.sub", "h5py"), ("yaml", "PyYAML")]
)
def test_4_for_a_missing_package_names_what_to_install(module: str, name: str, tmp_path: Path) -> None:
    code = f"import sys; sys.modules[{module.split('.')[0]!r}] = None; import {module}"
    run = planted(code, cwd=tmp_path)
    assert run.returncode == 4
    assert one_line(run).endswith(f"Install it: pip install {name}")


def test_1_for_a_missing_module_of_our_own(tmp_path: Path) -> None:
    run = planted("import medidiff.nothing", cwd=tmp_path)
    assert run.returncode == 1
    Path(re.search(r"the log is (\S+\.log)", run.stderr)[1]).unlink()


def test_4_for_an_unknown_prior(tmp_path: Path) -> None:
    run = medidiff("models", "show", "no-such-prior", cwd=tmp_path)
    assert run.returncode == 4
    assert "no-such-prior" in one_line(run)


def test_5_for_an_occupied_folder_before_the_input_is_read(tmp_path: Path) -> None:
    out = tmp_path / "o"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    run = medidiff("reconstruct", "ct", "absent.nii", "--views", "24", "--out", "o", cwd=tmp_path)
    assert run.returncode == 5
    assert "--overwrite" in one_line(run)
    assert (out / "mine.txt").read_text() == "keep"


def test_5_when_the_place_cannot_be_written(tmp_path: Path) -> None:
    """A folder below a file: refused for root too."""
    (tmp_path / "file").write_text("")
    run = medidiff("reconstruct", "ct", "absent.nii", "--views", "24", "--out", "file/o", cwd=tmp_path)
    assert run.returncode == 5
    one_line(run)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("out", "words"),
    [("/", "Choose another --out"), (".", "Choose another --out"), ("x" * 300, "file name too long")],
)
def test_5_for_a_place_that_no_folder_can_take(out: str, words: str, tmp_path: Path) -> None:
    command = ("reconstruct", "ct", "absent.nii", "--views", "24", "--out", out, "--overwrite")
    run = medidiff(*command, cwd=tmp_path)
    assert run.returncode == 5
    assert words in one_line(run)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "EFBIG", "EROFS"])
def test_5_when_the_disk_is_full(number: str, tmp_path: Path) -> None:
    run = planted(f"import errno; raise OSError(errno.{number}, 'x')", cwd=tmp_path)
    assert run.returncode == 5
    one_line(run)


def test_5_when_stdout_is_full(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-c", _PLANTED, "print('x' * 100)"]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert run.returncode == 5
    assert run.stderr.startswith("medidiff: error: output")


def test_0_when_stdout_and_stderr_are_closed(tmp_path: Path) -> None:
    command = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", sys.executable, "-m", "medidiff", "models", "list"]
    assert subprocess.run(command, cwd=tmp_path, timeout=120, check=False).returncode == 0


def test_6_when_a_promised_check_fails(tmp_path: Path) -> None:
    """`doctor` promises that every prior can be used; a folder of priors holds a damaged card."""
    (tmp_path / "bad.json").write_text("{}")
    (tmp_path / "bad.safetensors").write_bytes(b"")
    environment = {**os.environ, "MEDIDIFF_PRIORS": str(tmp_path)}
    command = [sys.executable, "-m", "medidiff", "doctor"]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 6
    assert "Not ready" in run.stdout
    assert "warning: passed over" in one_line(run)


def test_6_when_doctor_misses_a_package(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules[sys.argv[1]] = None; from medidiff.cli.main import main; "
        "sys.exit(main(['doctor']))"
    )
    for module in ("torch", "nibabel"):
        command = [sys.executable, "-c", code, module]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert (run.returncode, run.stderr) == (6, "")
        assert re.search(f"NOT OK: package {module}: .*Install it: pip install {module}", run.stdout)
        assert "Not ready" in run.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_130_and_143_leave_nothing(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """The signal comes while a folder is being written; its temporary sibling must go too."""
    work = (
        "import time, pathlib; from medidiff.atomic import writing_folder\n"
        "with writing_folder(pathlib.Path('o')) as folder:\n"
        "    (folder / 'half').write_text('x'); print('ready', flush=True); time.sleep(60)"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", _PLANTED, work],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout.readline() == "ready\n"
    begin = time.monotonic()
    run.send_signal(number)
    _, stderr = run.communicate(timeout=60)
    assert time.monotonic() - begin < 30
    assert run.returncode == code
    assert stderr.count("\n") == 1
    assert "nothing half-written" in stderr
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_stops_reading_is_no_error(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PLANTED, "print('x\\n' * 200000)"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    run.stdout.readline()
    run.stdout.close()
    stderr = run.stderr.read()
    assert (run.wait(60), stderr) == (0, "")


def test_a_name_with_control_characters_stays_on_one_line(tmp_path: Path) -> None:
    name = "a\x1b[31mb\nc.nii"
    run = medidiff("reconstruct", "ct", name, "--views", "24", "--out", "o", cwd=tmp_path)
    assert run.returncode == 3
    assert "\x1b" not in one_line(run)
