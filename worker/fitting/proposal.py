"""All of it in order: a history and a question in, a written and judged model out. Equal input and seed give equal text."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from worker.contracts.instants import MS_PER_DAY
from worker.fitting.candidates import Limits, propose
from worker.fitting.features import rows_of
from worker.fitting.looks import judged_contacts, looks_at
from worker.fitting.notes import heading_notes
from worker.fitting.problems import NothingToLearnError
from worker.fitting.regression import Fitted, Table, create_table
from worker.fitting.running import peak_of
from worker.fitting.scorecard import Line, Scorecard, evidence_of, points_sum, to_points
from worker.fitting.threshold import Target, choose_threshold
from worker.fitting.writing import Heading, write_model
from worker.scoring.model_file import parse_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from worker.fitting.features import Condition, Feature
    from worker.fitting.looks import Judged, Look, Question
    from worker.fitting.timelines import Timelines

HALF_LIVES_MS = (None, 3 * MS_PER_DAY, 7 * MS_PER_DAY, 14 * MS_PER_DAY, 30 * MS_PER_DAY)
"""How fast points may fade; which it is, unseen folds decide."""
_STRENGTHS = (0.003, 0.01, 0.03, 0.1, 1.0)
_SPARSE_STRENGTHS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.3)
_USUAL_STRENGTH = 0.1
_FOLDS = 5
_ALIKE = 0.95
_LEAST_WINNERS = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What to learn, from which part of the history, and what the model shall be like."""

    question: Question
    train_until_ms: int  # nothing after it is learned from
    target: Target
    name: str = "proposed"
    max_rules: int = 20
    seed: int = 1
    ignored: frozenset[str] = frozenset()


class Regressions(NamedTuple):
    """What the points were rounded from, for comparison; each with the features that it needs."""

    features: tuple[Feature, ...]
    kept: Fitted
    all_features: tuple[Feature, ...]
    all: Fitted


@dataclass(frozen=True, slots=True)
class Proposal:
    """A model, and where it comes from."""

    plan: Plan
    scorecard: Scorecard
    threshold: int
    share: float  # of the contacts learned from that reach the threshold
    half_life_ms: int | None
    regressions: Regressions
    learned: Sequence[Judged] = field(repr=False)
    looks: Sequence[Look] = field(repr=False)

    @property
    def wanted_share(self) -> float:
        """The share of contacts that shall be leads: as asked for, or as the wanted precision allows."""
        volume = self.plan.target.volume
        if volume is None:
            return self.share
        return min(1.0, volume if volume < 1 else volume / len(self.learned))

    def text(self, judgement: Sequence[str] = ()) -> str:
        """Return the model file; *judgement* is added to the comment on top, for how it did on a later slice."""
        notes = heading_notes(self, judgement)
        return write_model(self.scorecard, Heading(self.plan.name, notes, self.threshold, self.plan.question.within_ms))


def propose_model(timelines: Timelines, plan: Plan, tell: Callable[[str], None] = lambda _: None) -> Proposal:
    """
    Return a model for *plan*; *tell* hears what is being done.

    Raises:
        NothingToLearnError: too few contacts or winners, or nothing that tells them apart, or no threshold for the target.
        MissingExtraError: scikit-learn is not installed.
    """
    question = plan.question
    learned = judged_contacts(timelines.contacts, question, timelines.first_ms, plan.train_until_ms)
    looks = looks_at(learned, question)
    _check(timelines, learned, looks, plan)
    tell(f"learning from {len(looks):,} looks at {len({look.timeline.contact_id for look in looks}):,} contacts")
    won = [look.won for look in looks]
    half_life_ms, features, table = _choose_half_life(looks, plan, tell)
    distinct = table.distinct_columns(_ALIKE)
    everything = table.select([column for column, _ in distinct])
    kept = _choose_columns(everything, [features[column].condition for column, _ in distinct], plan.max_rules)
    chosen = everything.select(kept)
    fitted = chosen.fit(_choose_strength(chosen, looks, plan.seed))
    pairs = [distinct[place] for place in kept]
    rows = rows_of([features[column] for column, _ in pairs], looks)
    contacts = [look.timeline.contact_id for look in looks]
    lines = []
    for place, (column, alike) in enumerate(pairs):
        points = to_points(fitted.coefficients[place])
        if points:
            evidence = evidence_of([row[place] for row in rows], won, contacts)
            same_as = tuple(features[one] for one in alike)
            lines.append(Line(features[column], points, fitted.coefficients[place], evidence, same_as))
    if not lines:
        raise NothingToLearnError("nothing in this history tells winners from others: every rule comes to 0 points")
    scorecard = Scorecard(tuple(lines), _intercept(lines, looks))
    tell("running the written model over the contacts learned from, to choose its threshold")
    threshold, share = _threshold(scorecard, learned, plan)
    regressions = Regressions(
        tuple(features[column] for column, _ in pairs),
        fitted,
        tuple(features[column] for column, _ in distinct),
        everything.fit(_choose_strength(everything, looks, plan.seed)),
    )
    return Proposal(plan, scorecard, threshold, share, half_life_ms, regressions, learned, looks)


def _check(timelines: Timelines, learned: Sequence[Judged], looks: Sequence[Look], plan: Plan) -> None:
    outcome = plan.question.outcome
    if outcome not in timelines.types:
        known = ", ".join(name for name, _ in timelines.types.most_common(12))
        raise NothingToLearnError(f"no event of type {outcome} in this history; it has {known or 'no events'}")
    winners = {look.timeline.contact_id for look in looks if look.won}
    others = {look.timeline.contact_id for look in looks if not look.won}
    if min(len(winners), len(others)) < _LEAST_WINNERS:
        raise NothingToLearnError(
            f"{len(winners):,} winners and {len(others):,} others can be learned from, of {len(learned):,} contacts whose time to "
            f"answer in is over; at least {_LEAST_WINNERS} of each are needed: learn until a later instant, or ask for a shorter time"
        )


def _choose_half_life(
    looks: Sequence[Look], plan: Plan, tell: Callable[[str], None]
) -> tuple[int | None, list[Feature], Table]:
    """Return the half-life that does best on unseen folds, with its candidates."""
    contacts = len({look.timeline.contact_id for look in looks})
    limits = Limits(max(20, contacts // 100), plan.ignored)
    folds = fold_of_looks(looks, plan.seed)
    won = [look.won for look in looks]
    best: tuple[float, int | None, list[Feature], Table] | None = None
    for half_life_ms in HALF_LIVES_MS:
        features = propose(looks, limits, half_life_ms)
        if not features:
            continue
        table = create_table(rows_of(features, looks), won)
        loss = table.held_out_loss(folds, _USUAL_STRENGTH)
        fading = "points that stay" if half_life_ms is None else f"half-life {half_life_ms // MS_PER_DAY} d"
        tell(f"{fading}: {len(features)} candidates, log loss {loss:.4f} on unseen folds")
        if best is None or loss < best[0]:
            best = loss, half_life_ms, features, table
    if best is None:
        raise NothingToLearnError(
            f"no event type is seen for {limits.support} contacts or more: too little to learn from"
        )
    return best[1:]


def fold_of_looks(looks: Sequence[Look], seed: int) -> list[int]:
    """Return a fold for each look: all looks at one contact are in one, or it would be judged by what was learned from it."""
    contacts = sorted({look.timeline.contact_id for look in looks})
    Random(seed).shuffle(contacts)  # noqa: S311 - a draw that can be repeated is wanted
    fold = {contact: place % _FOLDS for place, contact in enumerate(contacts)}
    return [fold[look.timeline.contact_id] for look in looks]


def _choose_columns(table: Table, conditions: Sequence[Condition], most: int) -> list[int]:
    """
    Return at most *most* columns: those that stay when regression is made to pay for the size of each coefficient.

    Of several forms of one condition (at all, how often, lately) the one that weighs most: two rules about one thing, one of which
    takes back what the other gives, are right on average and make no sense to a reader.
    """
    best: list[int] = []
    for strength in _SPARSE_STRENGTHS:  # from few columns to many
        weights = [abs(one) for one in table.fit(strength, sparse=True, is_standard=True).coefficients]
        strongest: dict[Condition, int] = {}
        for place, weight in enumerate(weights):
            other = strongest.setdefault(conditions[place], place)
            if weight > weights[other]:
                strongest[conditions[place]] = place
        kept = sorted(place for place in strongest.values() if weights[place])
        if len(kept) > most:
            return best or sorted(sorted(kept, key=lambda place: -weights[place])[:most])
        best = kept
    return best


def _choose_strength(table: Table, looks: Sequence[Look], seed: int) -> float:
    folds = fold_of_looks(looks, seed)
    return min(_STRENGTHS, key=lambda strength: table.held_out_loss(folds, strength))


def _intercept(lines: Sequence[Line], looks: Sequence[Look]) -> float:
    """Return the log odds at 0 points for which the whole points expect as many winners as there are."""
    sums = [points_sum(lines, row) for row in rows_of([line.feature for line in lines], looks)]
    winners = sum(look.won for look in looks)
    low, high = -50.0, 50.0
    for _ in range(60):  # halving: the expected number only rises with it
        middle = (low + high) / 2
        scorecard = Scorecard(tuple(lines), middle)
        low, high = (low, middle) if sum(map(scorecard.chance, sums)) > winners else (middle, high)
    return (low + high) / 2


def _threshold(scorecard: Scorecard, learned: Sequence[Judged], plan: Plan) -> tuple[int, float]:
    """Return the threshold for the plan's target, and the share of the contacts learned from that reach it."""
    draft = parse_model(
        write_model(scorecard, Heading(plan.name, (), 0, plan.question.within_ms)), "the proposed model"
    )
    peaks = [peak_of(draft, one, plan.question.within_ms) for one in learned]
    threshold = choose_threshold(peaks, [one.won for one in learned], plan.target)
    return threshold, sum(peak + 1e-9 >= threshold for peak in peaks) / len(learned)
