"""evaluate.py: a run or a folder against real images; what it says, what it writes, what it refuses."""

import json
from importlib import resources
from types import SimpleNamespace

import jsonschema
import numpy
import pytest
import torch
from PIL import Image

from saddlepoint.commands import drawing, evaluation
from saddlepoint.config.check import checked_settings
from saddlepoint.data import pixels
from saddlepoint.errors import Diverged, RequestError
from saddlepoint.runs import checkpoint
from saddlepoint.sampling import loading, pictures
from saddlepoint.training.train import train
from tests.composing import composed, settings

SCHEMA = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())
TINY = ("data.batch_size=8", "trainer=cpu", "model.generator.width=4", "model.discriminator.width=4", "logger=none",
        "budget.images=64", "trick=[ema]", "data.subset_size=200", "extractor=random", "callbacks=none")
FEW = ("num_fake=150", "resamples=10", "metrics.kid.subset_size=50", "metrics.kid.subsets=4", "device=cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    quality = ("callbacks=default", "callbacks.sample_quality.num_fake=150", "callbacks.image_grid.count=4")
    return train(settings(*TINY, *quality), tmp_path_factory.mktemp("evaluation") / "run")


def evaluated(*overrides):
    """-> what was written, by the metric's name"""
    config, _ = composed(*FEW, *overrides, config="evaluate")
    evaluation.evaluate(checked_settings(config))


def written(path):
    content = json.loads(path.read_text())
    jsonschema.validate(content, SCHEMA)
    return {value["name"]: value for value in content["metrics"]}


def test_a_run_is_measured_by_all_that_can_be_measured(run, capsys):
    evaluated(f"run='{run}'")
    said = capsys.readouterr()
    place, = (run / "evaluations").glob("last_random_train_seed0_fakes150_*.json")
    values = written(place)
    assert {"fid_random", "kid_random", "precision_random", "recall_random", "density_random", "coverage_random",
            "duplicates_random", "neighbour_distance_random"} <= values.keys()
    for name, value in values.items():
        assert f"{value['value']:.4g}" in said.out and name in said.out
    assert str(place) in said.out
    assert "left out: is needs an extractor that knows classes" in said.err
    low, high = values["fid_random"]["interval"]
    assert low <= values["fid_random"]["value"] <= high


def test_it_measures_what_training_measured(run, tmp_path):
    evaluated(f"run='{run}'", "metric=fid", f"output={tmp_path / 'again.json'}")
    again = written(tmp_path / "again.json")["fid_random"]
    then, = json.loads((run / "metrics.json").read_text())["metrics"]
    assert again["value"] == pytest.approx(then["value"], rel=1e-6)
    assert again["images_seen"] == then["images_seen"] == 64
    assert again["protocol"] == then["protocol"]


def test_pairs_of_fakes_and_their_nearest_real_images_are_drawn(run, tmp_path):
    evaluated(f"run='{run}'", "metric=[neighbour_distance]", f"output={tmp_path / 'near.json'}")
    drawn = Image.open(tmp_path / "near.neighbours.png")
    assert drawn.size == (8 * 32 + 7 * pictures.GAP, 4 * 32 + 3 * pictures.GAP)  # 16 pairs, 4 in a row


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "L"), (3, "RGB"), (4, "RGB")])
def test_the_picture_of_a_stack_shows_its_first_channels(channels, mode, tmp_path, monkeypatch):
    blocks = torch.randint(256, (4, channels, 8, 8), dtype=torch.uint8)
    monkeypatch.setattr(evaluation, "closest_training_images", lambda *given: ([0], [0], None))
    monkeypatch.setattr(evaluation, "images_at", lambda *given: blocks)
    monkeypatch.setattr(evaluation, "EvaluationBlocks", lambda real: real)
    sample = SimpleNamespace(count=1, features=torch.zeros(1, 1))
    real = type("Real", (), {"dimensions": None, "__len__": lambda self: 1})()
    evaluation.picture(real, sample, SimpleNamespace(images=SimpleNamespace(count=1)), sample, tmp_path / "near.png")
    assert Image.open(tmp_path / "near.png").mode == mode


@pytest.mark.parametrize(("overrides", "field", "value"), [
    (("weights=raw",), "ema", False), (("weights=ema",), "ema", True),
    (("batchnorm=standing", "standing_batches=2"), "batchnorm", "standing over 2 batches of 64"),
    (("batchnorm=batch",), "batchnorm", "batch of 64"), (("seed=3",), "seed", 3), (("num_real=150",), "num_real", 150),
])
def test_each_choice_moves_the_number_and_stands_in_its_protocol(run, tmp_path, overrides, field, value):
    fids = []
    for name, chosen in (("one", ()), ("other", overrides)):
        evaluated(f"run='{run}'", "metric=[fid]", "resamples=0", *chosen, f"output={tmp_path / name}.json")
        fids.append(written(tmp_path / f"{name}.json")["fid_random"])
    assert fids[1]["protocol"][field] == value
    assert (fids[0]["value"] == fids[1]["value"]) == (field == "ema" and value)


def test_a_folder_of_the_same_pictures_scores_as_the_run_does(run, tmp_path):
    """Through PNG files nothing is lost; only the protocol tells that they were files."""
    generator = loading.load_generator(run)
    for index, image in enumerate(pixels.to_bytes(generator.sample(150))):
        pictures.write_png(tmp_path / "fake" / f"{index}.png", image)
    evaluated(f"run='{run}'", "metric=[fid]", f"output={tmp_path / 'run.json'}")
    still = data_of(run)
    for index, image in enumerate(still.block(range(len(still))).images):
        pictures.write_png(tmp_path / "real" / f"{index}.png", image)
    evaluated(f"real={tmp_path / 'real'}", f"fake={tmp_path / 'fake'}", "extractor=random", "metric=[fid]",
              f"output={tmp_path / 'files.json'}")
    of_run, of_files = (written(tmp_path / f"{name}.json")["fid_random"] for name in ("run", "files"))
    assert of_files["value"] == pytest.approx(of_run["value"], rel=1e-3)  # blocks of 16, not 64: a level differs
    assert of_files["protocol"]["ema"] is None and of_files["protocol"]["split"] == "all"
    assert of_files["images_seen"] is None


def data_of(run):
    from saddlepoint import build
    return build.data(checkpoint.load(run / "checkpoints" / "last.ckpt")["settings"]).evaluation_images()


def folder(root, count=80, size=16, channels=1, seed=0):
    draws = torch.Generator().manual_seed(seed)
    for index in range(count):
        image = torch.randint(0, 256, (channels, size, size), generator=draws, dtype=torch.uint8)
        pictures.write_png(root / f"{index}.png", image)
    return root


def test_real_against_itself_is_perfect(tmp_path):
    same = folder(tmp_path / "same", count=150)
    evaluated(f"real={same}", f"fake={same}", "extractor=random", f"output={tmp_path / 'out.json'}")
    values = {name: value["value"] for name, value in written(tmp_path / "out.json").items()}
    assert abs(values["fid_random"]) < 1e-6
    assert values["precision_random"] == values["recall_random"] == values["coverage_random"] == 1
    assert values["neighbour_distance_random"] == 0


def test_grey_and_colour_or_two_sizes_are_refused_with_the_fix(tmp_path):
    grey, colour, large = (folder(tmp_path / "grey", 3), folder(tmp_path / "colour", 3, channels=3),
                           folder(tmp_path / "large", 3, size=20))
    with pytest.raises(RequestError, match="has grey images and .* colour ones: type channels=3 or channels=1"):
        evaluated(f"real={grey}", f"fake={colour}", "extractor=random")
    with pytest.raises(RequestError, match="must be of one size: .*20 x 20.* Type image_size=16"):
        evaluated(f"real={large}", f"fake={grey}", "extractor=random")


@pytest.mark.parametrize(("overrides", "words"), [
    ((), "Nothing to evaluate: type run=RUN"),
    (("run=a", "fake=b"), "two sources of fakes: name one"),
    (("fake=b",), "type real=FOLDER"),
    (("real=a", "fake=b"), "extractor is not set"),
    (("run=a", "real=b", "split=test"), "split=test is a part of a run's data, and real=b takes the place"),
    (("real=a", "fake=b", "extractor=random", "weights=raw"), "weights=raw is about a run's generator"),
    (("real=a", "fake=b", "extractor=random", "batchnorm=batch"), "batchnorm=batch is about a run's generator"),
    (("real=nowhere", "fake=nowhere", "extractor=random"), "real=nowhere does not exist"),
    (("run=nowhere",), "run=nowhere does not exist"),
])
def test_contradictions_and_missing_folders_are_refused(overrides, words):
    with pytest.raises(RequestError, match=words):
        evaluated(*overrides)


def test_an_empty_folder_and_one_without_a_single_readable_image_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="has no file that ends in png"):
        evaluated(f"real={tmp_path / 'empty'}", f"fake={tmp_path / 'empty'}", "extractor=random")
    (tmp_path / "empty" / "broken.png").write_bytes(b"not an image")
    with pytest.raises(RequestError, match="holds no image that can be used: .*broken.png"):
        evaluated(f"real={tmp_path / 'empty'}", f"fake={tmp_path / 'empty'}", "extractor=random")


def test_a_broken_file_among_good_ones_is_named_left_out_and_not_counted(tmp_path, caplog):
    good = folder(tmp_path / "good", 140)
    (good / "half.png").write_bytes((good / "0.png").read_bytes()[:60])
    evaluated(f"real={good}", f"fake={good}", "extractor=random", "metric=[fid]", f"output={tmp_path / 'out.json'}")
    assert written(tmp_path / "out.json")["fid_random"]["protocol"]["num_real"] == 140
    assert "half.png" in caplog.text and "left out" in caplog.text


def test_too_few_images_are_refused_with_the_number_when_asked_for_and_said_otherwise(tmp_path, capsys):
    few = folder(tmp_path / "few", 20)
    with pytest.raises(RequestError, match="fid_random needs at least .* 20 real"):
        evaluated(f"real={few}", f"fake={few}", "extractor=random", "metric=[fid]")
    evaluated(f"real={few}", f"fake={few}", "extractor=random", f"output={tmp_path / 'out.json'}")
    assert "fid_random" not in written(tmp_path / "out.json")
    assert "left out: fid_random needs at least" in capsys.readouterr().err


def test_nothing_is_overwritten_unless_asked(run, tmp_path):
    typed = tmp_path / "out.json"
    typed.write_text("precious")
    with pytest.raises(RequestError, match="exists: choose another file with output=, or add overwrite=true"):
        evaluated(f"run='{run}'", f"output={typed}")
    assert typed.read_text() == "precious"
    with pytest.raises(RequestError, match="must be a JSON file: type output=.*out.txt.json"):
        evaluated(f"run='{run}'", f"output={tmp_path / 'out.txt'}")


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_measured(run, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setattr(evaluation, "make_evaluator", None)
    with pytest.raises(RequestError, match="output=.* cannot be written: .*taken is a file, not a folder"):
        evaluated(f"run='{run}'", f"output={tmp_path / 'taken' / 'out.json'}")
    with pytest.raises(RequestError, match="output=/proc/out.json cannot be written: "):
        evaluated(f"run='{run}'", "output=/proc/out.json")
    with pytest.raises(RequestError, match="output=n+.json cannot be written: File name too long"):
        evaluated(f"run='{run}'", f"output={'n' * 245}.json")  # the picture beside it has a longer one
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_an_average_that_was_not_kept_is_refused(tmp_path):
    plain = train(settings(*TINY, "trick=[]"), tmp_path / "plain")
    with pytest.raises(RequestError, match="weights=ema: this run kept no average.* type weights=raw"):
        evaluated(f"run='{plain}'", "weights=ema")


def test_every_average_is_measured_in_training_and_draws_where_it_is_named(tmp_path):
    """Of short half-lives, so that after eight updates the three are far apart"""
    quality = ("callbacks=default", "callbacks.sample_quality.num_fake=150", "callbacks.sample_quality.metric=[fid]",
               "callbacks.health.every_images=null", "callbacks.image_grid.every_images=null")
    averages = ("tricks.ema.also={short:{half_life_images:4},power:{sigma_rel:0.2}}", "tricks.ema.rampup=null")
    run = train(settings(*TINY, *quality, *averages), tmp_path / "run")
    in_training = written(run / "metrics.json")
    assert [*in_training] == ["fid_random", "fid_random/short", "fid_random/power"]
    assert "quality/fid_random/short" in (run / "metrics.csv").read_text().splitlines()[0]
    drawn = {}
    for weights, name in ((None, "fid_random"), ("short", "fid_random/short"), ("power", "fid_random/power")):
        typed = () if weights is None else (f"weights={weights}",)
        evaluated(f"run='{run}'", "metric=[fid]", "resamples=0", *typed, f"output={tmp_path / f'{weights}.json'}")
        again = written(tmp_path / f"{weights}.json")
        assert [*again] == [name]
        assert again[name]["value"] == pytest.approx(in_training[name]["value"], rel=1e-6)
        assert again[name]["protocol"] == in_training[name]["protocol"] and again[name]["protocol"]["ema"]
        drawn[weights] = loading.load_generator(run, weights=weights).sample(2)
    saved = checkpoint.load(run / "checkpoints" / "last.ckpt")["module"]
    short = loading.load_generator(run, weights="short").generator.state_dict()
    raw = loading.load_generator(run, weights="raw").generator.state_dict()
    for key in short:
        assert torch.equal(short[key], saved[f"tricks.ema.also.short.generator.{key}"])
        assert torch.equal(raw[key], saved[f"generator.{key}"])
    assert not any(torch.equal(drawn[None], drawn[each]) for each in ("short", "power"))
    config, _ = composed(f"run='{run}'", "weights=short", "count=2", config="sample")
    [picture] = drawing.draw(checked_settings(config))
    assert picture.name == "last_short_seed0_count2.png"
    with Image.open(picture) as file:
        shown = numpy.array(file)[:32, :32]
    assert numpy.array_equal(shown, pixels.to_bytes(drawn["short"])[0].squeeze().numpy())
    with pytest.raises(RequestError, match="weights=long: .* type one of raw, ema, short, power"):
        loading.load_generator(run, weights="long")


def test_a_generator_that_diverged_has_no_score(run, tmp_path):
    saved = checkpoint.load(run / "checkpoints" / "last.ckpt")
    for value in saved["module"].values():
        if isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim > 1:
            value.fill_(float("nan"))
    checkpoint.save(tmp_path / "lost.ckpt", saved)
    with pytest.raises(Diverged, match="not finite"):
        evaluated(f"run={tmp_path / 'lost.ckpt'}", "metric=[fid]")
    assert not (tmp_path / "evaluations").exists()


def test_files_that_break_off_do_not_get_past_the_least_number(tmp_path):
    """129 files for 128 features, of which one is cut in half: its header is good, its pixels are not."""
    files = folder(tmp_path / "files", 129, size=32)
    whole = (files / "5.png").read_bytes()
    (files / "5.png").write_bytes(whole[:len(whole) // 2])
    with pytest.raises(RequestError, match="needs at least 129 .* 128 real"):
        evaluated(f"real={files}", f"fake={files}", "extractor=random", "metric=[fid]",
                  f"output={tmp_path / 'out.json'}")
    assert not (tmp_path / "out.json").exists()


def test_evaluations_of_other_protocols_do_not_replace_each_other(run):
    before = set((run / "evaluations").glob("*.json"))
    for chosen in ("metric=[precision]", "metric=[recall]"):
        evaluated(f"run='{run}'", chosen, "seed=5")
    evaluated(f"run='{run}'", "metric=[recall]", "seed=5")
    assert len(set((run / "evaluations").glob("*.json")) - before) == 2


@pytest.mark.parametrize("typed", ["real=photos", "fake=photos", "data.root=photos",
                                   "extractor=classifier extractor.weights=mine.safetensors"])
def test_evaluations_typed_alike_in_two_folders_do_not_replace_each_other(typed, tmp_path, monkeypatch):
    def output(folder, *words):
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        fakes = SimpleNamespace(home=tmp_path, name="last", images=SimpleNamespace(count=3))
        return evaluation.output_for(checked_settings(composed(*words, config="evaluate")[0]), fakes, "random")

    words = typed.split()
    assert output("one", *words) == output("one", *words) != output("other", *words)
    assert output("one", "seed=3") == output("other", "seed=3")


def test_a_split_the_data_does_not_have_is_refused(run):
    with pytest.raises(RequestError, match="has no test images"):
        evaluated(f"run='{run}'", "split=test")


def test_modes_are_shown_beside_those_of_a_perfect_generator(run, tmp_path, capsys):
    evaluated(f"run='{run}'", "extractor=stacked_digits", "extractor.channels=1", "metric=[modes,mode_kl]",
              f"output={tmp_path / 'modes.json'}")
    values, lines = written(tmp_path / "modes.json"), capsys.readouterr().out.splitlines()
    assert [*values] == ["modes_stacked_digits", "mode_kl_stacked_digits"]
    header, *shown = [line for line in lines if line.startswith(("metric", "mode"))]
    assert header.endswith("perfect generator")
    for line, (name, value) in zip(shown, values.items(), strict=True):
        assert line.split()[0] == name and line.split()[-1] == f"{value['details']['perfect']:.4g}"
    digits = data_of(run).labels.bincount(minlength=10) / 200  # of which the classifier misreads very few
    told = values["mode_kl_stacked_digits"]["protocol"]["settings"]
    torch.testing.assert_close(torch.tensor(told["shares_of_data"]), digits, atol=0.02, rtol=0)
    assert (told["reference"], told["logarithm"], told["accuracy"]) == ("uniform", "natural", 0.992)
    assert "99.2% of 1,000 digits held out" in told["rule"]


def test_a_typed_mixture_is_that_of_the_run():
    ring, typed = {"_target_": "mixture", "mixture": {"modes": 8}}, {"_target_": "mixture", "rule": "per_axis"}
    chosen = evaluation.chosen_extractor
    assert chosen(typed | {"mixture": None}, ring) == typed | {"mixture": {"modes": 8}}
    assert chosen(typed | {"mixture": {"modes": 3}}, ring)["mixture"] == {"modes": 3}
    assert chosen(None, ring) == ring and chosen(typed, ring) == typed
    assert chosen({"_target_": "digits"}, ring) == {"_target_": "digits"}
    assert chosen(typed | {"mixture": None}, None)["mixture"] is None
