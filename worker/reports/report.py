"""All that is reported of one replay, put together once for text, JSON, CSV and HTML."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.export import folds_as_of
from worker.reports.crossings import Crossing, Period, count_kinds, first_ready, periods
from worker.reports.diff import Diff, Side, compare
from worker.reports.distribution import Distribution, distribution
from worker.reports.outcome import Outcome, Watcher, judge
from worker.reports.rules import RuleLine, rule_lines
from worker.scoring.qualification import is_held

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worker.export import ScoreLine
    from worker.replay import Refused, Replay
    from worker.scoring.model import Model


@dataclass(frozen=True, slots=True)
class ModelReport:
    """One model over the history."""

    title: str  # name and version, and where two would read the same the beginning of the digest
    model: Model
    lines: Sequence[ScoreLine]  # in byte order of contact ids
    transitions: Sequence[bytes]  # encoded, in the order told
    ready: Mapping[str, Crossing]  # the first of each contact
    kinds: Counter[str]  # transitions of each kind
    distribution: Distribution
    rules: Sequence[RuleLine]  # empty when not asked for
    weeks: int  # in one period
    periods: Sequence[Period]
    outcome: Outcome | None  # None when none was asked for
    held: int | None  # contacts that are open for lack of required data alone; None where the model requires none

    @property
    def ready_now(self) -> int:
        """Contacts that sales holds for ready at the end."""
        return sum(line.latch == "ready" for line in self.lines)

    @property
    def tiers(self) -> dict[str, int]:
        """Contacts in each tier, highest first."""
        counted = Counter(line.tier for line in self.lines)
        return {tier.name: counted[tier.name] for tier in reversed(self.model.tiers)}


@dataclass(frozen=True, slots=True)
class Report:
    """One history under one or more models. Nothing in it is empty: a history without events has no report."""

    sources: Sequence[str]  # names of files or topics, without their folders
    as_of_ms: int
    counts: Counter[tuple[str, str]]
    refused: Sequence[Refused]
    models: Sequence[ModelReport]
    other: ModelReport | None  # what the first of *models* is compared with
    diff: Diff | None
    unseen_outcome: tuple[str, ...] | None  # types there were instead, when the outcome asked for never happened

    @property
    def refusals(self) -> Counter[str]:
        """Lines that hold no event, by code."""
        return Counter(refused.code for refused in self.refused)


def make_report(
    models: Sequence[Model],
    replay: Replay,
    *,
    sources: Sequence[str] = (),
    other: tuple[Model, Replay] | None = None,
    happened: Watcher | None = None,
    with_rules: bool = True,
) -> Report:
    """
    Put together what *replay* came to under *models*.

    Args:
        models: Those of the replay, in its order.
        replay: What the history came to; it has an instant.
        sources: What the history is called.
        other: The model to compare the first of *models* with, and what the same history came to under it.
        happened: What the events of the history said of the outcome to judge by.
        with_rules: Whether to ask what each rule gave, which takes a tenth of the time of the replay.

    Raises:
        ValueError: The history holds no event.
    """
    if replay.as_of_ms is None:
        raise ValueError("a history without events has no report")
    erased = _erased(replay)  # the same under every model: it does not depend on what they look at
    titles = _titles([*models, *([] if other is None else [other[0]])])
    reports = [
        _model_report(titles[index], model, index, replay, happened, erased, with_rules=with_rules)
        for index, model in enumerate(models)
    ]
    beside, diff = None, None
    if other is not None:
        beside = _model_report(titles[-1], other[0], 0, other[1], happened, erased, with_rules=with_rules)
        this, that = (Side(one.model, one.lines, one.ready) for one in (reports[0], beside))
        diff = compare(this, that, erased)
    is_unseen = happened is not None and not any(known.won_ms is not None for known in happened.contacts.values())
    return Report(
        sources=tuple(sources),
        as_of_ms=replay.as_of_ms,
        counts=replay.counts,
        refused=replay.refused,
        models=reports,
        other=beside,
        diff=diff,
        unseen_outcome=tuple(sorted(happened.types)) if happened is not None and is_unseen else None,
    )


def _model_report(
    title: str,
    model: Model,
    index: int,
    replay: Replay,
    happened: Watcher | None,
    erased: set[str],
    *,
    with_rules: bool,
) -> ModelReport:
    lines, transitions = replay.scores[model.name], replay.transitions[model.name]
    ready = first_ready(transitions, replay.places[model.name])
    weeks, found = periods(transitions)
    return ModelReport(
        title=title,
        model=model,
        lines=lines,
        transitions=transitions,
        ready=ready,
        kinds=count_kinds(transitions),
        distribution=distribution(lines),
        rules=rule_lines(replay.contacts, model, index, replay.as_of_ms or 0) if with_rules else (),
        weeks=weeks,
        periods=found,
        outcome=None if happened is None else judge(happened, ready, erased),
        held=_held(replay, model, index),
    )


def _held(replay: Replay, model: Model, index: int) -> int | None:
    if model.qualify is None or not model.qualify.require:
        return None
    as_of_ms = replay.as_of_ms or 0
    found = folds_as_of(replay.contacts, model, index, as_of_ms)
    return sum(is_held(model, fold, state.latch, as_of_ms) for _, state, fold in found)


def _titles(models: Sequence[Model]) -> list[str]:
    titles = [f"{model.name} version {model.version}" for model in models]
    if len({*titles}) == len(titles):
        return titles
    return [f"{title} ({model.digest[:8]})" for title, model in zip(titles, models, strict=True)]


def _erased(replay: Replay) -> set[str]:
    """Return the contacts that asked to be forgotten at some point of the history."""
    return {key.decode() for key, contact in replay.contacts if contact.erased_ms is not None}
