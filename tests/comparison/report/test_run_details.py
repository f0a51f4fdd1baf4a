"""What the page says of single runs."""

import pytest

from saddlepoint.comparison.report.run_details import score_text
from saddlepoint.runs.record import Score


@pytest.mark.parametrize(("name", "words"), [
    ("fid_digits", "0.5 (0.4 to 0.6, 95 % over fakes)"), ("precision_digits", "0.5 (0.4 to 0.6, 95 % over fakes)"),
    ("recall_digits", "0.5 (0.4 to 0.6, 95 %)"), ("coverage_digits/short", "0.5 (0.4 to 0.6, 95 %)")])
def test_an_interval_says_over_what_it_is(name, words):
    assert score_text(Score(name, 0.5, (0.4, 0.6), None, {})) == words
