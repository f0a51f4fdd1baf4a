"""Classes as sample.py draws them, by generators that paint their label."""

import shlex

import pytest
import torch

from saddlepoint import load_generator
from saddlepoint.config.overrides import prepare
from saddlepoint.errors import RequestError
from saddlepoint.game.latents import Latents
from saddlepoint.metrics.images import GeneratedImages
from saddlepoint.runs import checkpoint
from saddlepoint.sampling.generator import BLOCK, SamplingGenerator
from saddlepoint.training.train import train
from tests.composing import SMALL, settings
from tests.painting import LEVEL, Painter, Studio, colours, painting_generator


@pytest.fixture
def studio(tmp_path, monkeypatch):
    return Studio(tmp_path, monkeypatch)


def test_an_image_of_a_seed_has_the_class_that_evaluation_gives_it():
    generator = painting_generator()
    measured = GeneratedImages(generator.generator, generator.latents, generator.class_distribution, seed=3, count=20)
    drawn = colours(generator.sample(20, seed=3))
    assert drawn == [LEVEL * label for label in measured.block(0).labels.tolist()]
    assert colours(generator.sample(5, seed=3, first=13)) == drawn[13:18]
    many = torch.tensor(colours(generator.sample(1000, seed=1))).bincount(minlength=4 * LEVEL)[::LEVEL] / 1000
    torch.testing.assert_close(many, torch.tensor([0.1, 0.2, 0.3, 0.4]), atol=0.05, rtol=0)  # as often as in training


@pytest.mark.parametrize("which", [1, "1", "dog"])
def test_a_class_is_asked_for_by_number_or_name(which):
    generator = painting_generator()
    images = generator.sample(20, seed=3, first=2, labels=which)
    assert colours(images) == [LEVEL] * 20
    assert torch.equal(images[:, 0].flatten(1)[:, 1:] * 8, generator.latents.of_images(3, 2, 20))
    assert torch.equal(generator.sample(1, seed=3, first=9, labels=which)[0], images[7])


def test_a_tensor_of_labels_gives_each_image_its_own():
    labels = torch.arange(20) % 4
    assert colours(painting_generator().sample(20, first=9, labels=labels)) == (LEVEL * labels).tolist()


def test_a_class_called_3_is_class_3_whatever_its_number():
    generator = painting_generator(names=("4", "3", "2", "1"))
    assert [generator.label_of(name) for name in (4, 3, "1", 0)] == [0, 1, 3, 0]  # no class is called 0
    assert painting_generator(names=()).class_names == ("0", "1", "2", "3")


def test_a_conditional_generator_is_not_left_to_guess_a_class():
    with pytest.raises(ValueError, match="labels .N., class ids from 0 to 3"):
        painting_generator()(torch.zeros(2, 3))
    assert painting_generator(0)(torch.zeros(2, 3)).shape == (2, 1, 2, 2)


def test_without_classes_an_image_is_the_generators_for_its_latents_and_label_0():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 40), torch.nn.Tanh(), torch.nn.Linear(40, 4))

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers, self.labels = network, []

        def forward(self, latents, labels):
            self.labels.append(labels)
            return self.layers(latents).view(-1, 1, 2, 2)
    latents, plain = Latents(3), Plain()
    blocks = [network(latents.of_images(4, at, BLOCK)).view(-1, 1, 2, 2) for at in (0, BLOCK)]
    sampled = SamplingGenerator(plain, latents, torch.ones(1)).sample(5, seed=4, first=14)
    assert torch.equal(sampled, torch.cat(blocks)[14:19])
    assert all(torch.equal(labels, torch.zeros(BLOCK, dtype=torch.long)) for labels in plain.labels)


# As sample.py draws them.


def test_every_row_of_class_all_is_one_class_with_the_latents_of_every_other_row(studio, capsys):
    studio.draw(painting_generator(), "class=all", "seed=5")
    cells = studio.cells("last_classes_seed5_count10")
    assert cells.shape == (4, 10, 4)
    assert torch.equal(cells[..., 0], LEVEL * torch.arange(4).view(4, 1).expand(4, 10))
    assert torch.equal(cells[1:, :, 1:], cells[:1, :, 1:].expand(3, -1, -1))
    assert len(cells[0, :, 1:].unique(dim=0)) == 10
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("40 images, 10 of each class: ") and said[1] == "rows from the top: cat, dog, eel, fox"


def test_a_row_of_class_all_is_what_that_class_alone_draws(studio):
    generator = painting_generator()
    studio.draw(generator, "class=all", "count=3")
    studio.draw(generator, "class=eel", "count=3", "columns=3")
    alone = studio.cells("last_class2_seed0_count3_columns3")
    assert torch.equal(studio.cells("last_classes_seed0_count3")[2:3], alone)


def test_columns_are_the_same_grid_turned(studio, capsys):
    generator = painting_generator()
    studio.draw(generator, "class=all", "count=3", "layout=columns", "files=true")
    turned = studio.cells("last_classes_seed0_count3_columns")
    assert "columns from the left: cat, dog, eel, fox" in capsys.readouterr().out
    studio.draw(generator, "class=all", "count=3")
    assert torch.equal(turned, studio.cells("last_classes_seed0_count3").transpose(0, 1))
    for label in range(4):
        single = studio.cells(f"last_classes_seed0_count3_columns/class{label}_000002")
        assert torch.equal(single[0, 0], turned[2, label])


def test_a_class_without_an_image_to_learn_from_is_no_row_and_drawn_with_a_warning(studio, capsys):
    generator = painting_generator()
    generator.class_distribution = torch.tensor([0.0, 0.25, 0.25, 1.0])  # of cat and eel there was none
    studio.draw(generator, "class=all", "count=3")
    assert studio.cells("last_classes_seed0_count3")[:, 0, 0].tolist() == [LEVEL, 3 * LEVEL]
    said = capsys.readouterr()
    assert "rows from the top: dog, fox" in said.out
    assert "no image of class 0 (cat), class 2 (eel), and class=all leaves it out" in said.err
    studio.draw(generator, "class=eel", "count=3", "columns=3")
    assert (studio.cells("last_class2_seed0_count3_columns3")[..., 0] == 2 * LEVEL).all()
    studio.draw(generator, "interpolate_class=[dog,cat]", "count=1")
    told = capsys.readouterr().err
    assert "no image of class 2 (eel), and what is drawn of it" in told and "no image of class 0 (cat), and" in told


def test_one_class_fills_a_grid_and_is_named(studio, capsys):
    studio.draw(painting_generator(), "class=fox", "seed=2")
    cells = studio.cells("last_class3_seed2_count64")
    assert cells.shape == (8, 8, 4) and (cells[..., 0] == 3 * LEVEL).all()
    assert "64 images of class 3 (fox): " in capsys.readouterr().out
    studio.draw(painting_generator(names=()), "class=2")
    assert "64 images of class 2: " in capsys.readouterr().out


def test_no_class_asked_for_means_classes_as_they_come(studio):
    generator = painting_generator()
    studio.draw(generator, "count=16", "columns=4")
    assert studio.cells("last_seed0_count16_columns4")[..., 0].flatten().tolist() == colours(generator.sample(16))


@pytest.mark.parametrize(("num_classes", "overrides", "words"), [
    (4, ("class=4",), "class=4 is not a class of this run. Type a number from 0 to 3 or a name: cat, dog, eel, fox"),
    (4, ("class=dgo",), "class=dgo is not a class of this run: did you mean dog? Type a number from 0 to 3"),
    (4, ("interpolate_class=[cat,cow]",), "interpolate_class=cow is not a class of this run"),
    (0, ("class=cat",), "class=cat: this run's generator takes no classes. Leave class= out"),
    (0, ("class=all",), "class=all: this run's generator takes no classes. Leave class= out"),
    (0, ("interpolate_class=[1,2]",), "takes no classes. Leave interpolate_class= out"),
    (4, ("class=all", "columns=5"), "columns=5: with class=all each row is a class. Type count=5"),
    (4, ("layout=columns",), "layout=columns is how class=all is laid out: add class=all"),
    (4, ("class=all", "interpolate=[1,2]"), "class=all draws a grid, and interpolate= is of one class"),
    (4, ("class=cat", "interpolate_class=[1,2]"), "both choose classes: leave class= out"),
    (4, ("interpolate=[1,2]", "interpolate_class=[1,2]"), "interpolate= and interpolate_class= are two pictures"),
    (4, ("interpolate_class=[1]",), "is one class, and a walk needs two"),
    (4, ("arithmetic='1-2'",), "arithmetic=1-2 needs one class, since it adds latents"),
    (4, ("class=-1",), "class=-1 is not a class of this run. Type a number from 0 to 3 or a name: cat,"),
    (4, ("class=1.5",), "class=1.5 is not a class of this run. Type a number from 0 to 3 or a name: cat,"),
    (4, ("interpolate=[1,2]", "columns=5"), "columns=5: the picture of interpolate= has its own columns"),
    (4, ("interpolate=[1,2]", "count=5"), "count=5: interpolate= says which images are drawn"),
    (4, ("arithmetic='1-2'", "count=5"), "count=5: arithmetic= says which images are drawn"),
    (4, ("steps=5",), "steps=5 is of walks: type interpolate="),
    (4, ("layout=row",), "layout=row must be one of rows, columns: did you mean rows?"),
])
def test_an_impossible_wish_is_answered_with_the_fix(studio, num_classes, overrides, words):
    with pytest.raises(RequestError) as refusal:
        studio.draw(painting_generator(num_classes), *overrides)
    assert words in str(refusal.value)
    assert not (studio.run / "drawn").exists()


@pytest.mark.parametrize("setting", ["class", "interpolate_class"])
def test_the_names_that_a_refusal_prints_can_be_typed(studio, setting):
    names = ("café", "tench, Tinca tinca", "crane (bird)", "all", "null", "${x}")
    generator = painting_generator(len(names), names=names)
    with pytest.raises(RequestError, match=f"{setting}=cow is not a class of this run. Type a number from 0 to 5 or a "
                                           "name, as in ") as refused:
        generator.label_of("cow", setting)
    words = [word.rstrip(",") for word in shlex.split(str(refused.value).partition("as in ")[2])]
    if setting == "class":
        for label, word in enumerate(words):
            studio.draw(generator, *prepare([word], None), "count=1")
            assert studio.cells(f"last_class{label}_seed0_count1")[..., 0].tolist() == [[label * LEVEL]]
        assert len(words) == len(names)
    else:
        studio.draw(generator, *prepare(words, None), "count=1", "steps=2")
        assert studio.cells("last_classwalk0-1-2-3-4-5_seed0_count1_steps2")[:, 0, 0].tolist() == [
            label * LEVEL for label in range(5)]


def test_all_and_null_are_names_where_they_stand_in_a_list(studio, capsys):
    generator = painting_generator(3, names=("null", "cat", "all"))
    for typed, name in (("class=[all]", "class2_seed0_count1"), ("class='null'", "class0_seed0_count1")):
        studio.draw(generator, *prepare([typed], None), "count=1")
        assert studio.cells(f"last_{name}").shape[:2] == (1, 1)
    assert "warning" not in capsys.readouterr().err
    studio.draw(generator, "class=all", "count=1")
    assert studio.cells("last_classes_seed0_count1").shape[:2] == (3, 1)
    assert "class=all means every class; for the class of that name type 'class=[all]'" in capsys.readouterr().err


def test_accents_are_the_same_composed_or_not():
    generator = painting_generator(2, names=("caf\u00e9", "the\u0301"))
    assert [generator.label_of(name) for name in ("cafe\u0301", "caf\u00e9", "th\u00e9", "the\u0301")] == [0, 0, 1, 1]


def test_a_thousand_classes_are_not_all_listed():
    with pytest.raises(RequestError, match=r"kind19, ... \(1000 in all\)$"):
        SamplingGenerator(Painter(1000), Latents(3), None, [f"kind{index}" for index in range(1000)]).label_of("cow")


# From training to the file.


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    small = ("model.generator.widths=[8]", "model.discriminator.widths=[8]", "model.discriminator.dropout=0")
    return train(settings(*SMALL, *small, "model=cgan"), tmp_path_factory.mktemp("classes") / "run")


def test_the_checkpoint_carries_the_names_of_the_classes(run, tmp_path):
    saved = checkpoint.load(run / "checkpoints" / "last.ckpt")
    assert saved["class_names"] == list("0123456789")
    checkpoint.save(tmp_path / "named.ckpt", saved | {"class_names": list("abcdefghij")})
    generator = load_generator(tmp_path / "named.ckpt")
    assert generator.label_of("d") == 3
    assert torch.equal(generator.sample(2, labels="d"), load_generator(run).sample(2, labels=3))
    del saved["class_names"]  # as runs of earlier versions
    checkpoint.save(tmp_path / "unnamed.ckpt", saved)
    assert load_generator(tmp_path / "unnamed.ckpt").class_names == tuple("0123456789")


def test_a_trained_conditional_generator_draws_another_image_for_another_class(run):
    generator = load_generator(run)
    assert len({tuple(generator.sample(1, labels=label).flatten().tolist()) for label in range(10)}) == 10
    labels = generator.labels_of_images(0, 0, 8)
    assert torch.equal(generator.sample(8)[5], generator.sample(8, labels=int(labels[5]))[5])
    assert len(labels.unique()) > 1


def test_between_classes_a_trained_generator_goes_from_the_one_to_the_other(run):
    generator = load_generator(run)
    latents = generator.latents.of_images(0, 0, 1).expand(5, -1)
    walked = generator.between_classes(latents, torch.full((5,), 3), torch.full((5,), 8), torch.linspace(0, 1, 5))
    ends = generator.of_latents(latents[:2], torch.tensor([3, 8]))
    torch.testing.assert_close(walked[[0, -1]], ends)
    steps = (walked[1:] - walked[:-1]).flatten(1).norm(dim=1)
    assert (steps > 0).all() and steps.max() < (walked[0] - walked[-1]).norm()


def test_a_run_without_classes_names_none(tmp_path):
    saved = train(settings(*SMALL, "data.num_classes=0", "model.generator.width=4", "model.discriminator.width=4"),
                  tmp_path / "run")
    assert "class_names" not in checkpoint.load(saved / "checkpoints" / "last.ckpt")
    assert load_generator(saved).class_names == ()
