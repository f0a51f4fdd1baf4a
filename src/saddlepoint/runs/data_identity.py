"""What a run was trained on, as its checkpoints and its environment.json keep it in plain containers.

`images`, `classes` (name -> images; none: labels are not used), `names` (digest of the files' names and sizes),
`contents` (digest of their bytes, see data/identity.py, or of pixels and labels), `low`, `held_out` and `validation`
(`images`, `names` and `contents` of further files), `earlier` (what the run was trained on before it went on with
this). Imports no torch.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from saddlepoint.errors import RequestError

ASSUMED = "assumed"  # where a run has said nothing, and is compared as if it had been trained on this

ONLY_MEASURED = ("held_out", "validation")  # what is looked at, and not learnt from

NO_IMAGES = ("name", "earlier", ASSUMED)

Identity = Mapping[str, Any]


def digest(identity: Identity) -> str:
    """Equal for two runs that learnt from the same images, and only for them."""
    learnt = {key: value for key, value in identity.items() if key not in (*ONLY_MEASURED, *NO_IMAGES)}
    earlier = [digest(each) for each in identity.get("earlier", ())]
    return hashlib.sha256(json.dumps([learnt, earlier], sort_keys=True).encode()).hexdigest()


def refuse_other_classes(before: Iterable[str], now: Iterable[str], where: str) -> None:
    """Labels are numbers: other names would be drawn for what the run has learnt."""
    before, now = list(before), list(now)
    if before and now and before != now:
        said = [f"{', '.join(names[:10])}{', ...' if len(names) > 10 else ''}" for names in _unlike(before, now)]
        raise RequestError(f"This run was trained on other classes than {where} has: {said[0]} there, {said[1]} here. "
                           "Name the folder with the run's own classes (data.root=FOLDER), or start another run")


def _unlike(before: list[str], now: list[str]) -> tuple[list[str], list[str]]:
    """Those that only one has, where both have such; else all"""
    apart = [name for name in before if name not in now], [name for name in now if name not in before]
    return apart if all(apart) else (before, now)


def changes(before: Identity | None, now: Identity) -> str:
    """What a reader should know of two sets that should be one, as a part of a sentence; empty: they are the same, or
    nothing is known of the first."""
    if not before:
        return ""
    said = [_change(before, now, "images"), _counts(before["classes"], now["classes"])]
    for part, name in {"low": "low-resolution files", "held_out": "held-out images",
                       "validation": "validation images"}.items():
        one, other = before.get(part), now.get(part)
        if one and other:
            said.append(_change(one, other, name))
        elif one or other:
            said.append(f"{name} where there were none" if other else f"no {name} any more")
    return "; ".join(filter(None, said))


def _change(before: Identity, now: Identity, what: str) -> str:
    if before["images"] != now["images"]:
        return f"{now['images']:,} {what} instead of {before['images']:,}"
    if before.get("names") != now.get("names"):
        return f"{now['images']:,} {what} as before, of other names or sizes"
    named = " of the same names" if "names" in now else ""
    return f"{what}{named} with other contents" if before["contents"] != now["contents"] else ""


def _counts(before: Mapping[str, int], now: Mapping[str, int]) -> str:
    apart = [f"{count:,} of {name} instead of {before[name]:,}" for name, count in now.items()
             if before.get(name, count) != count]
    return ", ".join(apart[:5]) + (", ..." if len(apart) > 5 else "")


def classes_of(saved: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the classes that a checkpoint's run was trained on; empty: none, or not known. Checkpoints from before
    identities were kept have the names alone."""
    return tuple((saved.get("data") or {}).get("classes", saved.get("class_names", ())))


def going_on(before: Identity | None, now: dict[str, Any]) -> dict[str, Any]:
    """The identity of a run that was begun on `before`: what it learnt from earlier belongs to it. Where that is not
    known, the run is taken for one that had this from its beginning."""
    if not before:
        return now | {ASSUMED: True}
    now = now | ({ASSUMED: True} if before.get(ASSUMED) else {})
    earlier = list(before.get("earlier", ()))
    past = {key: value for key, value in before.items() if key != "earlier"}
    earlier += [past] if digest(past) != digest(now) else []
    return now | ({"earlier": earlier} if earlier else {})
