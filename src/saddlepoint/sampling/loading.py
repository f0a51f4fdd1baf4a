"""Rebuilds the game of a run from its checkpoint, to draw from its generator or to measure it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saddlepoint.config import extensions as extension_packages
from saddlepoint.config.spelling import command
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.standardisation import standardisation_of
from saddlepoint.errors import RequestError
from saddlepoint.runs import checkpoint, module_state, saved_settings
from saddlepoint.sampling.generator import SamplingGenerator

if TYPE_CHECKING:
    from torch import nn

    from saddlepoint.game.adversarial import AdversarialModule
    from saddlepoint.game.synthesis import SynthesisModule


OF_THE_GAME = ("model", "loss", "optimizer", "tricks")  # settings from which objects are built


def load_generator(run: str | Path, extensions: Sequence[str] = (), weights: str | None = None) -> SamplingGenerator:
    """Loads the sampling generator of a run, ready to call. `run` is a run directory or a checkpoint file; `extensions`
    are folders of packages of your own, as in extensions=[...] on the command line. `weights` are `ema`, `raw` or a
    further average's name; None: the average when the run kept one.

    It is rebuilt from the checkpoint alone; nothing in the file is executed. A conditional generator knows its classes:
    sample(16) draws them as often as training did, sample(16, labels="cat") or sample(16, labels=3) draws one of them.
    """
    if extensions:
        extension_packages.use(extensions)
    module, saved = load_synthesis(checkpoint_of(expanded(str(run), "run")))
    draw_from(module, weights)
    return sampling_generator(module, saved)


def draw_from(module: "AdversarialModule", weights: str | None) -> None:
    """Lets a game draw from the weights that weights= chooses. Raises a RequestError if the run kept none such."""
    from saddlepoint.game.trick_stack import RAW  # here, since it imports torch

    if weights == "ema":
        if not module.has_average:
            raise RequestError("weights=ema: this run kept no average of its weights (trick=[ema] does): type "
                               "weights=raw")
        return
    averages = [*module.tricks.averages()]
    if weights not in (None, RAW, *averages):
        known = ["raw", *(["ema"] if module.has_average else []), *averages]
        raise RequestError(f"weights={weights}: this run kept no average of that name (tricks.ema.also): type one of "
                           f"{', '.join(known)}")
    module.tricks.drawn = weights


def weights_of(module: "AdversarialModule") -> str:
    """Returns which weights a game draws from: ema, raw or a further average's name."""
    return module.tricks.drawn or ("ema" if module.has_average else "raw")


def sampling_generator(module: "SynthesisModule", saved: Mapping[str, Any]) -> SamplingGenerator:
    """Returns the sampling generator of a game that `load_synthesis` loaded with the content of its checkpoint."""
    return SamplingGenerator(module.sampling_generator, module.sampling_latents, module.class_distribution,
                             saved.get("class_names", ()), saved["settings"]["data"].get("dimensions"),
                             saved["settings"]["data"].get("edge"), standardisation_of(saved.get("data")))


def load_synthesis(path: Path) -> "tuple[SynthesisModule, dict[str, Any]]":
    """Loads the game as `load_module` does. Raises a RequestError if its generator makes no images from noise."""
    module, saved = load_module(path)
    if "latents" not in saved["settings"]["model"]:
        home = path.parent.parent if path.parent.name == "checkpoints" else path
        if translates(module):
            raise RequestError(f"{path} is of a model that translates images and draws none from noise: type "
                               f"{command('translate', f'run={home}', 'input=IMAGES')}; its scores are in the run's "
                               "metrics.json")
        raise RequestError(f"{path} is of a model that enlarges images and draws none from noise: type "
                           f"{command('upscale', f'weights={home}', 'input=IMAGES')}; its PSNR and SSIM are in the "
                           "run's metrics.json")
    return module, saved


def translates(module: "AdversarialModule") -> bool:
    """Returns whether the game's generators turn images of one kind into another."""
    from saddlepoint.game.translation import TranslationModule  # here, since it imports torch

    return isinstance(module, TranslationModule)


def load_module(path: Path) -> "tuple[AdversarialModule, dict[str, Any]]":
    """Loads the game from a checkpoint file; returns it and the content of the file."""
    from saddlepoint import build

    saved = checkpoint.load(path)
    settings = saved_settings.require_parts(saved, path, saved_settings.OF_NETWORKS)
    of_the_game = [settings[part] for part in OF_THE_GAME]
    extension_packages.refuse_missing(of_the_game, saved.get("extensions") or (), str(path))
    if "latents" in settings["model"]:
        saved_settings.require_parts(saved, path, saved_settings.OF_DATA)
    try:
        module = build.module(only_networks(settings))
    except RequestError as error:
        raise RequestError(f"{path} holds settings that cannot be: {error}") from error
    except (KeyError, RuntimeError, TypeError, AttributeError) as error:
        raise RequestError(f"{path} does not fit this version of saddlepoint: {error}") from error
    module_state.put(saved, module, str(path))
    return module, saved


def home_of(checkpoint: Path) -> Path:
    """Returns the run directory of a checkpoint; the folder that it lies in where that is none."""
    return checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent


def stem_of(checkpoint: Path, weights: str | None) -> str:
    """Returns how names of files begin that are made of a checkpoint with the weights that weights= chooses."""
    return checkpoint.stem if weights is None else f"{checkpoint.stem}_{weights}"


def with_plain_weights(network: "nn.Module") -> "nn.Module":
    """Returns the network, changed in place: weights that it computes from others, as spectral normalisation does,
    become the weights that they are in evaluation mode."""
    from torch.nn.utils import parametrize

    for layer in network.eval().modules():
        if parametrize.is_parametrized(layer):
            for name in [*layer.parametrizations]:
                parametrize.remove_parametrizations(layer, name)
    return network


def only_networks(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the settings without the networks of content losses, which only training needs and which are read from
    other files."""
    if "content" not in settings["model"]:
        return settings
    return {**settings, "model": settings["model"] | {"content": {}}}


def checkpoint_of(run: Path, setting: str = "run") -> Path:
    """Returns the newest undamaged checkpoint of a run directory; says so when that is not last.ckpt. `setting`: that
    names the run, for messages."""
    if run.is_dir():
        folder = run / "checkpoints"
        if not any(folder.glob("last*.ckpt")):
            raise RequestError(f"{setting}={run} has no checkpoint (checkpoints/last.ckpt): name a run that wrote one")
        return checkpoint.newest_good_path(folder)
    if not run.exists():
        raise RequestError(f"{setting}={run} does not exist: name a run directory, e.g. runs/dcgan_small_mnist5k/..., "
                           "or a checkpoint file")
    return run
