"""Starts networks from the weights of another run or file, which model.initialise and its companions name."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from saddlepoint.config.typed_paths import expanded
from saddlepoint.errors import RequestError
from saddlepoint.game.networks import PLAYERS, networks_of
from saddlepoint.networks.basicsr_layout import TENSORS_ALONE
from saddlepoint.runs.module_state import differences, shape_in, shortened
from saddlepoint.sampling.loading import checkpoint_of, load_module, with_plain_weights
from saddlepoint.upscaling import weights

AUTO = "auto"  # model.initialise_discriminator: as model.initialise, where that is a run
SETTINGS = {"generator": "model.initialise", "discriminator": "model.initialise_discriminator"}


class Source(NamedTuple):
    """Weights that a player may start from."""

    player: str
    setting: str  # by which they were chosen, for messages
    typed: str
    networks: Mapping[str, Mapping[str, Tensor]]  # of each network, by its name, all tensors by their names
    described: str = ""  # what they are of; empty: not known

    def __str__(self) -> str:
        return f"{self.setting}={self.typed}"


class Fit(NamedTuple):
    """Which layers of a network a source has. A layer fits if all of its tensors are there and have the same shapes."""

    tensors: Mapping[str, Tensor]  # of the layers that fit
    layers: list[str]  # of the network
    random: list[str]  # those of them that do not fit
    differences: list[str]  # phrases, one a tensor


def initialise(players: Mapping[str, nn.Module], model: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Copies first weights into the players' networks and prints which. Returns for each player that got some their
    source, a digest and how many layers have them. Raises a RequestError if they do not fit.

    model: the settings of model=; models of extensions may lack those that are meant here
    """
    record, partly = {}, bool(model.get("initialise_partly"))
    for player, source in find_sources(players, model).items():
        fits = fit_networks(networks_of(players[player], player), source, partly)
        for name, fit in fits.items():
            networks_of(players[player], player)[name].load_state_dict(fit.tensors, strict=not fit.random)
            print(describe_start(name, fit, source))
        layers = sum(len(fit.layers) for fit in fits.values())
        record[player] = {"source": source.typed, "digest": digest(fits), "of_layers": layers,
                          "layers": layers - sum(len(fit.random) for fit in fits.values())}
    if (count := model.get("freeze_discriminator")) and "discriminator" not in record:
        raise RequestError(f"model.freeze_discriminator={count} keeps layers as they start, and the discriminator "
                           "starts at random: type model.initialise_discriminator=RUN, or FILE")
    return record


def leaves_discriminator_at_random(model: Mapping[str, Any]) -> bool:
    """Returns whether nothing is named that D may start from."""
    typed = model.get("initialise_discriminator")
    return not (model.get("initialise") if typed == AUTO else typed)


def find_sources(players: Mapping[str, nn.Module], model: Mapping[str, Any]) -> dict[str, Source]:
    """Returns the source of each player that does not start at random."""
    typed = {player: model.get(setting.removeprefix("model.")) for player, setting in SETTINGS.items()}
    automatic = typed["discriminator"] == AUTO
    if automatic:
        typed["discriminator"] = typed["generator"] if typed["generator"] and is_run(typed["generator"]) else None
    setting = SETTINGS | ({"discriminator": SETTINGS["generator"]} if automatic else {})
    return {player: read(typed[player], setting[player], player, players[player])
            for player in PLAYERS if typed[player]}


def is_run(typed: str) -> bool:
    path = expanded(typed, "weights")
    return path.is_dir() or weights.is_ours(path)


def read(typed: str, setting: str, player: str, own: nn.Module) -> Source:
    """Returns the weights of the networks of `player` in a run or file. `own` is the player that is to start from them:
    one that enlarges takes every file that upscale.py takes as weights=."""
    try:
        if is_run(typed):
            return Source(player, setting, typed, of_run(expanded(typed, "run"), player))
        if player == "generator" and hasattr(own, "scale"):
            network = weights.load(typed, TENSORS_ALONE).network
            return Source(player, setting, typed, {player: network.state_dict()}, describe(network))
        path = expanded(typed, "weights")
        if not path.is_file():
            raise RequestError("there is no such run or file: name a run directory, a checkpoint, or a file of weights "
                               "(.safetensors, .pth)")
        return Source(player, setting, typed, {player: of_file(path)})
    except RequestError as error:
        raise RequestError(f"{setting}={typed} cannot be used: {error}") from error


def of_run(run: Path, player: str) -> dict[str, dict[str, Tensor]]:
    """Returns the weights of a player's networks: the generator's as people see them, averaged with trick=ema. Where
    weights are normalised, they are the normalised ones, so that networks start by computing the same, whether or not
    they normalise them as well."""
    module, _ = load_module(checkpoint_of(run))
    networks = module.sampling_networks if player == "generator" else networks_of(module.discriminator, player)
    return {name: with_plain_weights(network).state_dict() for name, network in networks.items()}


def of_file(path: Path) -> dict[str, Tensor]:
    """Returns the tensors of a file with their names. Raises a RequestError if it holds anything else."""
    content = weights.read_tensors(path)
    other = [name for name, value in content.items() if not isinstance(value, Tensor)]
    if other or not content:
        what = f"{other[0]} is of another kind" if other else "it is empty"
        raise RequestError(f"a file must hold the tensors of one network with their names, and {what}: save its "
                           "state_dict()")
    return dict(content)


def fit_networks(networks: Mapping[str, nn.Module], source: Source, partly: bool) -> dict[str, Fit]:
    """Returns what each network takes from the source. Raises a RequestError that names layers if some do not fit and
    only all or nothing will do (`partly` is false), or if nothing fits."""
    fits = {name: fit_tensors(network.state_dict(), source.networks.get(name, {}))
            for name, network in networks.items()}
    fits_at_all = any(fit.tensors for fit in fits.values())
    for name, fit in fits.items():
        if fit.differences and not (partly and fits_at_all):
            instead = f"Type the settings of model.{name} that it has, or " + (
                f"model.initialise_partly=true to take the {len(fit.layers) - len(fit.random)} of {len(fit.layers)} "
                "layers that fit and start the others at random" if fits_at_all
                else "name another run or file, since no layer fits")
            if source.player == "discriminator":
                instead += "; model.initialise_discriminator=null starts the discriminator at random"
            raise RequestError(f"{source} holds {source.described or 'another network'} and model.{name} is "
                               f"{describe(networks[name])}: they must be the same network, and "
                               f"{shortened(fit.differences, '; ')}. {instead}")
    return fits


def fit_tensors(own: Mapping[str, Tensor], there: Mapping[str, Tensor]) -> Fit:
    changed = {layer_of(name) for name in own if shape_in(there, name) != shape_in(own, name)}
    layers = [*dict.fromkeys(map(layer_of, own))]
    tensors = {name: there[name] for name in own if layer_of(name) not in changed}
    return Fit(tensors, layers, [layer for layer in layers if layer in changed], differences(own, there))


def layer_of(tensor_name: str) -> str:
    return tensor_name.rpartition(".")[0]


def describe(network: nn.Module) -> str:
    """Returns words for a network, e.g. RRDBNet (x4, 16,697,987 weights)."""
    scale = f"x{network.scale}, " if hasattr(network, "scale") else ""
    return f"{type(network).__name__} ({scale}{sum(p.numel() for p in network.parameters()):,} weights)"


def describe_start(name: str, fit: Fit, source: Source) -> str:
    if not fit.random:
        return f"first weights: model.{name} starts from {source}"
    return (f"first weights: model.{name} takes {len(fit.layers) - len(fit.random)} of {len(fit.layers)} layers of "
            f"{source}; at random: {shortened(fit.random, ', ', most=20)}")


def digest(fits: Mapping[str, Fit]) -> str:
    """Returns a SHA-256 in hex of all tensors that are taken, with their names and shapes; it does not depend on the
    file that held them."""
    hashed = hashlib.sha256()
    for network, fit in sorted(fits.items()):
        for name, tensor in sorted(fit.tensors.items()):
            values = tensor.detach().cpu().contiguous().float() if tensor.is_floating_point() else tensor.cpu()
            hashed.update(f"{network}.{name} {[*tensor.shape]} ".encode() + values.numpy().tobytes())
    return hashed.hexdigest()
