"""Writes settings as YAML. Imports no torch."""

from collections.abc import Mapping
from typing import Any

import yaml

from saddlepoint.config.spelling import readable

BOOLEANS = ("y", "yes", "n", "no", "true", "false", "on", "off")  # of YAML 1.1, in small letters


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # eight times as fast where PyYAML has libyaml
    pass


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "'" if text.lower() in BOOLEANS or _is_number(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _is_number(text: str) -> bool:
    """Returns whether some reader would take it for a number: OmegaConf reads 1e-4 as one, YAML 1.1 does not."""
    try:
        float(text)
    except ValueError:
        return False
    return True


_Dumper.add_representer(str, _represent_text)


def to_yaml(settings: Mapping[str, Any]) -> str:
    """Returns settings of plain dictionaries, lists, numbers and texts as the text of config.yaml, which OmegaConf and
    every reader of YAML 1.1 read as the same settings."""
    return yaml.dump(_readable(settings), Dumper=_Dumper, default_flow_style=False, allow_unicode=True,
                     sort_keys=False)


def _readable(settings: Any) -> Any:
    """Returns the settings with all texts as valid Unicode, which YAML needs; a path may have other bytes."""
    if isinstance(settings, Mapping):
        return {key: _readable(value) for key, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [*map(_readable, settings)]
    return readable(settings) if isinstance(settings, str) else settings
