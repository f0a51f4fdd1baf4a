"""Writes the scores of callbacks into metrics.json, and marks those whose protocol has changed."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from saddlepoint.files.json_files import read_json
from saddlepoint.metrics.comparable import differing_fields
from saddlepoint.runs.directory import update_metrics
from saddlepoint.runs.record import PARTS


def write_scores(run: Path, content: Mapping[str, Any]) -> None:
    """Replaces the parts of a run's metrics.json that `content` has, as update_metrics does. A score that was measured
    by another protocol before gets the images seen from which its protocol holds."""
    before = read_json(run / "metrics.json") or {}
    scores = {part: [with_protocol_since(each, before.get(part, ())) for each in content[part]]
              for part in PARTS if part in content}
    update_metrics(run, {**content, **scores})


def with_protocol_since(score: Mapping[str, Any], earlier: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Returns a score with `protocol_since` if its protocol is not that of all points of its name in metrics.csv.
    `earlier`: the scores that metrics.json holds."""
    last = next((each for each in earlier if each["name"] == score["name"]), None)
    if last is None:
        return score
    protocol = json.loads(json.dumps(score["protocol"]))  # with lists for tuples, as that of the file
    known = {name: value for name, value in protocol.items() if name in last["protocol"]}  # earlier versions told less
    since = score["images_seen"] if differing_fields(last["protocol"], known) else last.get("protocol_since")
    return score if since is None else {**score, "protocol_since": since}
