"""One checkpoint under the protocol of every published table (evaluate.py protocol=NAME); a Markdown table.

    python benchmarks/protocols.py run=RUN

Inception and DINOv2 take weights that are not everywhere, so extractors that come with the package stand in their
place: random, which enlarges images to 64 x 64 as Inception does to 299 x 299, for the distance; digits for the
Inception Score. RUN is a run on digits with test images (data=mnist5k data.held_out=1000) and BatchNorm in its
generator. Numbers of images, split, way of resizing, statistics of BatchNorm, quantisation and splits are as each
protocol has them.
"""

import contextlib
import sys
import tempfile
from pathlib import Path

from _arguments import read_arguments

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import saddlepoint  # noqa: E402
from saddlepoint.config.folders import options  # noqa: E402
from saddlepoint.metrics.published_protocol import PublishedProtocol  # noqa: E402

AS_IN_TRAINING = "none: as evaluate.py does"
OF_OTHER_EXTRACTORS = ("extractor.size", "extractor.scale")  # of a protocol's own extractor, which the stand-ins lack
DEFAULTS = {"num_fake": 10_000, "split": "train", "quantisation": "rounded", "batchnorm": "running"}


def measured(run: str, name: str | None, extractor: str, metrics: list[str]) -> dict[str, float | None]:
    """Returns the values of these metrics by name, e.g. fid_digits."""
    fixes = {} if name is None else PublishedProtocol(name).fixes
    settings = {path: value for path, value in fixes.items() if path not in OF_OTHER_EXTRACTORS}
    if extractor == "random":
        settings["extractor.image_size"] = 64
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        return saddlepoint.evaluate(run=run, extractor=extractor, metric=metrics, resamples=0, device="cpu",
                                    output=Path(folder, "values.json"), **settings)


def main() -> None:
    run = read_arguments({"run": ""})["run"]
    if not run:
        sys.exit("Type run=RUN with the directory of a run")
    print("| protocol | fakes | split | resizing | 8 bits | BatchNorm | `fid_random` | `fid_digits` | "
          "`is_digits` |\n"
          "|---|---|---|---|---|---|---|---|---|")
    for name in (None, *options("protocol")):
        fixes = DEFAULTS | (PublishedProtocol(name).fixes if name else {})
        distance = measured(run, name, "random", ["fid"])
        score = measured(run, name, "digits", ["fid", "is"])
        way = fixes.get("extractor.interpolation", "bilinear_antialiased")
        chosen = [f"{fixes['num_fake']:,}", fixes["split"], way, fixes["quantisation"], fixes["batchnorm"]]
        found = [f"{distance['fid_random']:.4f}", f"{score['fid_digits']:.3f}", f"{score['is_digits']:.3f}"]
        print(f"| {' | '.join([name or AS_IN_TRAINING, *chosen, *found])} |", flush=True)


if __name__ == "__main__":
    main()
