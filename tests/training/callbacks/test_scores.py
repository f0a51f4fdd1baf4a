"""What metrics.json holds of scores whose protocol changes in a run."""

import json

from saddlepoint.training.callbacks.scores import write_scores
from tests.runs.made_runs import score


def test_a_score_says_from_where_its_protocol_holds_if_it_was_another(tmp_path):
    def measured(images, **protocol):
        write_scores(tmp_path, {"metrics": [score(images=images, settings={"sizes": (1, 2)}, **protocol)]})
        return json.loads((tmp_path / "metrics.json").read_text())["metrics"][0].get("protocol_since")

    assert [measured(100), measured(200, revision="later", seed=1)] == [None, None]
    content = json.loads((tmp_path / "metrics.json").read_text())
    del content["metrics"][0]["protocol"]["quantisation"]  # as an earlier version wrote it
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    assert measured(250, revision="later") is None
    assert [measured(300, num_fake=9), measured(400, num_fake=9), measured(500, num_fake=8)] == [300, 300, 500]
