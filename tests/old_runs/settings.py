"""Lists the settings there are: of every class that some choice names, and of what belongs to no class.

`python settings.py CONF FILE` writes those of a commit's folder conf/ as JSON. It needs Hydra alone, so it runs beside
any version of saddlepoint.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

NOT_OF_A_RUN = ("hydra", "prior", "first_weights", "protocol")  # prior is chosen as prior@model.latents, for one model
# Groups of which each option is looked at beside these choices; of the other groups all are chosen at once.
APART = {"data": [], "experiment": [], "perceptual": ["model=esrgan", "data=sr_folder"]}


def existing(conf: Path) -> dict[str, Any]:
    """-> `classes`: names of settings by class; `places`: dotted paths of parts and of settings outside classes"""
    classes: dict[str, set[str]] = {}
    places: set[str] = set()
    for settings in every_composition(conf):
        for place, part in visited(settings):
            places.add(place)
            if isinstance(part, Mapping):
                classes.setdefault(part["_target_"], set()).update(name for name in part if not name.startswith("_"))
    return {"classes": {name: sorted(classes[name]) for name in sorted(classes)}, "places": sorted(places)}


def every_composition(conf: Path) -> Iterator[dict[str, Any]]:
    """Settings in which each option of each group occurs. Models that enlarge degrade images of data=sr_folder only."""
    options = {path.name: sorted(file.stem for file in path.glob("*.yaml"))
               for path in conf.iterdir() if path.is_dir() and path.name not in NOT_OF_A_RUN}
    options |= {group: ["all"] for group, names in options.items() if "all" in names}
    lines = [[*beside, f"{group}={option}"] for group, beside in APART.items() for option in options.pop(group)]
    options["turns@model.turns"] = options.pop("turns")
    lines += [["data=sr_folder", *(f"{group}={names[place % len(names)]}" for group, names in options.items())]
              for place in range(max(map(len, options.values())))]
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        for line in lines:
            yield OmegaConf.to_container(compose("train", overrides=line), resolve=True)


def visited(settings: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """(place, part with a class, or value)"""
    for name, value in settings.items():
        place = f"{path}.{name}" if path else name
        if isinstance(value, Mapping) and "_target_" in value:
            yield place, value
            yield from ((inner, part) for inner, part in visited(value, place)
                        if isinstance(part, Mapping))  # a class of its own among a class's settings
        elif isinstance(value, Mapping) and value:
            yield from visited(value, place)
        elif not name.startswith("_"):
            yield place, None


if __name__ == "__main__":
    text = json.dumps(existing(Path(sys.argv[1])), indent=1)
    Path(sys.argv[2]).write_text(text + "\n", encoding="utf-8")
