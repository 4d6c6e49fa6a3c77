"""
A proposed model on the recorded history of a bank, beside a hand-written one and fixed baselines; prints the table.

    python -m tests.support.fit_evaluation [FILE]

Learned from the first three months, judged on the last two. Every choice stands here, none is made by what was judged. FILE, if
named, gets the model. The hand-written model is older than any fit: its commit is printed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.recorded import LOANS, ROOT, recorded_file
from worker.contracts.instants import MS_PER_DAY, format_instant, parse_instant
from worker.fitting.judgement import Judgement, Slice, judge
from worker.fitting.looks import Question, judged_contacts
from worker.fitting.precursors import suspects
from worker.fitting.proposal import Plan, Proposal, propose_model
from worker.fitting.report import Grid, grids, judgement_notes
from worker.fitting.threshold import Target
from worker.fitting.timelines import Timelines, read_timelines
from worker.lines import read_lines
from worker.memory import calm_garbage_collector
from worker.scoring.model_file import load_model, parse_model

QUESTION = Question(
    outcome="application.activated",
    leave_out=frozenset({"application.approved", "application.registered"}),
    lost=frozenset({"application.declined", "application.cancelled"}),
    within_ms=30 * MS_PER_DAY,
    ages_ms=tuple(days * MS_PER_DAY for days in (1, 3, 7, 14)),
)
TRAIN_UNTIL = parse_instant("2012-01-01T00:00:00Z")  # three months after the first event, 2011-09-30
JUDGE_FROM = parse_instant("2012-01-14T15:04:54.681Z")  # two months before the last one
SHARE = 0.2  # of the contacts are leads
DRAWS = 1_000
SEED = 1
PLAN = Plan(QUESTION, TRAIN_UNTIL, Target(volume=SHARE), name="bpi-fit", seed=SEED, ignored=frozenset({"seq"}))


def evaluate() -> tuple[Timelines, Proposal, Judgement]:
    """Return the history, the model proposed from its beginning, and how it does on its end. Needs scikit-learn; two minutes."""
    timelines = read_timelines(read_lines(recorded_file()))
    calm_garbage_collector()
    proposal = propose_model(timelines, PLAN, _tell)
    models = {"bpi-fit": parse_model(proposal.text()), "bpi-loans": load_model(str(LOANS))}
    judgement = judge(timelines, proposal, models, Slice(JUDGE_FROM, timelines.last_ms, SHARE, DRAWS, SEED))
    return timelines, proposal, judgement


def main() -> None:
    """Print everything as Markdown; progress goes to standard error."""
    timelines, proposal, judgement = evaluate()
    print("\n".join(_setting(timelines, proposal, judgement)))
    for grid in grids(judgement, SHARE):
        print("\n".join(_markdown(grid)))
    if len(sys.argv) > 1:
        notes = judgement_notes(judgement, SHARE, format_instant(JUDGE_FROM)[:10])
        Path(sys.argv[1]).write_text(proposal.text(notes), "utf-8")


def _setting(timelines: Timelines, proposal: Proposal, judgement: Judgement) -> list[str]:
    total = len(timelines.contacts)
    train_end, judge_end = TRAIN_UNTIL - QUESTION.within_ms, timelines.last_ms - QUESTION.within_ms
    between = sum(train_end < one.first_ms < JUDGE_FROM for one in timelines.contacts)
    censored = sum(one.first_ms > judge_end for one in timelines.contacts)
    in_between = sum(TRAIN_UNTIL < seen.at_ms < JUDGE_FROM for one in timelines.contacts for seen in one.happenings)
    late = sum(
        one.cut_ms is not None and one.cut_ms > one.timeline.first_ms + QUESTION.within_ms
        for one in judged_contacts(timelines.contacts, QUESTION, JUDGE_FROM, timelines.last_ms)
    )
    hidden = ", ".join(one.type for one in suspects(timelines.contacts, QUESTION, TRAIN_UNTIL)) or "none"
    half_life = (
        "no points that fade tried"
        if proposal.half_life_ms is None
        else f"half-life of those that fade {proposal.half_life_ms // MS_PER_DAY} d"
    )
    began, ended, trained = map(format_instant, (timelines.first_ms, timelines.last_ms, TRAIN_UNTIL))
    texts = [
        f"{total:,} contacts, {timelines.types.total():,} events, {began} to {ended}",
        f"learned from {len(proposal.learned):,} contacts that began up to {format_instant(train_end)}; no event after {trained} is used",
        f"judged on {judgement.contacts:,} contacts that began {format_instant(JUDGE_FROM)} to {format_instant(judge_end)}",
        f"of these {judgement.won:,} won within 30 d ({judgement.won / judgement.contacts:.1%})",
        f"{judgement.unresolved:,} were undecided after 30 d ({late:,} of them became certain later): they count as not won",
        f"{between:,} contacts began between the two and are in neither; {in_between:,} events lie between the two instants",
        f"{censored:,} contacts began too late for 30 d to be over: left out, whether they won or not",
        f"other types that come with the outcome: {hidden}; no look falls on them, so that no rule names them",
        f"model: {len(proposal.scorecard.lines)} rules, {half_life}, ready at {proposal.threshold}",
        f"hand-written model: tests/models/bpi-loans.yaml, last changed by {_commit()}",
    ]
    return [f"- {text}" for text in texts]


def _commit() -> str:
    """Return the hash and instant of the last commit that touched the hand-written model."""
    command = ["git", "log", "-1", "--format=%h %cI", "--", str(LOANS)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "a commit that is not known here"


def _markdown(grid: Grid) -> list[str]:
    rule = ["---", *["---:"] * (len(grid.heads) - 1)]
    return ["", f"**{grid.title}**", "", *(f"| {' | '.join(row)} |" for row in (grid.heads, rule, *grid.rows))]


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
