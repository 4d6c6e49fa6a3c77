"""The only module that knows scikit-learn, an optional extra: it is imported when a table is made, never before."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from worker.fitting.problems import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROUNDS = 2_000  # iterations allowed; far more than a table of 0 to 1 columns needs
_TOLERANCE = 1e-6


Array = Any
"""A numpy array; numpy comes with scikit-learn only, so that its types are not known here."""


class Fitted(NamedTuple):
    """A logistic regression: log odds = intercept + sum of coefficient x value, in the table's own units."""

    intercept: float
    coefficients: tuple[float, ...]


@dataclass(frozen=True)
class Table:
    """Rows of numbers with a label each, as numpy arrays; made by `create_table`."""

    values: Array
    labels: Array
    _linear: Any
    _metrics: Any
    _numpy: Any

    def select(self, columns: Sequence[int]) -> Table:
        """Return the table with only *columns*, in that order."""
        return self._with(self.values[:, list(columns)], self.labels)

    def fit(self, strength: float, *, sparse: bool = False, is_standard: bool = False) -> Fitted:
        """
        Return a regression with a penalty of 1 / *strength* on standardised columns: squares, or sizes if *sparse*.

        Coefficients are for one unit of each column, or for one standard deviation if *is_standard*.

        No class weights: winners are few, and weights would make every predicted share wrong; rare winners call for another
        threshold, not for other odds. A column that never changes gets the coefficient 0.
        """
        numpy = self._numpy
        mean = self.values.mean(axis=0)
        spread = self.values.std(axis=0)
        scale = numpy.where(spread > 0, spread, 1.0)
        if sparse:  # this solver also penalises the intercept, which the scaling makes negligible
            kind = {"solver": "liblinear", "intercept_scaling": 100.0, "random_state": 0, "l1_ratio": 1.0}
        else:  # second order: many looks, few columns, and columns that are much alike
            kind = {"solver": "newton-cholesky", "l1_ratio": 0.0}
        regression = self._linear.LogisticRegression(C=strength, max_iter=_ROUNDS, tol=_TOLERANCE, **kind)
        regression.fit((self.values - mean) / scale, self.labels)
        standard = numpy.where(spread > 0, regression.coef_[0], 0.0)
        if is_standard:
            return Fitted(float(regression.intercept_[0]), tuple(float(one) for one in standard))
        coefficients = standard / scale
        intercept = float(regression.intercept_[0] - (coefficients * mean).sum())
        return Fitted(intercept, tuple(float(one) for one in coefficients))

    def held_out_loss(self, folds: Sequence[int], strength: float) -> float:
        """Return the mean log loss over rows judged by regressions that did not see their fold."""
        numpy = self._numpy
        of_row = numpy.asarray(folds)
        odds = numpy.zeros(len(of_row))
        for fold in sorted(set(folds)):
            held = of_row == fold
            fitted = self._with(self.values[~held], self.labels[~held]).fit(strength)
            odds[held] = self.values[held] @ numpy.asarray(fitted.coefficients) + fitted.intercept
        return float(self._metrics.log_loss(self.labels, 1.0 / (1.0 + numpy.exp(-odds)), labels=[0, 1]))

    def distinct_columns(self, most_alike: float) -> list[tuple[int, list[int]]]:
        """
        Return the columns that say something new, from the left, each with those after it that say the same.

        Two say the same when their correlation is above *most_alike*; columns that never change are left out.
        """
        numpy = self._numpy
        moving = [int(one) for one in numpy.flatnonzero(self.values.std(axis=0) > 0)]
        if not moving:
            return []
        alike = numpy.atleast_2d(numpy.corrcoef(self.values[:, moving], rowvar=False)) > most_alike
        kept: list[tuple[int, list[int]]] = []
        taken: set[int] = set()
        for place, column in enumerate(moving):
            if place in taken:
                continue
            same = [int(one) for one in numpy.flatnonzero(alike[place]) if one > place and int(one) not in taken]
            taken.update(same)
            kept.append((column, [moving[one] for one in same]))
        return kept

    def _with(self, values: Array, labels: Array) -> Table:
        return Table(values, labels, self._linear, self._metrics, self._numpy)


def create_table(rows: Sequence[Sequence[float]], labels: Sequence[bool]) -> Table:
    """
    Return *rows*, each with as many numbers, and their *labels* for regression.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    linear, metrics = import_extra()
    numpy = import_module("numpy")
    return Table(
        numpy.asarray(rows, dtype=float).reshape(len(rows), -1),
        numpy.asarray(labels, dtype=int),
        linear,
        metrics,
        numpy,
    )


def import_extra() -> tuple[Any, Any]:
    """
    Return the two modules of scikit-learn that are used; called early, it saves reading a long history in vain.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        return import_module("sklearn.linear_model"), import_module("sklearn.metrics")
    except ImportError as exc:
        raise MissingExtraError from exc
