"""What Hydra does anew for each of two thousand compositions and need not: it reads the same files, puts the same
choices together, and parses the same texts. Settings that are typed (`a.b=1`) come after that, and mistakes in them, as
ever.

Files are remembered only where all are ours or Hydra's: those of extensions and of tests may change."""

import copy
import pickle
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import groupby
from types import SimpleNamespace
from typing import Any

import hydra.version
import omegaconf._utils
import omegaconf.base
import pytest
from hydra._internal import config_loader_impl, defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, ConfigRepository, IConfigRepository
from hydra._internal.defaults_list import DefaultsList, Overrides
from hydra._internal.instantiate import _instantiate2
from hydra.core.config_store import ConfigNode, ConfigStore
from hydra.core.default_element import GroupDefault, InputDefault, ResultDefault
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigSource
from omegaconf import DictConfig, flag_override, grammar_parser

from saddlepoint.config.folders import settings_folder


def stays(source: ConfigSource | None) -> bool:
    places = f"file://{settings_folder()}", "pkg://hydra.conf"
    return source is not None and f"{source.scheme()}://{source.path}" in places


def all_stay(repository: IConfigRepository) -> bool:
    return all(stays(source) or source.scheme() == "structured" for source in repository.get_sources())


def compose_once(patch: pytest.MonkeyPatch) -> None:
    """Lets this process remember what it composed. What is remembered is a pickle, of which a copy is made six times as
    fast as by deepcopy; Hydra changes what it is given."""
    read_files_once(patch)
    copy_definitions_fast(patch)
    choose_once(patch)
    list_defaults_fast(patch)
    merge_once(patch)
    leave_out_unused_choices(patch)
    define_groups_once(patch)
    share_sources(patch)
    parse_once(patch)
    build_without_a_copy(patch)


def read_files_once(patch: pytest.MonkeyPatch) -> None:
    read, remembered = ConfigRepository.load_config, {}

    def load_config(repository: ConfigRepository, config_path: str) -> Any:
        source = repository._find_object_source(config_path, ObjectType.CONFIG)
        if not stays(source):
            return read(repository, config_path)
        key = source.path, config_path
        if key not in remembered:
            remembered[key] = pickle.dumps(read(repository, config_path))
        return pickle.loads(remembered[key])

    patch.setattr(ConfigRepository, "load_config", load_config)


def copy_definitions_fast(patch: pytest.MonkeyPatch) -> None:
    """Hydra gives a copy of what is defined in Python, of its own settings above all, whenever it is asked for it."""
    remembered = {}

    def load(store: ConfigStore, config_path: str) -> ConfigNode:
        defined = store._load(config_path)
        if remembered.get(config_path, (None,))[0] is not defined:
            remembered[config_path] = defined, pickle.dumps(defined)
        return pickle.loads(remembered[config_path][1])

    patch.setattr(ConfigStore, "load", load)


class ReadOnly:
    """A repository for who only looks at what it holds, as the search for defaults does: without a copy. `loaded`: what
    was read before"""

    def __init__(self, repository: CachingConfigRepository, loaded: dict[tuple[str, str], Any]):
        self.repository, self.loaded, self.folder = repository, loaded, str(settings_folder())

    def load_config(self, config_path: str) -> Any:
        key = self.folder, config_path
        if key in self.loaded:
            return self.loaded[key]
        found = self.repository.load_config(config_path)
        if stays(self.repository.delegate._find_object_source(config_path, ObjectType.CONFIG)):
            self.loaded[key] = found
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.repository, name)


def choose_once(patch: pytest.MonkeyPatch) -> None:
    """Which files a command and its choices (`model=dcgan`) mean"""
    find, remembered, loaded = defaults_list.create_defaults_list, {}, {}

    def create_defaults_list(repo: IConfigRepository, config_name: str | None, overrides_list: list[Override],
                             prepend_hydra: bool, skip_missing: bool) -> DefaultsList:
        typed = Overrides(repo, overrides_list).config_overrides
        choices = [each for each in overrides_list if not any(each is other for other in typed)]
        key = (settings_folder(), config_name, *(each.input_line for each in choices), prepend_hydra, skip_missing)
        if not all_stay(repo):
            return find(repo, config_name, overrides_list, prepend_hydra, skip_missing)
        if key not in remembered:
            found = find(ReadOnly(repo, loaded), config_name, choices, prepend_hydra, skip_missing)
            remembered[key] = pickle.dumps(found)
        found = pickle.loads(remembered[key])
        found.config_overrides = found.overrides.config_overrides = typed
        return found

    patch.setattr(config_loader_impl, "create_defaults_list", create_defaults_list)


def list_defaults_fast(patch: pytest.MonkeyPatch) -> None:
    """Of each of fifty files Hydra copies the list of defaults, of which it changes the entries and not what they
    hold; and for each entry it asks several times which of its own versions it is to be compatible with."""
    patch.setattr(defaults_list, "copy", SimpleNamespace(
        copy=copy.copy, deepcopy=lambda defaults: None if defaults is None else [*map(copy.copy, defaults)]))
    patch.setattr(hydra.version, "_get_version", cache(hydra.version._get_version))


def merge_once(patch: pytest.MonkeyPatch) -> None:
    """What stands in these files together. Two commands differ in a few groups only, so each group is merged once, and
    the groups anew."""
    merge, remembered = ConfigLoaderImpl._compose_config_from_defaults_list, {}

    def once(defaults: Sequence[ResultDefault], put_together: Callable[[], DictConfig]) -> DictConfig:
        key = (settings_folder(), *((each.config_path, each.package) for each in defaults))
        if key not in remembered:
            remembered[key] = pickle.dumps(put_together())
        return pickle.loads(remembered[key])

    def compose(loader: ConfigLoaderImpl, defaults: Sequence[ResultDefault], repo: IConfigRepository) -> DictConfig:
        return once(defaults, lambda: group_by_group(loader, defaults, repo)) if all_stay(repo) else merge(
            loader, defaults, repo)

    def group_by_group(loader: ConfigLoaderImpl, defaults: Sequence[ResultDefault],
                       repo: IConfigRepository) -> DictConfig:
        groups = [[*group] for _, group in groupby(defaults, lambda each: (each.package or "").partition(".")[0])]
        start = next((place for place, group in enumerate(groups, 1) if group[-1].primary), len(groups))
        groups[:start] = [sum(groups[:start], [])]  # Hydra's own, and the command's file
        first, *others = [once(group, partial(merge, loader, group, repo)) for group in groups]
        with flag_override(first, "no_deepcopy_set_nodes", True):
            first.merge_with(*others)
        return first

    patch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", compose)


def leave_out_unused_choices(patch: pytest.MonkeyPatch) -> None:
    """Hydra lists what was chosen so far anew for each of fifty defaults, a fifth of the time of a composition, and
    looks at the list only where a default is written in terms of others, as `${model}_x`."""
    of_hydra = defaults_list._create_interpolation_map

    def choices(overrides: Overrides, defaults: list[InputDefault], self_added: bool) -> DictConfig:
        refers = any("${" in each.get_config_path() for each in defaults
                     if not (isinstance(each, GroupDefault) and each.is_options()))
        return of_hydra(overrides, defaults, self_added) if refers else DictConfig({})

    patch.setattr(defaults_list, "_create_interpolation_map", choices)


def define_groups_once(patch: pytest.MonkeyPatch) -> None:
    """Our plugin tells Hydra the options of two groups again before each composition. While they are the same, what it
    was told stands."""
    define, remembered = ConfigStore.store, {}

    def store(self: ConfigStore, name: str, node: Any, group: str | None = None, *more: Any, **named: Any) -> None:
        node_before, defined = remembered.get((group, name), (None, None))
        if more or named or not isinstance(node, dict) or node != node_before or of(self, group, name) is not defined:
            define(self, name, node, group, *more, **named)
            remembered[group, name] = copy.deepcopy(node), of(self, group, name)

    def of(store: ConfigStore, group: str | None, name: str) -> ConfigNode | None:
        options = store.repo.get(group)
        return options.get(f"{name}.yaml") if isinstance(options, dict) else None

    patch.setattr(ConfigStore, "store", store)


def share_sources(patch: pytest.MonkeyPatch) -> None:
    """Hydra copies a repository with all that was ever stored, lest it changes; what changes is its list of sources,
    in whose place a new one is put."""
    def __init__(self: CachingConfigRepository, delegate: IConfigRepository) -> None:
        self.delegate, self.cache = copy.copy(delegate), {}

    patch.setattr(CachingConfigRepository, "__init__", __init__)


def parse_once(patch: pytest.MonkeyPatch) -> None:
    """Typed settings, of which each composition gets a copy, and the values with ${...} in yaml files, whose parsed
    form is only read"""
    parse_rule, remembered = OverridesParser.parse_rule, {}

    def parse(parser: OverridesParser, text: str, rule: str) -> Any:
        if (text, rule) not in remembered:
            remembered[text, rule] = pickle.dumps(parse_rule(parser, text, rule))
        return pickle.loads(remembered[text, rule])

    patch.setattr(OverridesParser, "parse_rule", parse)
    parse_value = cache(grammar_parser.parse)
    for module in (omegaconf.base, omegaconf._utils):
        patch.setattr(module, "parse", parse_value)


def build_without_a_copy(patch: pytest.MonkeyPatch) -> None:
    """Hydra's instantiate copies the settings of an object, lest they change. What build.py hands over is a dictionary
    of which Hydra has just made settings of its own."""
    patch.setattr(_instantiate2, "copy", SimpleNamespace(deepcopy=lambda config: config))
