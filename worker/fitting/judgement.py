"""
How the written model does on contacts that nothing was learned from, beside others, all judged alike.

Two questions. At fixed ages: of the contacts that are still open, which would one call first? And in operation: whom would the model
have told sales of by itself, until the outcome was certain?
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from worker.fitting.features import rows_of
from worker.fitting.intervals import Standing, standings
from worker.fitting.judging import Decile, deciles
from worker.fitting.looks import judged_contacts, looks_at
from worker.fitting.problems import NothingToLearnError
from worker.fitting.running import peak_of, scores_at, told_at, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worker.fitting.features import Feature
    from worker.fitting.looks import Judged, Look, Question
    from worker.fitting.proposal import Proposal
    from worker.fitting.regression import Fitted
    from worker.fitting.timelines import Timelines
    from worker.scoring.model import Model

COUNT = "event count"
UNROUNDED = "regression, not rounded"
EVERYTHING = "regression, all candidates"


@dataclass(frozen=True, slots=True)
class Slice:
    """What is judged and how."""

    from_ms: int  # contacts whose first event is at or after it
    until_ms: int  # nothing after it is known
    share: float  # of the contacts that are leads, the same for every contender
    draws: int = 1_000
    seed: int = 1


class AtAge(NamedTuple):
    """The contenders on the contacts that are undecided at one age."""

    age_ms: int
    only_open: bool  # without those whose matter is lost already
    contacts: int
    reached: int  # contacts at or above the fitted model's own threshold
    reached_won: int  # of these, won
    standings: Mapping[str, Standing]


class Operated(NamedTuple):
    """What a model would have told sales."""

    told: int
    right: int  # of these, won
    lead_days: float | None  # median days from being told until the outcome was certain, over winners; None without any


@dataclass(frozen=True, slots=True)
class Judgement:
    """All figures of a slice."""

    contacts: int
    won: int
    unresolved: int  # neither certain nor decided by the end of their time to answer in; they count as not won
    at_ages: Sequence[AtAge]
    operated: Mapping[str, Operated]
    peaks: Sequence[
        Mapping[str, Standing]
    ]  # by the highest score in operation, for as many leads as each model told of
    calibration: Sequence[Decile]


def judge(timelines: Timelines, proposal: Proposal, models: Mapping[str, Model], part: Slice) -> Judgement:
    """
    Return how *models* do on a later slice, the first of them being the proposed one, beside fixed baselines.

    Raises:
        NothingToLearnError: nobody in the slice has an outcome that is known.
    """
    question = proposal.plan.question
    judged = judged_contacts(timelines.contacts, question, part.from_ms, part.until_ms)
    if not judged:
        raise NothingToLearnError(
            "the later slice has no contact whose time to answer in is over: judge from an earlier instant"
        )
    looks = looks_at(judged, question)
    scores = {name: scores_at(model, looks) for name, model in models.items()}
    regressions = proposal.regressions
    contenders = scores | {
        COUNT: [float(sum(not one.is_machine for one in look.timeline.until(look.at_ms))) for look in looks],
        UNROUNDED: _log_odds(regressions.features, regressions.kept, looks),
        EVERYTHING: _log_odds(regressions.all_features, regressions.all, looks),
    }
    views = (True, False) if question.lost else (True,)
    at_ages = [
        _at_age(looks, contenders, proposal.threshold, part, age_ms, only_open=only_open)
        for only_open in views
        for age_ms in question.ages_ms
    ]
    first = next(iter(models))
    open_places = [place for place, look in enumerate(looks) if look.is_open]
    of_fit = [scores[first][place] for place in open_places]
    operated, peaks = _operated(judged, models, question, part)
    return Judgement(
        len(judged),
        sum(one.won for one in judged),
        sum(_is_unresolved(one, question) for one in judged),
        at_ages,
        operated,
        peaks,
        deciles(of_fit, list(map(proposal.scorecard.chance, of_fit)), [looks[place].won for place in open_places]),
    )


def _log_odds(features: Sequence[Feature], fitted: Fitted, looks: Sequence[Look]) -> list[float]:
    return [
        fitted.intercept + sum(one * value for one, value in zip(fitted.coefficients, row, strict=True))
        for row in rows_of(features, looks)
    ]


def _at_age(
    looks: Sequence[Look],
    contenders: Mapping[str, Sequence[float]],
    threshold: int,
    part: Slice,
    age_ms: int,
    *,
    only_open: bool,
) -> AtAge:
    places = [place for place, look in enumerate(looks) if look.age_ms == age_ms and (look.is_open or not only_open)]
    won = [looks[place].won for place in places]
    chosen = {name: [scores[place] for place in places] for name, scores in contenders.items()}
    reached = [
        is_won for score, is_won in zip(next(iter(chosen.values())), won, strict=True) if score + 1e-9 >= threshold
    ]
    standing = standings(chosen, won, part.share, part.draws, part.seed)
    return AtAge(age_ms, only_open, len(places), len(reached), sum(reached), standing)


def _operated(
    judged: Sequence[Judged], models: Mapping[str, Model], question: Question, part: Slice
) -> tuple[dict[str, Operated], list[dict[str, Standing]]]:
    operated = {}
    for name, model in models.items():
        told = [(one, at_ms) for one in judged if (at_ms := told_at(model, one, question.within_ms)) is not None]
        days = [(one.cut_ms - at_ms) / 86_400_000 for one, at_ms in told if one.won and one.cut_ms is not None]
        operated[name] = Operated(len(told), sum(one.won for one, _ in told), median(days) if days else None)
    peaks = {name: [peak_of(model, one, question.within_ms) for one in judged] for name, model in models.items()}
    peaks[COUNT] = [float(len(visible(one, question.within_ms))) for one in judged]
    won = [one.won for one in judged]
    volumes = sorted({one.told for one in operated.values() if one.told})
    return operated, [standings(peaks, won, told / len(judged), part.draws, part.seed) for told in volumes]


def _is_unresolved(one: Judged, question: Question) -> bool:
    last_ms = one.timeline.first_ms + question.within_ms
    if one.cut_ms is not None and one.cut_ms <= last_ms:
        return False
    return not any(happening.type in question.lost for happening in one.timeline.until(last_ms))
