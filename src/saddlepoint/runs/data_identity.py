"""Compares the identities of data: what a run was trained on, as its checkpoints and environment.json hold it.

An identity is a mapping of plain containers with the keys
- `images`: how many there are,
- `kind`: what is there in the place of images, e.g. points; `images` is 0 if they are drawn without end,
- `packs_of`: m, if m of them follow each other in every epoch,
- `classes`: name -> number of images; empty if labels are not used,
- `names`: a digest of the files' names and sizes,
- `standardisation`: mean and standard deviation of each channel, where networks see other numbers than are stored,
- `contents`: a digest of their bytes (see data/identity.py), or of pixels and labels,
- `spread`: a digest of more bytes of files that hold pixels as they are, where `contents` is of a few of them,
- `labels`: a digest of the labels in the order of the files, where these come beside the images,
- `low`, `source`, `held_out`, `validation`: the same of further files, from `images` on,
- `earlier`: identities of what the run was trained on before it was continued on these data.

Imports no torch.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from saddlepoint.errors import RequestError

ASSUMED = "assumed"  # key that marks an identity that a run did not record, and that was taken from elsewhere

ONLY_MEASURED = ("held_out", "validation")  # images that are measured with, and not learnt from

LATER = ("spread", "labels")  # keys that runs of earlier versions lack

NO_IMAGES = ("name", "earlier", ASSUMED)  # keys that say nothing about the images

Identity = Mapping[str, Any]


def digest(identity: Identity) -> str:
    """Returns a SHA-256 in hex that is equal for runs that learnt from the same images, and only for them."""
    learnt_from = {key: value for key, value in identity.items() if key not in (*ONLY_MEASURED, *NO_IMAGES)}
    earlier = [digest(each) for each in identity.get("earlier", ())]
    return hashlib.sha256(json.dumps([learnt_from, earlier], sort_keys=True).encode()).hexdigest()


def refuse_other_classes(before: Iterable[str], now: Iterable[str], where: str) -> None:
    """Raises a RequestError if the data at `where` have other classes than a run was trained on.

    A label is the number of a class, so the run's labels would get other names.
    """
    before, now = list(before), list(now)
    if before and now and before != now:
        names_before, names_now = (f"{', '.join(names[:10])}{', ...' if len(names) > 10 else ''}"
                                   for names in _differing_names(before, now))
        raise RequestError(f"This run was trained on other classes than {where} has: {names_before} there, "
                           f"{names_now} here. Name the folder with the run's own classes (data.root=FOLDER), or "
                           "start another run")


def _differing_names(before: list[str], now: list[str]) -> tuple[list[str], list[str]]:
    """Returns for both the names that the other lacks; all names, if either has no such name."""
    differing = [name for name in before if name not in now], [name for name in now if name not in before]
    return differing if all(differing) else (before, now)


def changes(before: Identity | None, now: Identity) -> str:
    """Returns a phrase that says how the data `now` differ from those that a run was trained on; an empty text if they
    are the same, or if the run's are not known."""
    if not before:
        return ""
    phrases = [_change(before, now, now.get("kind", "images")), _counts(before["classes"], now["classes"])]
    if before.get("standardisation") != now.get("standardisation"):
        phrases.append("another mean or standard deviation")
    for part, name in {"low": "low-resolution files", "source": "source images", "held_out": "held-out images",
                       "validation": "validation images"}.items():
        one, other = before.get(part), now.get(part)
        if one and other:
            phrases.append(_change(one, other, name))
        elif one or other:
            phrases.append(f"{name} where there were none" if other else f"no {name} any more")
    return "; ".join(filter(None, phrases))


def _change(before: Identity, now: Identity, kind: str) -> str:
    if before["images"] != now["images"]:
        return f"{now['images']:,} {kind} instead of {before['images']:,}"
    if before.get("names") != now.get("names"):
        return f"{now['images']:,} {kind} as before, of other names or sizes"
    same_names = " of the same names" if "names" in now else ""
    if before["contents"] != now["contents"] or _both_have_other("spread", before, now):
        return f"{kind}{same_names} with other contents"
    return f"{kind} as before with other labels" if _both_have_other("labels", before, now) else ""


def _both_have_other(key: str, before: Identity, now: Identity) -> bool:
    return key in before and key in now and before[key] != now[key]


def _counts(before: Mapping[str, int], now: Mapping[str, int]) -> str:
    phrases = [f"{count:,} of {name} instead of {before[name]:,}" for name, count in now.items()
               if before.get(name, count) != count]
    return ", ".join(phrases[:5]) + (", ..." if len(phrases) > 5 else "")


def classes_of(saved: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the names of the classes that a checkpoint's run was trained on; empty if there were none or they are not
    known. Checkpoints of earlier versions have no identity, and the names alone."""
    return tuple((saved.get("data") or {}).get("classes", saved.get("class_names", ())))


def continued_identity(before: Identity | None, now: dict[str, Any]) -> dict[str, Any]:
    """Returns the identity of a run that began on the data `before` and is continued on `now`.

    Data that it learnt from before are listed as `earlier`. If `before` is not known, the run counts as trained on
    `now` from its beginning, and the identity is marked as assumed.
    """
    if not before:
        return now | {ASSUMED: True}
    now = now | ({ASSUMED: True} if before.get(ASSUMED) else {})
    earlier = list(before.get("earlier", ()))
    past = {key: value for key, value in before.items() if key != "earlier"}
    earlier += [past] if digest(past) != digest(_as_recorded_in(past, now)) else []
    return now | ({"earlier": earlier} if earlier else {})


def completed(identity: Identity, others: Iterable[Identity]) -> Identity:
    """Returns the identity with what an earlier version did not record: that of the only one among the others which is
    equal in all else. Returns it as it is if there is none, or if there are several."""
    more = {digest(other): other for other in others if digest(_as_recorded_in(identity, other)) == digest(identity)}
    more.pop(digest(identity), None)
    return _with_later_keys(identity, next(iter(more.values()))) if len(more) == 1 else identity


def _with_later_keys(past: Identity, other: Identity) -> dict[str, Any]:
    """Returns an identity with what an earlier version did not record, as another has it."""
    whole = dict(past)
    for key, value in other.items():
        if key in LATER:
            whole.setdefault(key, value)
        elif isinstance(value, Mapping) and isinstance(past.get(key), Mapping):
            whole[key] = _with_later_keys(past[key], value)
    return whole


def _as_recorded_in(past: Identity, now: Identity) -> dict[str, Any]:
    """Returns the identity `now` without what an earlier version did not record in `past`."""
    return {key: _as_recorded_in(past[key], value) if isinstance(value, Mapping) and isinstance(past.get(key), Mapping)
            else value for key, value in now.items() if key not in LATER or key in past}
