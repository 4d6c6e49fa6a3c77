from __future__ import annotations

from tests.support.small import DAY, START, rule, small_model
from worker.export import ScoreLine
from worker.reports.crossings import Crossing
from worker.reports.diff import CHANGES, DiffLine, Side, TierMatrix, compare

TIERS = {"cold": 0, "hot": 50}
THIS = small_model(rule("act", 1), tiers=TIERS)
OTHER = small_model(rule("act", 1), tiers={"cold": 0, "warm": 20, "hot": 50}, version=2)


def crossing(day: float) -> Crossing:
    return Crossing(START + round(day * DAY), 0, 100.0, "hot", (f"rule 0 {day:g}",))


def line(contact_id: str, score: float, tier: str) -> ScoreLine:
    return ScoreLine(contact_id, False, score, score, tier, {}, "open", 0)


def test_every_kind_of_change_and_the_examples_of_it() -> None:
    this = Side(
        THIS,
        [line(name, 60, "hot") for name in ("lost", "earlier", "later", "same", "neither")],
        {"lost": crossing(1), "earlier": crossing(9), "later": crossing(2), "same": crossing(3)},
    )
    other = Side(
        OTHER,
        [line(name, 30, "warm") for name in ("gained", "earlier", "later", "same", "neither")],
        {"gained": crossing(1), "earlier": crossing(4), "later": crossing(2.5), "same": crossing(3)},
    )
    diff = compare(this, other, ())
    assert diff.counts == dict.fromkeys(CHANGES, 1)
    assert {line.contact_id for line in diff.lines} == set(CHANGES)
    assert all(line.contact_id == line.change for line in diff.lines)
    assert {line.change: line.moved_ms for line in diff.lines} == {
        "gained": None, "lost": None, "earlier": -5 * DAY, "later": DAY // 2, "same": 0, "neither": None,
    }  # fmt: skip
    assert (diff.median_earlier_ms, diff.median_later_ms) == (5 * DAY, DAY / 2)
    assert diff.examples("gained", 5) == [DiffLine("gained", "gained", None, crossing(1), 0.0, 30.0, "cold", "warm")]


def test_a_contact_that_one_model_does_not_know_is_in_its_lowest_tier() -> None:
    diff = compare(Side(THIS, [line("a", 60, "hot")], {}), Side(OTHER, [line("b", 30, "warm")], {}), ())
    assert diff.tiers == TierMatrix(("cold", "hot"), ("cold", "warm", "hot"), [[0, 1, 0], [1, 0, 0]])


def test_models_without_tiers_have_no_matrix() -> None:
    plain = small_model(rule("act", 1))
    assert compare(Side(plain, [], {}), Side(OTHER, [], {}), ()).tiers is None


def test_examples_of_moves_begin_with_the_largest_and_others_with_the_oldest() -> None:
    names = ("a", "b", "c")
    earlier = compare(
        Side(THIS, [], {name: crossing(10) for name in names}),
        Side(OTHER, [], dict(zip(names, map(crossing, (9, 1, 5)), strict=True))),
        (),
    )
    assert [line.contact_id for line in earlier.examples("earlier", 2)] == ["b", "c"]
    lost = compare(Side(THIS, [], dict(zip(names, map(crossing, (3, 1, 2)), strict=True))), Side(OTHER, [], {}), ())
    assert [line.contact_id for line in lost.examples("lost", 9)] == ["b", "c", "a"]


def test_contacts_that_asked_to_be_forgotten_are_only_counted() -> None:
    diff = compare(Side(THIS, [line("a", 1, "cold"), line("b", 1, "cold")], {}), Side(OTHER, [], {}), {"b"})
    assert [line.contact_id for line in diff.lines] == ["a"]
    assert diff.erased == 1
