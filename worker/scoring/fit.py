"""What the fit rules give: points that count while a contact's attributes are what a model looks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from worker.scoring.model import Model
    from worker.scoring.state import Fold


class Fit(NamedTuple):
    """The fit rules that hold."""

    rules: tuple[int, ...]  # indexes, in file order
    sums: tuple[tuple[int, float], ...]  # group index and points, for each group that has any


_NOTHING = Fit((), ())


def fit_of(model: Model, fold: Fold) -> Fit:
    """Return what the fit rules of *model* give for the attributes of *fold*; remembered until these change."""
    fit = fold.fit
    if fit is None:
        fit = fold.fit = _compute(model, fold) if model.fit_rules else _NOTHING
    return fit


def _compute(model: Model, fold: Fold) -> Fit:
    attributes = fold.attributes
    holding = [rule for rule in model.fit_rules if rule.when.settles(0, attributes)]
    sums: dict[int, float] = {}
    for rule in holding:
        sums[rule.group] = sums.get(rule.group, 0.0) + rule.points
    return Fit(tuple(rule.index for rule in holding), tuple(sums.items()))
