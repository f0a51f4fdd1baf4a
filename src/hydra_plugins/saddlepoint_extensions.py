"""Adds the yaml files of extensions to Hydra's search path, and defines the groups `tricks` and `metrics`.

All options of these two groups are composed, whichever yaml files there are. Hydra finds such plugins in this namespace
only.
"""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.plugins.search_path_plugin import SearchPathPlugin


class Extensions(SearchPathPlugin):
    """A plugin that adds the conf/ of every extension in use after ours; see saddlepoint.config.extensions."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        from saddlepoint.config import extensions, folders
        for extension in extensions.in_use():
            if extension.settings.is_dir():
                search_path.append(provider=extension.name, path=f"file://{extension.settings}")
        for group in extensions.GATHERED:
            # conf/tricks/r1.yaml becomes tricks.r1, without a list of names that a new file would have to join
            defaults = [f"{option}@{option}" for option in folders.options(group)]
            ConfigStore.instance().store(group=group, name="all", node={"defaults": defaults})
