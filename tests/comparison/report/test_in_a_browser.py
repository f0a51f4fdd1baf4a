"""The page as Chromium draws it, where that is installed."""

import html
import re
import shutil
import subprocess

import pytest

from saddlepoint.comparison.report.writing import write_page
from tests.runs.made_runs import make_run, score

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EVIL = "<script>alert(1)</script>"


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_charts_are_drawn_and_a_single_point_is_seen(tmp_path):
    points = [{"images_seen": 1000 * moment, "discriminator/total": 1.0, "generator/total": 2.0,
               "quality/fid_digits": 487.3 / moment} for moment in (1, 2, 3)]
    make_run(tmp_path / "a", score(value=100.0, images=3000), curve=points, images=3000)
    make_run(tmp_path / "b", score(value=487.3, images=1000), curve=points[:1], images=1000, loss___target_=EVIL,
             choices={"loss": EVIL})
    page = write_page(tmp_path)
    shown = subprocess.run([CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,4000",
                            "--virtual-time-budget=20000", "--dump-dom", page.as_uri()], capture_output=True, text=True,
                           timeout=120).stdout
    body = shown[shown.rindex("</head>"):]
    assert body.count('class="main-svg"') >= 3 * 3  # Plotly has three pictures to a chart
    names = [html.unescape(name) for name in re.findall(r'class="legendtext"[^>]*>([^<]*)<', body)]
    assert {"#1 loss=nonsaturating", f"#2 loss={EVIL}", "discriminator", "generator"} <= {*names}
    assert body.count(">487.3</text>") == 1  # beside the lone point of run b
