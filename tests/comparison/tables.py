"""Tables of made runs, and what is said under them."""

from saddlepoint.comparison.notes import notes
from saddlepoint.comparison.table import Question
from saddlepoint.comparison.tabulating import tabulate
from saddlepoint.runs.gathering import gather
from tests.runs.made_runs import make_run, score

R1 = {"trick": ["r1"]}


def table(path, published=(), **asked):
    return tabulate(gather([path]).runs, Question(**asked), published)


def said(path, **asked) -> str:
    gathered = gather([path])
    return "\n".join(notes(tabulate(gathered.runs, Question(**asked)), gathered))


def means(of) -> list[list[float | None]]:
    return [[cell and cell.summary.mean for cell in row.cells] for row in of.rows]


def seeded(path, values, images=48000, protocol=None, first_seed=0, **more):
    for seed, value in enumerate(values, first_seed):
        make_run(path / f"{path.name}{seed}", score(value=value, images=images, **(protocol or {})), seed=seed,
                 images=images, **more)
