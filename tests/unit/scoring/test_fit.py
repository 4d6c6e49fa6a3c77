"""Fit rules read attributes only: their points count while they hold, and nothing else touches them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.small import DAY, START, accept, rule, small_model
from worker.scoring.fit import fit_of
from worker.scoring.history import History
from worker.scoring.inactivity import acts, steps_at
from worker.scoring.model import Model
from worker.scoring.reading import positive_sum, read
from worker.scoring.state import Fold


def fit(points: float, group: str = "fit", **tests: Any) -> dict[str, Any]:
    return {"when": {f"attributes.{name}": test for name, test in tests.items()}, "points": points, "group": group}


GROUPS = {"fit": {"cap": 30}}
MODEL = small_model(
    fit(20, title=["ceo", "founder"]), fit(15, size={"at_least": 50}), fit(-5, mail="free"), rule("act", 1), groups=GROUPS
)  # fmt: skip


def known(model: Model, *updates: dict[str, Any]) -> Fold:
    history = History()
    for number, update in enumerate(updates):
        accept(history, model, "contact.updated", START + number, **update)
    return history.head(model).copy()


def group_value(model: Model, fold: Fold, at_ms: int = START + DAY) -> float:
    return read(model, fold, at_ms).groups[1]


@pytest.mark.parametrize(
    ("updates", "value"),
    [
        ([{"title": "CEO"}], 20.0),
        ([{"title": "clerk"}], 0.0),
        ([{"title": "ceo", "size": 49}], 20.0),
        ([{"title": "ceo", "size": 50}], 30.0),  # 35, capped
        ([{"title": "ceo", "size": 50, "mail": "free"}], 30.0),  # 20 + 15 - 5
        ([{"mail": "free"}], -5.0),
        ([{"title": "ceo"}, {"title": "clerk"}], 0.0),
        ([{"title": "ceo"}, {"title": None}], 0.0),
        ([{"title": "ceo"}, {"size": 50}, {"title": None}], 15.0),
    ],
)
def test_fit_points_count_while_their_condition_holds(updates: list[dict[str, Any]], value: float) -> None:
    assert group_value(MODEL, known(MODEL, *updates)) == value


def test_contact_that_a_fit_rule_once_fitted_stays_scored() -> None:
    fold = known(MODEL, {"title": "ceo"}, {"title": None})
    assert fold.is_scored
    assert not known(MODEL, {"title": "clerk"}).is_scored


def test_fit_rule_that_holds_without_any_attribute_scores_a_contact_at_its_first_event() -> None:
    model = small_model({"when": {"not": {"attributes.mail": "free"}}, "points": 10}, rule("act", 1))
    history = History()
    assert not History().head(model).is_scored
    accept(history, model, "sales.accepted", START)
    fold = history.head(model)
    assert (fold.is_scored, read(model, fold, START).score) == (True, 10.0)


def test_fit_rule_gives_no_award_so_it_is_no_good_sign() -> None:
    history = History()
    assert not accept(history, MODEL, "contact.updated", START, title="ceo").gained
    assert history.head(MODEL).rules == {}


def test_fit_points_are_summed_in_file_order_and_added_after_those_of_event_rules() -> None:
    """(0.1 + 0.2) + 0.3 is another double than 0.1 + (0.2 + 0.3); the fit rules are one sum of their own."""
    model = small_model(fit(0.2, "engagement", x=1), rule("act", 0.1), fit(0.3, "engagement", x=1))
    history = History()
    accept(history, model, "contact.updated", START, x=1)
    accept(history, model, "act", START)
    assert read(model, history.head(model), START).score == 0.1 + (0.2 + 0.3) != (0.1 + 0.2) + 0.3


def test_fit_points_are_part_of_what_may_make_a_lead_ready() -> None:
    assert positive_sum(MODEL, known(MODEL, {"title": "ceo", "size": 60, "mail": "free"}), START) == 35.0


@pytest.mark.parametrize(
    "step", [{"reset": ["fit"]}, {"multiply": 0, "group": "fit"}, {"points": -100, "group": "fit"}]
)
def test_idleness_leaves_fit_points_alone(step: dict[str, Any]) -> None:
    model = small_model(fit(20, title="ceo"), rule("act", 1), groups={"fit": {}}, inactivity=[{"after": "1d", **step}])
    history = History()
    accept(history, model, "act", START)
    accept(history, model, "contact.updated", START, title="ceo")
    fold = history.head_at(model, START + DAY)
    assert group_value(model, fold) == 20.0
    (due,) = steps_at(model, fold, START + DAY)
    assert not acts(model, history.head(model), due, START + DAY)


def test_answer_of_sales_that_resets_a_group_leaves_its_fit_points() -> None:
    model = small_model(fit(20, title="ceo"), groups={"fit": {}}, feedback={"sales.lost": {"reset": ["fit"]}})
    history = History()
    accept(history, model, "contact.updated", START, title="ceo")
    accept(history, model, "sales.lost", START + 1)
    assert group_value(model, history.head(model)) == 20.0


def test_negative_points_of_idleness_do_not_see_fit_points() -> None:
    """50 of fit and 10 of acts in one group: 10 can be taken, not 30."""
    model = small_model(fit(50, "engagement", x=1), rule("act", 10), inactivity=[{"after": "1d", "points": -30}])
    history = History()
    accept(history, model, "contact.updated", START, x=1)
    accept(history, model, "act", START)
    assert read(model, history.head_at(model, START + DAY), START + DAY).score == 50.0


def test_fit_is_computed_again_after_attributes_have_changed() -> None:
    fold = known(MODEL, {"title": "ceo"})
    assert fit_of(MODEL, fold).rules == (0,)
    assert fit_of(MODEL, fold) is fit_of(MODEL, fold)
    assert fit_of(MODEL, known(MODEL, {"title": "ceo"}, {"size": 80})).rules == (0, 1)
