"""Verdicts for people: what was expected, what was, and why the score is what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from worker.cases.wording import explanation_lines, transition_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from worker.cases.judging import Failure, Verdict
    from worker.scoring.model import Model


class Suite(NamedTuple):
    """The verdicts on the cases of one file, which are about *model*."""

    model: Model
    where: str  # the cases file
    verdicts: Sequence[Verdict]

    @property
    def failed(self) -> int:
        """Cases that do not hold."""
        return sum(bool(verdict.failures) for verdict in self.verdicts)


def suite_lines(suite: Suite) -> Iterator[str]:
    """Yield one line for *suite*, then what each of its cases that does not hold says."""
    total = len(suite.verdicts)
    result = f"{total} of {total} cases hold" if not suite.failed else f"{suite.failed} of {total} cases do not hold"
    yield f"{suite.model.name} version {suite.model.version}: {result} ({suite.where})"
    for verdict in suite.verdicts:
        if verdict.failures:
            yield ""
            yield from verdict_lines(suite, verdict)
    if suite.failed:
        yield ""


def verdict_lines(suite: Suite, verdict: Verdict) -> Iterator[str]:
    """Yield what a case says that does not hold."""
    yield f"FAIL {verdict.case.name}"
    for failure in verdict.failures:
        yield from failure_lines(suite, failure)


def failure_lines(suite: Suite, failure: Failure) -> Iterator[str]:
    """Yield what differs at one instant, what was told, and the lines that add up to the score there."""
    yield f"  {suite.where}:{failure.line}: at {failure.instant}"
    width = max(len(one.what) for one in failure.differences)
    for one in failure.differences:
        yield f"    {one.what.ljust(width)}  expected  {one.expected}"
        yield f"    {' ' * width}  was       {one.was}"
    outcome = failure.outcome
    if any(one.what.startswith("told") for one in failure.differences):
        yield "    told until then:" if outcome.transitions else "    told until then: nothing"
        for told in outcome.transitions:
            yield f"      {transition_words(told)}"
    yield f"    why the score is what it is (status {outcome.status}):"
    for line in explanation_lines(suite.model, outcome.explanation):
        yield f"      {line}".rstrip()


def suite_json(suite: Suite) -> dict[str, Any]:
    """Return *suite* for programs."""
    return {
        "model": suite.model.name,
        "version": suite.model.version,
        "digest": suite.model.digest,
        "cases_file": suite.where,
        "failed": suite.failed,
        "cases": [
            {
                "case": verdict.case.name,
                "line": verdict.case.line,
                "expectations": verdict.expectations,
                "holds": not verdict.failures,
                "failures": [_failure_json(failure) for failure in verdict.failures],
            }
            for verdict in suite.verdicts
        ],
    }


def _failure_json(failure: Failure) -> dict[str, Any]:
    return {
        "line": failure.line,
        "at_ms": failure.outcome.at_ms,
        "differences": [{"what": one.what, "expected": one.expected, "was": one.was} for one in failure.differences],
        "score": failure.outcome.score,
        "status": failure.outcome.status,
        "transitions": failure.outcome.transitions,
        "lines": [line_json(line) for line in failure.outcome.explanation.lines],
    }


def line_json(line: Any) -> dict[str, Any]:  # noqa: ANN401 - a Line
    """Return a line of an explanation for programs; numbers as they are, not rounded."""
    told: dict[str, Any] = {"name": line.name, "kind": line.kind, "points": line.points}
    if line.kind in ("rule", "pool"):
        told |= {
            "awarded": line.awarded,
            "awards": line.awards,
            "last_ms": line.last_ms,
            "faded": line.faded,
            "taken": line.taken,
            "faded_or_taken": line.faded_or_taken,
            "capped": line.capped,
        }
    if line.expires_ms is not None:
        told["expires_ms"] = line.expires_ms
    return told
