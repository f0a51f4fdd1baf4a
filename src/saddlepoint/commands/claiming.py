"""Finds and makes the runs of claims and published tables, keeps what they came to, and writes the two pages."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

from saddlepoint.claims.claim import Claim, read_claims
from saddlepoint.claims.claims_page import claims_page
from saddlepoint.claims.collecting import find_results, find_runs
from saddlepoint.claims.commitments import Commitments, refuse_changed_code
from saddlepoint.claims.deciding import Decision, decide
from saddlepoint.claims.measures import Measure
from saddlepoint.claims.measuring import measure
from saddlepoint.claims.recipes import change
from saddlepoint.claims.repeated_rows import repeated
from saddlepoint.claims.reproduction import PAGE, Length, named, read_reproductions
from saddlepoint.claims.reproductions_page import reproductions_page
from saddlepoint.claims.results import (
    RUNNING,
    Result,
    code_refusal,
    first_of_each_seed,
    merged,
    read_results,
    write_results,
)
from saddlepoint.claims.running import make, missing
from saddlepoint.claims.study_page import study_page
from saddlepoint.claims.typed_words import Words, effective, of_recipe
from saddlepoint.comparison.published_tables import read_tables
from saddlepoint.comparison.report.writing import published_file, write
from saddlepoint.config.rules import nearest
from saddlepoint.config.typed_paths import expanded
from saddlepoint.errors import RequestError, Stopped
from saddlepoint.files.outputs import refusing_unwritable

CHECKOUT = Path(__file__).parents[3]
WRITTEN = "has written this page"  # in every page
MOST_NAMED = 20  # runs that are refused, in words


def decide_and_repeat(settings: Mapping[str, Any]) -> None:
    """Does what conf/claims.yaml says. Raises the end of the sweep where not all runs were made."""
    registry = Registry(settings)
    commitments = Commitments(registry.places["claims"])
    commitments.refuse_uncommitted(registry.claims)
    chosen, lengths = registry.chosen(settings["only"])
    results = registry.collected()
    end = None
    if settings["train"]:
        wanted = registry.missing(chosen, lengths, results, commitments)
        if wanted:
            end = make(wanted, registry.places["runs"], settings["jobs_at_once"], settings["again"])
        if not isinstance(end, Stopped):
            measure(find_runs(registry.places["runs"], measures_of(chosen)))
    with registry.alone():
        results = registry.collected()
        decisions = [decide(claim, counting(claim, results, commitments)) for claim in registry.claims]
        registry.write(decisions, results, commitments)
    if end:
        raise end


class Registry:
    """The claims and reproductions of a checkout, where their runs and results are, and where pages go."""

    def __init__(self, settings: Mapping[str, Any]):
        claims = expanded(settings["claims"], "claims") if settings["claims"] else CHECKOUT / "claims"
        around = claims.absolute().parent  # results and pages of other claims would replace those of the checkout's
        self.places = {"claims": claims} | {
            name: expanded(settings[name], name) if settings[name] else default for name, default in {
                "reproductions": around / "reproductions", "runs": around / "runs" / "claims",
                "results": claims / "results.jsonl", "pages": around / "docs"}.items()}
        if not self.places["claims"].is_dir():
            raise RequestError(f"claims={self.places['claims']} is no folder: name that of a checkout, whose git "
                               "history says when thresholds were committed")
        if settings["reproductions"] and not self.places["reproductions"].is_dir():
            raise RequestError(f"reproductions={self.places['reproductions']} is no folder: name that of a checkout, "
                               "or leave reproductions= out")
        self.changed: list[tuple[Result, str]] = []
        self.claims = read_claims(self.places["claims"])
        self.reproductions = read_reproductions(self.places["reproductions"], read_tables(published_file()))
        self.refuse_foreign_pages()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Lets no other command write the results meanwhile, as what it had found since would be lost."""
        path = self.places["results"]
        with refusing_unwritable(f"results={path}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout:
                print(f"another command is writing {path}: waiting for it", file=sys.stderr)
                lock.acquire()
        try:
            yield
        finally:
            try:
                Path(lock.lock_file).unlink(missing_ok=True)  # before others may lock it, as in RunDirectory.close
            finally:
                lock.release()

    def refuse_foreign_pages(self) -> None:
        """Raises a RequestError for a page that is there and that this command has not written."""
        for name in {"claims", *(each.page for each in self.reproductions)}:
            path = self.places["pages"] / f"{name}.md"
            if path.is_file() and WRITTEN not in path.read_text(encoding="utf-8", errors="replace"):
                raise RequestError(f"page={name} is {path}, which this command has not written: type another name in "
                                   "the yaml file, or another pages=")

    def chosen(self, only: Sequence[str] | None) -> tuple[list[Claim], list[Length]]:
        """Returns the claims and the lengths of reproductions whose runs are to be made: those named in `only`, else
        all claims. Raises a RequestError for a name that there is not."""
        if only is None:
            return self.claims, []
        lengths, claims = named(self.reproductions), {claim.name: claim for claim in self.claims}
        for name in only:
            if name not in claims and name not in lengths:
                there = [*claims, *lengths]
                raise RequestError(f"only={name} is neither a claim nor a reproduction{nearest(name, there)} (there "
                                   f"are {', '.join(there)})")
        return ([claim for name, claim in claims.items() if name in only],
                [length for name in only for length in lengths.get(name, ())])

    def measures(self) -> dict[Words, list[Measure]]:
        """Returns effective words -> what is read of a run with them."""
        found = measures_of(self.claims)
        for each in self.reproductions:
            for length in each.lengths:
                for row in length.rows:
                    found.setdefault(effective(row.words), []).extend(length.measures)
        return found

    def collected(self) -> list[Result]:
        """Returns what the runs of the results file and of the folder of runs came to, without those whose words make
        another recipe today, which `changed` has with the reason."""
        every = merged(read_results(self.places["results"]), find_results(self.places["runs"], self.measures()))
        self.changed = [(each, why) for each in every if (why := change(each))]
        outdated = {each.order for each, _ in self.changed}
        return [each for each in every if each.order not in outdated]

    def unread(self) -> list[Result]:
        """Returns what the results file has of runs that no claim and no row has: they may be of other files than those
        that are read this time."""
        asked = {(effective(arm.words), seed) for claim in self.claims for arm in claim.arms
                 for seed in range(claim.seeds)}
        of_rows = {(of_recipe(row.words), seed) for each in self.reproductions for length in each.lengths
                   for row in length.rows for seed in range(row.seeds)}
        return [each for each in read_results(self.places["results"]) if (each.words, each.seed) not in asked
                and (of_recipe(each.words), each.seed) not in of_rows]

    def missing(self, claims: Sequence[Claim], lengths: Sequence[Length], results: Sequence[Result],
                commitments: Commitments) -> list[tuple[Words, int]]:
        """Returns words and seed of the runs to be made, those of several claims once. Raises a RequestError for a
        claim for which they would not count."""
        wanted = []
        for claim in claims:
            counted = [each for each in results if not commitments.refusal(claim, each)]
            lacking = missing([(arm.words, seed) for arm in claim.arms for seed in range(claim.seeds)], counted, True)
            if lacking:
                commitments.refuse_to_run(claim)
            wanted += lacking
        counted = [each for each in results if not code_refusal(each, installed=True)]
        for length in lengths:
            rows = missing([(row.words, seed) for row in length.rows for seed in range(row.seeds)], counted, False)
            if rows:
                refuse_changed_code(length.title)
            wanted += rows
        return [*{(effective(words), seed): (words, seed) for words, seed in wanted}.values()]

    def write(self, decisions: Sequence[Decision], results: Sequence[Result], commitments: Commitments) -> None:
        """Writes the results that count and both pages, and prints what became of each claim."""
        refused = [f"{' '.join(run.words)}, {_when(run)}: {why}" for run, why in self.changed]
        refused += refusals(self.claims, results, commitments)
        refused += [f"{length.title}, {row.name}, {_when(run)}: {why}" for each in self.reproductions
                    for length in each.lengths for row in length.rows for run in results
                    if of_recipe(run.words) == of_recipe(row.words) and run.seed < row.seeds
                    and (why := code_refusal(run, installed=True))]
        used = [run for each in decisions for run in each.runs.values()]
        used += [run for each in self.reproductions for length in each.lengths for row in repeated(length, results)
                 for run in row.runs.values()]
        counted = [*{each.order: each for each in used}.values()]
        unread = self.unread()
        write_results(self.places["results"], [*counted, *unread])
        pages = {"claims.md": claims_page(decisions)}
        if tables := [each for each in self.reproductions if each.page == PAGE]:
            pages[f"{PAGE}.md"] = reproductions_page(tables, counted)
        pages |= {f"{each.page}.md": study_page(each, counted) for each in self.reproductions if each.page != PAGE}
        for name, text in pages.items():
            write(self.places["pages"] / name, text, "pages")
        if unread:
            print(f"kept: {len(unread)} results of which no claim and no table here asks anything")
        for line in refused[:MOST_NAMED]:
            print(f"refused: {line}")
        if refused[MOST_NAMED:]:
            print(f"refused: {len(refused) - MOST_NAMED} more")
        for each in decisions:
            print(f"{each.claim.number:3} {each.claim.name}: {each.verdict}"
                  + (f", {each.missing} runs missing" if each.missing else ""))
        if under_way := sum(each.state == RUNNING for each in results):
            print(f"{under_way} runs are being made by other processes, or say so")
        verdicts = Counter(each.verdict for each in decisions)
        print("; ".join(f"{count} {verdict}" for verdict, count in verdicts.items()), end=". ")
        print(", ".join(str(self.places["pages"] / name) for name in pages))


def measures_of(claims: Sequence[Claim]) -> dict[Words, list[Measure]]:
    """Returns effective words -> what claims read of a run with them."""
    found: dict[Words, list[Measure]] = {}
    for claim in claims:
        for arm in claim.arms:
            found.setdefault(effective(arm.words), []).append(arm.measure)
    return found


def counting(claim: Claim, results: Sequence[Result], commitments: Commitments) -> dict[tuple[str, int], Result]:
    """Returns arm and seed -> the run that counts for a claim."""
    runs = {}
    for arm in claim.arms:
        words = effective(arm.words)
        same = [each for each in results if each.words == words and each.seed < claim.seeds
                and not commitments.refusal(claim, each)]
        runs |= {(arm.name, seed): run for seed, run in first_of_each_seed(same).items()}
    return runs


def refusals(claims: Sequence[Claim], results: Sequence[Result], commitments: Commitments) -> list[str]:
    """Returns a sentence for each run that has the words of a claim and does not count for it, with the reason."""
    return [f"{claim.name}, {arm.name}, {_when(run)}: {why}"
            for claim in claims for arm in claim.arms for run in results
            if run.words == effective(arm.words) and run.seed < claim.seeds
            and (why := commitments.refusal(claim, run))]


def _when(run: Result) -> str:
    return f"seed {run.seed} of {run.started or 'an unknown time'}"
