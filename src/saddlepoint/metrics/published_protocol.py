"""The protocols of published tables, by name (conf/protocol/): what they fix, and whether a measurement follows one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from saddlepoint.config import folders
from saddlepoint.config.paths import at, leaves

APART = ("protocol", "metric", "defaults")  # its name, what it measures, and a choice that is looked at apart
UNLESS_FIXED = {"batchnorm": "running", "truncation": None}  # of fakes whose protocol does not speak of them
Settings = Mapping[str, Any]


class PublishedProtocol:
    """What the protocol of a published table fixes: settings of evaluate.py.

    name: the option of conf/protocol/
    """

    def __init__(self, name: str):
        self.name = name
        content = _read(next(folders.files_of("protocol", name)))
        self.metrics: tuple[str, ...] = tuple(content.get("metric") or ())
        self.fixes: dict[str, Any] = UNLESS_FIXED | {path: at(content, path) for path in leaves(content)
                                                     if path.split(".")[0] not in APART}
        chosen = [choice for each in content.get("defaults") or () if isinstance(each, Mapping)
                  for group, choice in each.items() if group.endswith("extractor")]
        self.extractor: str | None = chosen[0] if chosen else None

    def departures(self, settings: Settings, num_fake: int | None = None, num_real: int | None = None) -> list[str]:
        """Returns in what the settings differ from the protocol, e.g. `num_fake=5000`; empty if they follow it.

        num_fake: how many fakes there are; of files it is their number
        num_real: how many real images there are, if the protocol has a number of them; None: nobody knows
        """
        actual = {path: at(settings, path) for path in self.fixes}
        if num_fake is not None and "num_fake" in actual:
            actual["num_fake"] = num_fake
        if num_real and self.fixes.get("num_real"):  # num_real= is a bound: the data may have fewer
            actual["num_real"] = num_real
        if settings["real"]:
            actual.pop("split", None)  # a folder or a file has none
        if settings["fake"]:
            for of_a_run in (*UNLESS_FIXED, "standing_batches", "quantisation"):
                actual.pop(of_a_run, None)  # files are what they are
        return [*self._other_extractor(settings),
                *(f"{path}={value}" for path, value in actual.items() if value != self.fixes[path])]

    def _other_extractor(self, settings: Settings) -> list[str]:
        if self.extractor is None:
            return []
        target = _read(next(folders.files_of("extractor", self.extractor)))["_target_"]
        chosen = (settings.get("extractor") or {}).get("_target_")
        return [] if chosen == target else [f"extractor={str(chosen).rpartition('.')[2].lower()}"]


def published_protocol(settings: Settings) -> PublishedProtocol | None:
    """Returns the protocol that protocol= chooses; None if it chooses none."""
    return PublishedProtocol(settings["protocol"]) if settings["protocol"] else None


def _read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
