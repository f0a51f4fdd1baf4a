"""Lets Hydra search the conf/ of every extension after ours, and puts together the groups whose options are all
present: `tricks` and `metrics`. Hydra finds such plugins in this namespace only."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.plugins.search_path_plugin import SearchPathPlugin


class Extensions(SearchPathPlugin):
    """Adds the folders of the extensions in use; see saddlepoint.config.extensions."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        from saddlepoint.config import extensions, folders
        for each in extensions.in_use():
            if each.settings.is_dir():
                search_path.append(provider=each.name, path=f"file://{each.settings}")
        for group in extensions.GATHERED:
            # conf/tricks/r1.yaml becomes tricks.r1, without a list of names that a new file would have to join
            defaults = [f"{option}@{option}" for option in folders.options(group)]
            ConfigStore.instance().store(group=group, name="all", node={"defaults": defaults})
