"""What lint says of models that load: each doubt once at its place, and no doubt about what is fine."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from worker.scoring.file.findings import LEVELS, Finding, NoteCode, WarningCode
from worker.scoring.lint import lint_model, review_model
from worker.scoring.model_file import read_source, shipped_models

TESTS = Path(__file__).parents[3]
HEAD = "model: m\nversion: 1\ntime_zone: UTC\n"
# Nothing to say of these, so that a case is about one thing.
FADES = "  - {rule: fades, when: {type: a.b}, points: 500, decay: {half_life: 9d}}\n"
SPEAKS_AGAINST = "  - {rule: against, when: {type: b.c}, points: -5, decay: {half_life: 9d}}\n"
QUALIFY = "qualify: {when: {score: {at_least: 100}}, rearm: {score: {less_than: 80}}}\n"
FEEDBACK = "feedback: {sales.rejected: {latch: open}, sales.recycled: {latch: open}}\n"


def model(*, rules: str = "", qualify: str = QUALIFY, more: str = "", fades: str = FADES) -> str:
    """Return a model about which lint has nothing to say but what the arguments bring: *rules* begin in line 5."""
    return f"{HEAD}rules:\n{rules}{fades}{SPEAKS_AGAINST}{qualify}{FEEDBACK}{more}"


def rule(parts: str) -> str:
    return f"  - {{rule: r, {parts}}}\n"


def found(text: str) -> list[Finding]:
    assert lint_model(text, "m.yaml") == []
    return review_model(text, "m.yaml")


def test_base_of_the_cases_is_without_findings() -> None:
    assert found(model()) == []


def contradictory(tests: str) -> str:
    return model(rules=rule(f"when: {{type: a.c, {tests}}}, points: 5"))


EXCLUDED = [
    "properties.x: {is: 1, not: 1}",
    "properties.x: {is: a, in: [b, c]}",
    "properties.x: {is: A, not: a}",
    "properties.x: {in: [a, b], not_in: [A, B, c]}",
    "properties.x: {at_least: 5, at_most: 4}",
    "properties.x: {more_than: 5, at_most: 5}",
    "properties.x: {more_than: 5, less_than: 5}",
    "properties.x: {at_least: 5, at_most: 5, not: 5}",
    "properties.x: {is: 5, more_than: 5}",
    "properties.x: {is: a, at_least: 1}",
    "properties.x: {is: true, at_least: 1}",
    "properties.x: {at_least: 1, starts_with: a}",
    "properties.x: {at_least: 1, contains: a}",
    "properties.x: {exists: false, at_least: 1}",
    "properties.x: {exists: false, is: a}",
    "properties.x: {exists: false, starts_with: a}",
    "properties.x: {is: null, exists: true}",
    "properties.x: {starts_with: /a, is: /b}",
    "properties.x: {is: a.html, ends_with: .txt}",
    "properties.x: {is: abc, like: 'b*'}",
    "properties.x: 1, all: [{properties.x: 2}]",
    "properties.x: 1, not: {properties.x: 1}",
    "properties.x: [a, b], not: {properties.x: [A, b]}",
    "any: [{properties.x: {at_least: 5, at_most: 4}}, {properties.y: {is: 1, in: [2]}}]",
    "properties.x: 1, any: [{properties.x: 2}, {properties.x: 3}]",
    "attributes.size: {at_least: 50, less_than: 10}",
]


@pytest.mark.parametrize("tests", EXCLUDED)
def test_rule_that_nothing_can_match_is_reported(tests: str) -> None:
    (one,) = found(contradictory(tests))
    assert (one.code, one.level, one.line) == ("model.contradiction", "warning", 5)
    assert "no event can meet this" in one.problem


COMPATIBLE = [
    "properties.x: {is: 1, not: 2}",
    "properties.x: {at_least: 5, at_most: 5}",
    "properties.x: {more_than: 5, less_than: 5.1}",
    "properties.x: {is: a, in: [A]}",
    "properties.x: {starts_with: /a, not: /a/b}",
    "properties.x: {starts_with: a, ends_with: b, like: 'a*b'}",
    "properties.x: {starts_with: a, contains: b}",
    "properties.x: {exists: true, not: a}",
    "properties.x: {exists: false, not: a}",
    "properties.x: {not_in: [1, 2]}",
    "not: {properties.x: 1, properties.y: 2}, properties.x: 1",
    "not: {any: [{properties.x: 1}]}, properties.x: 1",
    "any: [{properties.x: 1}, {properties.x: 2}]",
    "properties.x: {is: 1, at_least: 1, at_most: 1}",
    "properties.x: 1, properties.y: 2",
]


@pytest.mark.parametrize("tests", COMPATIBLE)
def test_rule_that_something_can_match_is_not_doubted(tests: str) -> None:
    assert found(contradictory(tests)) == []


def test_dead_alternative_is_reported_where_it_stands() -> None:
    text = contradictory("any: [{properties.x: 1}, {properties.y: {at_least: 5, at_most: 4}}]")
    (one,) = found(text)
    assert one.code == "model.contradiction"
    assert "this part can never hold" in one.problem
    assert one.column == text.splitlines()[4].index("properties.y") + 1


@pytest.mark.parametrize(
    "condition",
    [
        "score: {at_least: 100, at_most: 50}",
        "score: {at_least: 100}, tier: {is: hot, not: hot}",
        "score: {at_least: 100}, tier: {more_than: warm, less_than: hot}",
        "score: {at_least: 100}, groups.engagement: {more_than: 5, less_than: 5}",
        "score: {at_least: 100}, attributes.country: {is: nl, not_in: [NL]}",
    ],
)
def test_qualification_that_no_lead_can_meet_is_reported(condition: str) -> None:
    text = model(qualify=f"qualify: {{when: {{{condition}}}, rearm: {{score: {{less_than: 80}}}}}}\n")
    text += "tiers: {cold: 0, warm: 20, hot: 50}\n"
    if "warm, less_than: hot" in condition:  # ranks are whole numbers, bounds are looked at as if they were not
        assert found(text) == []
        return
    (one,) = found(text)
    assert (one.code, one.line, one.key) == ("model.contradiction", 7, "qualify.when")
    assert "no lead can meet this" in one.problem


CASES: list[tuple[str, str, str, str]] = [
    # file, code, place, key
    (
        model(fades=rule("when: {type: a}, points: 30, once_per: contact, decay: {half_life: 9d}")),
        "model.out_of_reach",
        "7:17",
        "qualify.when",
    ),
    (
        model(fades=rule("when: {type: a}, points: 30, limit: {times: 2, within: 10d}, decay: {expire: 9d}")),
        "model.out_of_reach",
        "7:17",
        "qualify.when",
    ),
    (model(more="groups: {engagement: {cap: 99}}\n"), "model.points_above_cap", "5:46", "rules[0].points"),
    (
        model(more="tiers: {cold: 0, hot: 50, burning: 600}\ngroups: {engagement: {cap: 500}}\n"),
        "model.out_of_reach",
        "9:36",
        "tiers.burning",
    ),
    (
        model(
            rules=rule("when: {type: c}, points: 1, once_per: contact"),
            qualify="qualify: {when: {seen: {rule: r, times: 2}}, rearm: {score: {less_than: 80}}}\n",
        ),
        "model.out_of_reach",
        "8:24",
        "qualify.when.seen",
    ),
    (
        model(rules=rule("when: {type: c}, points: 1") + rule("when: {type: c}, points: 2").replace("r,", "s,")),
        "model.duplicate_rule",
        "6:12",
        "rules[1]",
    ),
    (
        model(
            rules=rule("when: {type: c, properties.a: [b]}, points: 1")
            + rule("when: {properties.a: [B], type: c}, points: 2").replace("r,", "s,")
        ),
        "model.duplicate_rule",
        "6:12",
        "rules[1]",
    ),
    (
        model(
            rules=rule("when: {type: c}, points: 1")
            + rule("when: {type: c}, points: 2, once_per: contact").replace("r,", "s,")
        ),
        "model.same_condition",
        "6:21",
        "rules[1].when",
    ),
    (model(rules=rule("when: {type: c}, points: 9, cap: 5")), "model.points_above_cap", "5:40", "rules[0].points"),
    (model(rules=rule("when: {type: c}, points: -9, cap: 5")), "model.points_above_cap", "5:40", "rules[0].points"),
    (
        model(rules=rule("when: {type: c}, points: -9, group: g"), more="groups: {g: {floor: -5}}\n"),
        "model.points_above_cap",
        "5:40",
        "rules[0].points",
    ),
    (model(more="score: {cap: 200}\n"), "model.points_above_cap", "5:46", "rules[0].points"),
    (model(rules=rule("when: {type: email.opened}, points: 1")), "model.machine_prone", "5:21", "rules[0]"),
    (model(rules=rule("when: {type: [x, page.viewed]}, points: 1")), "model.machine_prone", "5:21", "rules[0]"),
    (
        model(rules=rule("when: {type: email.opened}, points: 1, decay: {half_life: 1d}")),
        "model.repeatable_view",
        "5:21",
        "rules[0]",
    ),
    (model(qualify=QUALIFY.replace("80", "100")), "model.rearm_above_threshold", "7:51", "qualify.rearm.score"),
    (model(qualify=QUALIFY.replace("80", "120")), "model.rearm_above_threshold", "7:51", "qualify.rearm.score"),
    (
        model(
            qualify="qualify: {when: {groups.engagement: {more_than: 50}}, "
            "rearm: {any: [{score: {less_than: 9}}, {groups.engagement: {at_most: 60}}]}}\n"
        ),
        "model.rearm_above_threshold",
        "7:95",
        "qualify.rearm.groups.engagement",
    ),
    (model(qualify=QUALIFY.replace("80", "0")), "model.rearm_never_holds", "7:50", "qualify.rearm"),
    (
        model(qualify=QUALIFY.replace("less_than: 80", "at_least: 0")),
        "model.rearm_always_holds",
        "7:50",
        "qualify.rearm",
    ),
    (
        model(fades=FADES.replace(", decay: {half_life: 9d}", "")).replace(", decay: {half_life: 9d}", ""),
        "model.never_fades",
        "4:1",
        "rules",
    ),
    (
        model(rules=rule("when: {type: c}, reset: [engagement], decay: {half_life: 9d}")),
        "model.no_effect",
        "5:53",
        "rules[0].decay",
    ),
    (model(rules=rule("when: {type: c}, reset: [engagement], cap: 9")), "model.no_effect", "5:53", "rules[0].cap"),
    (
        model(rules=rule("when: {properties.city: Amsterd\u0430m}, points: 1")),
        "model.mixed_scripts",
        "5:39",
        "rules[0].when.properties.city",
    ),
    (model(qualify="").replace(FEEDBACK, ""), "model.no_qualify", "1:1", ""),
    (model(qualify="qualify: {when: {score: {at_least: 100}}}\n"), "model.no_rearm", "7:1", "qualify"),
    (model().replace(SPEAKS_AGAINST, ""), "model.no_negative_signals", "4:1", "rules"),
    (model().replace("sales.rejected", "sales.won"), "model.no_feedback", "7:1", "feedback"),
    (
        model(rules=rule("when: {type: c}, points: 1, limit: {times: 1, per: week}")).replace("time_zone: UTC\n", ""),
        "model.time_zone_missing",
        "1:1",
        "time_zone",
    ),
    (model(more="groups: {fit: {cap: 5}}\n"), "model.empty_group", "9:10", "groups.fit"),
]


@pytest.mark.parametrize(("text", "code", "place", "key"), CASES)
def test_doubt_is_reported_once_with_level_place_and_key(text: str, code: str, place: str, key: str) -> None:
    (one,) = [one for one in found(text) if one.code == code]
    assert f"{one.line}:{one.column}" == place
    assert one.key == key
    assert one.level == LEVELS[one.code]
    assert one.fix
    assert "\n" not in str(one)
    assert f": {one.code}: {one.level}: " in str(one)


def test_every_warning_and_note_has_a_case() -> None:
    tried = {case[1] for case in CASES} | {"model.contradiction"}
    assert tried == {*get_args(WarningCode), *get_args(NoteCode)}


FINE: dict[str, str] = {
    "opens once a mail": model(rules=rule("when: {type: email.opened}, points: 1, once_per: properties.message_id")),
    "opens with a limit": model(rules=rule("when: {type: email.opened}, points: 1, limit: {times: 1, within: 7d}")),
    "opens with a cap": model(rules=rule("when: {type: email.opened}, points: 1, cap: 9")),
    "opens that count nothing": model(rules=rule("when: {type: email.opened}, points: 0")),
    "views that speak against": model(rules=rule("when: {type: page.viewed, properties.path: /jobs}, points: -1")),
    "cap that lets one award through": model(rules=rule("when: {type: c}, points: 5, cap: 5")),
    "threshold that awards add up to": model(
        fades=rule("when: {type: a}, points: 50, limit: {times: 1, within: 1d}, decay: {half_life: 1d}")
    ),
    "threshold with fit points": model(
        fades=rule("when: {attributes.a: 1}, points: 60")
        + "  - {rule: s, when: {type: b}, points: 40, once_per: contact, decay: {half_life: 9d}}\n"
    ),
    "threshold that feedback helps to": model(
        fades=rule("when: {type: a}, points: 30, once_per: contact, decay: {half_life: 9d}")
    ).replace("sales.rejected: {latch: open}", "sales.rejected: {latch: open}, sales.accepted: {points: 10}"),
    "threshold that is only seen": model(
        rules=rule("when: {type: c}, points: 1, once_per: contact"),
        qualify="qualify: {when: {seen: {rule: r}}, rearm: {score: {less_than: 80}}}\n",
    ),
    "rearm by attribute": model(qualify=QUALIFY.replace("{score: {less_than: 80}}", "{attributes.gone: true}")),
    "rearm on another group": model(
        qualify="qualify: {when: {score: {at_least: 100}}, rearm: {groups.engagement: {less_than: 100}}}\n"
    ),
    "nothing fades but idleness takes": model(fades=FADES.replace(", decay: {half_life: 9d}", "")).replace(
        ", decay: {half_life: 9d}", ""
    )
    + "inactivity: [{after: 90d, reset: [engagement]}]\n",
    "nothing fades where points decide nothing": f"{HEAD}rules:\n"
    + rule("when: {type: c}, points: 0")
    + "  - {rule: x, when: {type: b.c}, reset: [engagement]}\n"
    + "qualify: {when: {attributes.title: ceo, seen: {rule: r}}, rearm: {attributes.title: {not: ceo}}}\n"
    + FEEDBACK,
    "group of points given by feedback": model(more="groups: {sales: {}}\n").replace(
        "sales.rejected: {latch: open}", "sales.rejected: {latch: open}, sales.accepted: {points: 1, group: sales}"
    ),
    "reset speaks against": model().replace(SPEAKS_AGAINST, "  - {rule: x, when: {type: b.c}, reset: [engagement]}\n"),
    "text all in another alphabet": model(
        rules=rule("when: {properties.city: \u041c\u043e\u0441\u043a\u0432\u0430}, points: 1")
    ),
    "same condition for machines": model(
        rules=rule("when: {type: c}, points: 1")
        + rule("when: {type: c}, points: -1, machine: true").replace("r,", "s,")
    ),
}


@pytest.mark.parametrize("name", FINE)
def test_what_is_fine_is_not_doubted(name: str) -> None:
    """If this fails, marketers learn to look past warnings."""
    assert [str(one) for one in found(FINE[name])] == []


@pytest.mark.parametrize("source", [*shipped_models(), str(TESTS / "models/bpi-loans.yaml")])
def test_models_that_we_stand_for_have_no_warnings(source: str) -> None:
    where, text = read_source(source)
    assert [str(one) for one in review_model(text, where) if one.level != "note"] == []


def test_errors_come_alone() -> None:
    text = model(rules=rule("when: {type: email.opened}, points: 1")).replace("version: 1", "version: one")
    assert [one.code for one in review_model(text, "m.yaml")] == ["model.wrong_type"]
