"""Extensions, installed or typed: what is found, what is refused, and that none of their code runs too early."""

import math
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
from hydra.core.hydra_config import HydraConfig

from saddlepoint import build, making
from saddlepoint.commands.command_line import help_text, refuse_arguments, take_extensions_into_use
from saddlepoint.config import extensions, folders, signatures, source
from saddlepoint.config.hydra_errors import explain
from saddlepoint.errors import RequestError
from saddlepoint.game.loss import AdversarialLoss
from saddlepoint.losses.adversarial import Hinge
from saddlepoint.metrics.evaluator import Evaluator
from saddlepoint.metrics.extractors.random import RandomConvolutions
from saddlepoint.metrics.metric import Sample
from saddlepoint.metrics.sums import Moments
from tests.composing import composed, settings

LOSS = """
from saddlepoint.losses.adversarial import Hinge

class Mine(Hinge):
    def __init__(self, slope: float = 1.0, reduction: str = "sum"):
        super().__init__(reduction)
        self.slope = slope
"""
TRICK = """
from saddlepoint.game.trick import Trick

class Quiet(Trick):
    def __init__(self, strength: float = 1.0):
        super().__init__()
        self.strength = strength
"""


METRIC = """
import torch
from saddlepoint.metrics import Measurement, Metric

class Mine(Metric):
    name = "mine"
    greater_is_better = False

    def measure(self, real, fake, seed, resamples):
        ...
"""


@pytest.fixture(autouse=True)
def none_before_and_after(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(extensions, "_in_use", None)
    for cached in (signatures.signature_of, signatures.names_of_relatives, source.read_module):
        cached.cache_clear()
    yield
    for name in [name for name in sys.modules if name.split(".")[0].startswith("lab_")]:
        del sys.modules[name]


def package(folder: Path, **files: str) -> Path:
    """Writes a package of these files; `conf__loss__mine` is conf/loss/mine.yaml, `losses` is losses.py."""
    for name, content in files.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".yaml" if name.startswith("conf") else ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    return package(tmp_path / "lab_a", losses=LOSS, conf__loss__mine="_target_: lab_a.losses.Mine\nslope: 2.0\n",
                   tricks=TRICK, conf__tricks__quiet="_target_: lab_a.tricks.Quiet\nstrength: 1.0\n")


def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path, distribution: str) -> None:
    """Makes a folder an installed package of this environment, as far as metadata and imports can tell."""
    described = tmp_path / f"{distribution.replace('-', '_')}-1.2.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (described / "entry_points.txt").write_text(f"[saddlepoint.extensions]\n{folder.name} = {folder.name}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert metadata.version(distribution) == "1.2"


def test_a_folder_brings_classes_and_yaml_files(lab):
    extensions.use([str(lab)])
    chosen = settings(f"extensions=['{lab}']", "loss=mine")
    loss = making.make(chosen["loss"], Hinge, "loss")
    assert (type(loss).__module__, loss.slope) == ("lab_a.losses", 2.0)
    assert "mine" in folders.options("loss")
    assert re.search(r"loss: .*hinge, .*, mine, ", help_text("train", []))


def test_its_tricks_have_settings_as_ours_do(lab):
    assert "quiet" not in settings()["tricks"]
    extensions.use([str(lab)])
    chosen = settings(f"extensions=['{lab}']", "trick=[quiet]", "tricks.quiet.strength=0.5")
    assert chosen["tricks"]["quiet"]["strength"] == 0.5 and "ema" in chosen["tricks"]


def test_a_slip_in_its_names_is_answered_with_the_nearest(lab):
    extensions.use([str(lab)])
    assert "did you mean mine?" in explain(Exception(), ["loss=mien"], "train")
    with pytest.raises(RequestError, match=r"loss=null is not a choice: loss= takes .*, mine, "):
        refuse_arguments(["loss=null"])


def test_an_installed_package_needs_no_word(monkeypatch, tmp_path, lab):
    install(monkeypatch, tmp_path, lab, "lab-a-package")
    found, = extensions.in_use()
    assert (found.name, found.folder, found.version) == ("lab_a", lab, "1.2")
    assert extensions.typed() == []
    assert type(making.make(settings("loss=mine")["loss"], Hinge, "loss")).__name__ == "Mine"


def test_two_of_one_name_are_refused_and_both_named(monkeypatch, tmp_path, lab):
    other = package(tmp_path / "elsewhere" / "lab_a", losses=LOSS)
    with pytest.raises(RequestError) as refusal:
        extensions.use([str(lab), str(other)])
    assert str(lab) in str(refusal.value) and str(other) in str(refusal.value)


def test_what_is_installed_may_be_typed_as_well(monkeypatch, tmp_path, lab):
    install(monkeypatch, tmp_path, lab, "lab-a-package")
    extensions.use([str(lab)])
    assert [each.name for each in extensions.in_use()] == ["lab_a"]


def test_an_entry_point_without_its_package_is_refused(monkeypatch, tmp_path):
    install(monkeypatch, tmp_path, tmp_path / "lab_gone", "lab-gone")
    with pytest.raises(RequestError, match="lab-gone 1.2 names the extension lab_gone .* pip uninstall lab-gone"):
        extensions.use(())


@pytest.mark.parametrize(("folder", "words"), [
    ("nowhere", "is not a folder"), ("lab-b", "cannot be imported: rename it"), ("torch", "rename the folder"),
    ("saddlepoint", "is the name of another package"), ("json", "is the name of another package"),
    ("numpy", "is the name of another package"),
])
def test_a_folder_that_cannot_be_a_package_is_refused(tmp_path, folder, words):
    if folder != "nowhere":
        package(tmp_path / folder, losses=LOSS)
    with pytest.raises(RequestError, match=words):
        extensions.use([str(tmp_path / folder)])


def test_the_folder_above_is_answered_with_the_one_meant(lab):
    with pytest.raises(RequestError, match=rf"type the folder of the package itself, extensions=\[{lab}\]"):
        extensions.use([str(lab.parent)])


def test_a_yaml_file_with_the_name_of_ours_is_refused(lab):
    package(lab, conf__loss__hinge="_target_: lab_a.losses.Mine\n")
    extensions.use([str(lab)])
    with pytest.raises(RequestError, match="lab_a has conf/loss/hinge.yaml, and so has saddlepoint: rename the file"):
        extensions.refuse_settings_that_do_not_fit(folders.settings_folder())


def test_two_extensions_with_one_yaml_name_are_refused(tmp_path, lab):
    other = package(tmp_path / "lab_b", conf__loss__mine="_target_: lab_b.losses.Mine\n")
    extensions.use([str(lab), str(other)])
    with pytest.raises(RequestError, match="lab_b has conf/loss/mine.yaml, and so has lab_a"):
        extensions.refuse_settings_that_do_not_fit(folders.settings_folder())


def test_code_that_fails_while_it_is_imported_is_one_sentence(lab):
    package(lab, losses="import math\n\nmath.sqrt(-1)\n")
    extensions.use([str(lab)])
    chosen = settings(f"extensions=['{lab}']", "loss=mine")
    with pytest.raises(RequestError) as refusal:
        making.make(chosen["loss"], Hinge, "loss")
    assert str(refusal.value) == (
        "loss._target_=lab_a.losses.Mine cannot be used, as lab_a.losses fails while it is imported: "
        f"{lab / 'losses.py'}, line 3: ValueError: math domain error")


@pytest.mark.parametrize(("code", "words"), [
    ("class Other: ...\n", "does not exist: module 'lab_a.losses' has no attribute 'Mine'"),
    ("import lab_nothing\n", "losses.py, line 1: ModuleNotFoundError: No module named 'lab_nothing'"),
    ("def broken(:\n", "losses.py, line 1: SyntaxError"),
])
def test_other_failures_say_what_and_where(lab, code, words):
    package(lab, losses=code)
    extensions.use([str(lab)])
    with pytest.raises(RequestError) as refusal:
        making.make(settings(f"extensions=['{lab}']", "loss=mine")["loss"], Hinge, "loss")
    assert words in str(refusal.value) and "loss._target_=lab_a.losses.Mine" in str(refusal.value)


def test_a_yaml_file_without_target_is_one_sentence(lab):
    package(lab, conf__loss__mine="slope: 2.0\n")
    extensions.use([str(lab)])
    with pytest.raises(RequestError) as refusal:
        settings(f"extensions=['{lab}']", "loss=mine")
    assert str(refusal.value) == ("loss={...} must be a component, whose yaml file names its class: it lacks a line "
                                  "such as _target_: mylab.losses.Mine")
    with pytest.raises(RequestError, match="loss has no _target_, which names its class"):
        making.make({"slope": 2.0}, Hinge, "loss")


def test_a_package_that_nobody_named_stays_closed(lab, monkeypatch):
    monkeypatch.syspath_prepend(str(lab.parent))  # it could be imported, and is not
    with pytest.raises(RequestError, match=r"type extensions=\[FOLDER\] with its folder, or install it"):
        making.make({"_target_": "lab_a.losses.Mine"}, Hinge, "loss")
    assert "lab_a" not in sys.modules


def test_finding_an_extension_imports_nothing_of_it(lab):
    package(lab, __init__="raise SystemExit('imported')\n")
    extensions.use([str(lab)])
    composed(f"extensions=['{lab}']", "loss=mine")
    assert "lab_a" not in sys.modules


def test_an_experiment_may_name_it(lab, tmp_path):
    package(tmp_path / "own", conf__experiment__ours=f"# @package _global_\nextensions: ['{lab}']\n")
    take_extensions_into_use(["--config-dir", str(tmp_path / "own" / "conf"), "experiment=ours"])
    assert extensions.typed() == [str(lab)]


def test_what_comes_too_late_is_said(lab):
    with pytest.raises(RequestError, match="was found too late to be used: type extensions="):
        settings(f"extensions=['{lab}']")


def test_a_run_without_its_extension_says_which_one(lab):
    chosen = {"loss": {"_target_": "lab_a.losses.Mine"}, "trick": [], "tricks": {"r1": {"_target_": "torch.x"}}}
    with pytest.raises(RequestError, match=r"runs/a was trained with lab_a 0.3 \(revision 1234567\), which is not in"):
        extensions.refuse_missing(chosen, [{"name": "lab_a", "version": "0.3", "revision": "1234567890"}], "runs/a")
    extensions.use([str(lab)])
    extensions.refuse_missing(chosen, [], "runs/a")


def test_tricks_that_did_not_play_are_not_missed():
    foreign = {"_target_": "lab_a.tricks.Odd", "weight": 1.0}
    chosen = {"trick": ["r1"], "tricks": {"r1": {"_target_": "saddlepoint.x"}, "odd": foreign}}
    assert list(extensions.without_idle(chosen)["tricks"]) == ["r1"]
    assert list(extensions.without_idle(chosen | {"trick": ["odd"]})["tricks"]) == ["r1", "odd"]


def test_another_version_is_said(lab):
    extensions.use([str(lab)])
    assert extensions.changes_of_version([extensions.in_use()[0].provenance()]) == []
    sentence, = extensions.changes_of_version([{"name": "lab_a", "version": "0.1", "revision": ""}])
    code = extensions.in_use()[0].digest()[:7]
    assert sentence == f"this run was begun with lab_a 0.1 and goes on with lab_a (code {code})"
    assert not HydraConfig.initialized()


def test_other_code_is_said_where_no_repository_tells(lab):
    extensions.use([str(lab)])
    before = extensions.in_use()[0].provenance()
    package(lab, conf__loss__other="_target_: lab_a.losses.Mine\n")
    assert extensions.changes_of_version([before]) == []  # settings are recorded by themselves
    (lab / "dangling.py").symlink_to(lab / "nowhere.py")
    assert extensions.changes_of_version([before]) == []
    package(lab, losses=LOSS + "# changed\n")
    sentence, = extensions.changes_of_version([before])
    assert sentence.startswith(f"this run was begun with lab_a (code {before['code'][:7]}) and goes on with lab_a (")
    package(lab, losses=LOSS)
    (lab / "losses.py").rename(lab / "other.py")
    assert len(extensions.changes_of_version([before])) == 1


def test_its_folder_is_named_where_a_run_needs_it_again(lab):
    extensions.use([str(lab)])
    recorded = [extensions.in_use()[0].provenance()]
    extensions.use([])
    with pytest.raises(RequestError, match=rf"not in use here. Type extensions=.* which was extensions=\[{lab}\] then"):
        extensions.refuse_missing({"loss": {"_target_": "lab_a.losses.Mine"}}, recorded, "runs/a")


def test_a_folder_beside_our_groups_is_answered_with_the_one_meant(lab):
    package(lab, conf__trick__loud="_target_: lab_a.tricks.Quiet\n", conf__surveys__mine="a: 1\n")
    extensions.use([str(lab)])
    with pytest.raises(RequestError, match="has conf/trick/, which is no group of options: did you mean conf/tricks/"):
        extensions.refuse_settings_that_do_not_fit(folders.settings_folder())


def test_a_list_without_its_end_is_answered_with_it():
    with pytest.raises(RequestError, match=r"extensions=\[lab lacks the \] at its end: type extensions=\[lab\]"):
        take_extensions_into_use(["extensions=[lab"])


def test_a_folder_that_is_installed_as_a_copy_says_so(monkeypatch, tmp_path, lab):
    install(monkeypatch, tmp_path, lab, "lab-a-package")
    source = package(tmp_path / "source" / "lab_a", losses=LOSS)
    with pytest.raises(RequestError, match=rf"the extension lab_a is installed as well, from {lab}. .* pip uninstall"):
        extensions.use([str(source)])


def test_a_setting_that_its_yaml_leaves_out_is_told_from_a_slip(lab):
    package(lab, conf__loss__mine="_target_: lab_a.losses.Mine\n")
    extensions.use([str(lab)])
    arguments = [f"extensions=['{lab}']", "loss=mine", "loss.slope=3"]
    assert explain(Exception(), arguments, "train") == (
        "loss.slope is a setting of Mine that its yaml file leaves out: add a line to the file, e.g. slope: VALUE, or "
        "type +loss.slope=VALUE")
    assert settings(*arguments[:2], "+loss.slope=3")["loss"]["slope"] == 3


def test_an_unknown_option_reminds_of_extensions_while_none_is_typed(lab):
    assert "one of your own needs extensions=[FOLDER]" in explain(Exception(), ["loss=odd"], "train")
    with pytest.raises(RequestError, match=r"trick=odd does not exist .*; one of your own needs extensions=\[FOLDER\]"):
        settings("trick=[odd]")
    extensions.use([str(lab)])
    assert "extensions=" not in explain(Exception(), ["loss=odd"], "train")


@pytest.mark.parametrize(("code", "words"), [
    ("return 0.5", "Mine.measure returned a float and must return a saddlepoint.metrics.Measurement"),
    ("return 1 / 0", "Mine failed: "),
    ("return Measurement(torch.tensor(2.0))", ""),
])
def test_a_metric_that_fails_has_a_reason_and_stops_nothing(tmp_path, code, words):
    lab = package(tmp_path / "lab_m", metrics=METRIC.replace("...", code))
    extensions.use([str(lab)])
    metric = build.metrics({"metrics": {"mine": {"_target_": "lab_m.metrics.Mine"}}})["mine"]
    evaluator = Evaluator(RandomConvolutions(0, 8), {"mine": metric})
    sample = Sample(Moments.of(torch.rand(4, 2)), labels=torch.zeros(4, dtype=torch.long))
    measurement = evaluator.measure(sample, sample)["mine"]
    assert words in measurement.reason and (measurement.value == 2.0 or math.isnan(measurement.value))
    assert bool(words) == math.isnan(measurement.value)


def test_a_metric_without_its_attributes_is_refused_before_training(tmp_path):
    lab = package(tmp_path / "lab_n", metrics=METRIC.replace("greater_is_better = False", ""))
    extensions.use([str(lab)])
    with pytest.raises(RequestError, match="metrics.mine: the class Mine lacks greater_is_better. Add"):
        build.metrics({"metrics": {"mine": {"_target_": "lab_n.metrics.Mine"}}})


@pytest.mark.parametrize(("code", "words"), [
    ("class Mine(AdversarialLoss):\n    def discriminator(self, real, fake, targets): ...\n",
     "Can't instantiate abstract class Mine"),
    ("class Mine(Hinge):\n    def __init__(self, slope: float, margin: float): ...\n",
     "loss lacks margin, which lab_a.losses.Mine needs: add a line to the yaml file"),
])
def test_a_loss_that_is_not_whole_is_a_sentence(lab, code, words):
    package(lab, losses="from saddlepoint.game import AdversarialLoss\nfrom saddlepoint.losses import Hinge\n" + code)
    extensions.use([str(lab)])
    chosen = {"_target_": "lab_a.losses.Mine"} | ({"slope": 2.0} if "slope" in code else {})
    with pytest.raises(RequestError) as refusal:
        making.make(chosen, AdversarialLoss, "loss")
    assert words in str(refusal.value)


def test_a_model_without_one_of_its_parts_is_told_which(lab):
    package(lab, conf__model__half="""
defaults:
  - /turns@turns: alternating
generator: {_target_: saddlepoint.networks.mlp.MLPGenerator}
module: {_target_: saddlepoint.game.synthesis.SynthesisModule}
""")
    extensions.use([str(lab)])
    with pytest.raises(RequestError) as refusal:
        settings(f"extensions=['{lab}']", "model=half")
    assert "model.discriminator is missing: the yaml file of model= must have it" in str(refusal.value)
    assert "callbacks is missing" in str(refusal.value) and "turns is missing" not in str(refusal.value)


def test_its_revision_is_that_of_its_own_folder(lab):
    """Run directories that lie beside it in one repository are no changes of its code."""
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(lab.parent), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    extensions.use([str(lab)])
    assert extensions.in_use()[0].provenance()["revision"] == ""
    git("init")
    git("add", ".")
    git("commit", "-m", "begun")
    (lab.parent / "runs").mkdir()
    (lab.parent / "runs" / "config.yaml").touch()
    head = git("rev-parse", "HEAD")
    assert extensions.in_use()[0].provenance()["revision"] == head
    (lab / "losses.py").write_text("")
    assert extensions.in_use()[0].provenance()["revision"] == f"{head}+changes"
