"""Rules of settings come from constructors, whose source text is read and never run."""

import subprocess
import sys
from textwrap import dedent

import pytest

from saddlepoint import making
from saddlepoint.config import signatures, source
from saddlepoint.config.component_checks import complaints, complaints_of_constructors
from saddlepoint.config.signatures import signature_of
from saddlepoint.errors import RequestError
from saddlepoint.game.turns import Turns
from tests.composing import CONF, settings

NEVER_IMPORTED = 'raise RuntimeError("an extension was imported before its settings were checked")\n'


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes modules of a package `birds` that Python can find and that cannot be imported."""
    def write(**modules: str) -> None:
        folder = tmp_path / "birds"
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text(NEVER_IMPORTED)
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(NEVER_IMPORTED + dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    for cached in (signatures.signature_of, signatures.names_of_relatives, source.read_module):
        cached.cache_clear()
    return write


def refused(**settings: object) -> list[str]:
    return [str(each) for each in complaints({"tricks": {"owl": {"_target_": "birds.tricks.Owl", **settings}}})]


PLAIN = """
    from __future__ import annotations
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Literal, Optional

    class Owl:
        def __init__(self, weight: float, every: int = 1, loud: bool = False, kind: Literal["barn", "snowy"] = "barn",
                     sizes: Sequence[int] = (), range: tuple[float, float] = (0, 1), seed: int | None = None,
                     note: Optional[str] = None, root: Path | None = None, anything=None, *, last: "int" = 0):
            ...
"""


@pytest.mark.parametrize(("name", "good", "bad", "must_be"), [
    ("weight", [1, 0.5], [float("nan"), "1", True, None], "a finite number"),
    ("every", [0, -3], [1.5, "1", True], "a whole number"),
    ("loud", [True], [1, "true"], "true or false"),
    ("kind", ["snowy"], ["snow", None], "one of barn, snowy"),
    ("sizes", [[], [1, 2]], [[1, 0.5], 3], "a list, e.g. [a,b], each value a whole number"),
    ("range", [[0, 1.5]], [[1], [1, 2, 3], ["a", "b"]], "a list of 2 values, each a finite number"),
    ("seed", [None, 3], ["x"], "a whole number, or null"),
    ("note", [None, "x"], [3], "a text, or null"),
    ("root", [None, "some/folder"], [3, ""], "a path"),
    ("anything", [None, "x", [1], 3], [float("inf")], "finite"),
    ("last", [4], [0.5], "a whole number"),
])
def test_plain_annotations_are_rules(package, name, good, bad, must_be):
    package(tricks=PLAIN)
    assert [refused(**{name: value}) for value in good] == [[]] * len(good)
    for value in bad:
        [complaint] = refused(**{name: value})
        assert complaint.startswith(f"tricks.owl.{name}=") and must_be in complaint


def test_a_misspelt_name_is_answered_with_the_right_one(package):
    package(tricks=PLAIN)
    assert refused(wieght=1) == ["tricks.owl.wieght=1 must be removed: it is not a setting of Owl: did you mean "
                                 "tricks.owl.weight?"]


def test_rule_makers_constants_and_aliases_are_read_across_modules(package):
    package(tricks="""
        from typing import TYPE_CHECKING, Annotated, Any
        from saddlepoint.config import rules
        from saddlepoint.config.rules import Count, Seed, integer, list_of, number, one_of
        from .words import KINDS, Width
        from birds import words
        if TYPE_CHECKING:
            from saddlepoint.game.schedule import Schedule
        CHOICES = {"mean": lambda value: value, "sum": print}
        MOST = 2**10 - 1

        class Owl:
            def __init__(self, kind: Annotated[str, one_of(*KINDS)], pooling: Annotated[str, one_of(*CHOICES)],
                         most: Annotated[int, integer(1, MOST)], width: Width, other: words.Width, every: Count,
                         gamma: Annotated["Schedule | float", number(0)], seed: Seed | None = None,
                         maps: Annotated[Any, "theirs", rules.list_of(integer(-1))] = ()): ...
        """, words="""
        from typing import Annotated
        from saddlepoint.config.rules import integer
        KINDS = ("barn", "snowy")
        Width = Annotated[int, integer(4)]
        """)
    assert refused(kind="barn", pooling="sum", most=1023, width=4, other=4, every=1) == []
    assert refused(seed=None, maps=[-1], gamma=0) == []
    wrong = refused(kind="eagle", pooling="max", most=1024, width=3, other=3, every=0, seed=-1, maps=[-2], gamma=-1)
    assert [sentence.split(" must be ")[1] for sentence in wrong] == [
        "one of barn, snowy", "one of mean, sum", "a whole number from 1 to 1023", "a whole number of at least 4",
        "a whole number of at least 4", "a whole number of at least 1",
        f"a whole number from 0 to {2**63 - 1}, or null",
        "a list, e.g. [a,b], each value a whole number of at least -1", "a number at least 0"]


def test_a_schedule_is_held_to_the_rule_of_the_number_it_stands_in_for():
    ramp = {"_target_": "saddlepoint.game.schedule.Linear", "start": 0.1, "end": -0.1, "images": 0}
    trick = {"_target_": "saddlepoint.tricks.instance_noise.InstanceNoise", "sigma": ramp}
    assert [str(each) for each in complaints_of_constructors(trick, "tricks.instance_noise")] == [
        "tricks.instance_noise.sigma.end=-0.1 must be a number at least 0",
        "tricks.instance_noise.sigma.images=0 must be a whole number of at least 1"]
    good = ramp | {"end": 1, "images": 5}
    penalty = {"_target_": "saddlepoint.tricks.gradient_penalty.R1", "gamma": good, "every": good}
    assert [str(each) for each in complaints_of_constructors(penalty, "tricks.r1")] == [
        "tricks.r1.every={...} must be a whole number of at least 1"]


def test_settings_handed_on_to_base_classes_are_theirs(package):
    package(tricks="""
        from birds.base import Bird, Loud
        class Owl(Loud, Bird):
            def __init__(self, wings: int, **more):
                super().__init__(colour="brown", **more)
        """, base="""
        from abc import ABC
        class Bird(ABC):
            def __init__(self, name: str, /, weight: float, colour: str = "grey"): ...
        class Loud(Bird):
            def __init__(self, volume: int = 1, **more):
                super().__init__("loud", **more)
        """)
    assert refused(wings=2, volume=3, weight=0.5) == []
    assert [sentence.split("=")[0] for sentence in refused(wings="x", volume="x", weight="x", colour="red", name="x")
            ] == ["tricks.owl.wings", "tricks.owl.volume", "tricks.owl.weight", "tricks.owl.name"]
    assert signature_of("birds.tricks.Owl").arguments.keys() == {"wings", "volume", "weight"}


def test_the_fields_of_data_classes_are_arguments(package):
    package(tricks="""
        import dataclasses
        from dataclasses import dataclass, field
        from typing import ClassVar
        @dataclass
        class Bird:
            weight: float
            kinds: ClassVar[int] = 3
        @dataclasses.dataclass(frozen=True)
        class Owl(Bird):
            every: int = 1
            seen: int = field(default=0, init=False)
            sizes: list[int] = field(default_factory=list)
        """)
    assert signature_of("birds.tricks.Owl").arguments.keys() == {"weight", "every", "sizes"}
    assert [sentence.split("=")[0] for sentence in refused(weight="x", every=0.5, sizes=["x"])] == [
        "tricks.owl.weight", "tricks.owl.every", "tricks.owl.sizes"]


BROKEN = """
    from typing import Annotated
    from saddlepoint.config.rules import integer, number, one_of
    A = B
    B = A
    class Owl:
        def __init__(self, weight: {} = 1, every: int = 1): ...
"""


@pytest.mark.parametrize("annotation", [
    "number('x')", "Annotated[float, number('x', [])]", "Annotated[int, integer('a', 'b')]", "'not a ( type'",
    "Annotated[str, one_of(*3)]", "3 + 'x'", "Missing | int", "[int]", "A", "dict[str]", "tuple[()]", "lambda: 3",
])
def test_what_cannot_be_read_is_no_rule_and_no_crash(package, annotation):
    package(tricks=BROKEN.format(annotation))
    assert refused(weight=1) == refused(weight="x") == []
    assert refused(every="x") == ["tricks.owl.every=x must be a whole number"]


@pytest.mark.parametrize("metadata", [
    "no(3)", "integer(1 / 0)", "integer(9 ** 9 ** 9)", "open('/etc/passwd')", "'a note'", "integer(*NOWHERE)",
])
def test_beside_what_cannot_be_read_the_type_is_a_rule(package, metadata):
    package(tricks=BROKEN.format(f"Annotated[int, {metadata}]"))
    assert refused(weight=-1) == [] and refused(weight="x") == ["tricks.owl.weight=x must be a whole number"]


@pytest.mark.parametrize("text", ["class Owl(Owl): ...", "class Owl(Missing): ...", "from birds.tricks import Owl",
                                  "class Owl(A): ...\nclass A(Owl): ...", "Owl = 3", "class Owl[",
                                  "def Owl(weight: int): ..."])
def test_a_class_that_cannot_be_followed_takes_anything_here(package, text):
    package(tricks=text)
    assert refused(weight="x", every=0) == []


@pytest.mark.parametrize("target", ["birds.tricks.Hawk", "nobody.at.home", "os.system", "birds", "", "a..b", "/etc/x.y",
                                    "birds.../tricks.Owl"])
def test_a_target_that_is_no_class_is_left_to_build(package, target):
    package(tricks=PLAIN)
    assert signature_of(target) is None


def test_a_base_class_of_another_package_may_take_more(package):
    package(tricks="""
        from torchvision.datasets import VisionDataset
        from torch import nn
        class Owl(VisionDataset):
            def __init__(self, weight: float, **more):
                super().__init__(**more)
        class Hawk(nn.Module): ...
        """)
    assert refused(weight=1.0, root="x") == [] and refused(weight="x") != []
    assert signature_of("birds.tricks.Hawk").arguments == {} and not signature_of("birds.tricks.Hawk").more


def test_build_holds_settings_to_the_same_rules():
    """They may come out of a checkpoint, which no command has checked."""
    turns = {"_target_": "saddlepoint.game.turns.Turns", "scoring": "halves", "generator_steps": 0}
    with pytest.raises(RequestError) as refusal:
        making.make(turns, Turns, "model.turns")
    assert str(refusal.value).splitlines() == [
        "model.turns.scoring=halves must be one of separate, together, half: did you mean half?",
        "model.turns.generator_steps=0 must be a whole number of at least 1"]


def test_objects_that_build_hands_over_cannot_be_typed():
    for typed, words in (("+callbacks.image_grid.data=3", "not a setting of ImageGrid"),
                         ("+callbacks.sample_quality.context=3", "not a setting of SampleQuality"),
                         ("+model.module.seed=3", "it is what seed= says")):
        with pytest.raises(RequestError, match=words):
            settings(typed)


def test_settings_of_another_option_are_left_to_the_sentence_about_the_options():
    assert settings("model=real_esrgan")["data"]["pair_pool"] == 180  # of data=sr_folder, and the data is mnist5k


def test_a_request_is_checked_before_torch_is_imported():
    code = """
    import sys
    from tests.composing import composed
    from saddlepoint.config.check import checked_settings
    from saddlepoint.errors import RequestError
    checked_settings(composed("data=sr_folder", "model=real_esrgan", "trick=[r1,ema]")[0])
    try:
        checked_settings(composed("tricks.r1.gamma=-1", "+data.chanels=3", "model.generator.width=0")[0])
    except RequestError as error:
        assert len(str(error).splitlines()) == 3, error
    sys.exit("torch" in sys.modules or "numpy" in sys.modules)
    """
    ended = subprocess.run([sys.executable, "-c", dedent(code)], check=False, capture_output=True, text=True,
                           cwd=CONF.parent)
    assert ended.returncode == 0, ended.stderr
