"""What the file says of fading, pools, attributes, resets and awards seen, and what the model then is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contracts.event import Event
from worker.scoring.decay import Decay, Drain, Expire, HalfLife, Linear, Percent
from worker.scoring.lint import lint_model
from worker.scoring.model import Facts, Model, Reading, Seen
from worker.scoring.model_file import parse_model

DAY = 86_400_000
HEAD = "model: m\nversion: 1\n"
RULE = "  - {rule: a, when: {type: page.viewed}, points: 5}\n"
LEAST = f"{HEAD}rules:\n{RULE}"


def event(event_type: str = "page.viewed", **properties: object) -> Event:
    return Event("e", "c", event_type, 0, None, False, properties)


def reading(*, attributes: dict[str, object] | None = None, seen: tuple[bool, ...] | None = None) -> Reading:
    return Reading(0.0, (0.0,), 0, Facts(attributes, seen))


@pytest.mark.parametrize(
    ("written", "decay"),
    [
        ("none", None),
        ("{half_life: 30d}", HalfLife(30 * DAY)),
        ("{percent: {rate: 2%, every: 1d}}", Percent(0.02, DAY)),
        ("{percent: {rate: 0.02, every: 12h}}", Percent(0.02, DAY // 2)),
        ("{percent: {rate: 33.333333%, every: 1w}}", Percent(0.33333333, 7 * DAY)),
        ("{percent: {rate: '0.5%', every: 1d}}", Percent(0.005, DAY)),
        ("{percent: {rate: 100%, every: 1d}}", Percent(1.0, DAY)),
        ("{percent: {rate: 1, every: 1d}}", Percent(1.0, DAY)),
        ("{linear: 90d}", Linear(90 * DAY)),
        ("{linear: 730d}", Linear(730 * DAY)),
        ("{expire: 1h}", Expire(3_600_000)),
    ],
)
def test_every_form_of_decay_is_read_in_a_rule_and_in_a_group(written: str, decay: Decay | None) -> None:
    of_rule = parse_model(LEAST.replace("points: 5", f"points: 5, decay: {written}"))
    of_group = parse_model(f"{LEAST}groups: {{engagement: {{decay: {written}}}}}\n")
    assert of_rule.rules[0].decay == of_group.rules[0].decay == decay


def test_group_decay_is_no_default_for_rules_that_read_attributes_only_nor_for_those_that_only_reset() -> None:
    model = parse_model(
        f"{LEAST}  - {{rule: b, when: {{attributes.size: 5}}, points: 5}}\n"
        "  - {rule: c, when: {type: d}, reset: [engagement]}\ngroups: {engagement: {decay: {half_life: 1d}}}\n"
    )
    assert [rule.decay for rule in model.rules] == [HalfLife(DAY), None, None]
    assert [rule.is_fit for rule in model.rules] == [False, True, False]
    assert [rule.gives for rule in model.rules] == [True, True, False]


def test_group_that_drains_may_have_bounds_and_its_rules_do_not_fade() -> None:
    model = parse_model(
        LEAST.replace("points: 5", "points: 5, group: pool")
        + "groups: {pool: {drain: {points: 0.5, every: 1d}, cap: 9, floor: -9}}\n"
    )
    assert model.groups[1].drain == Drain(0.5, DAY)
    assert (model.groups[1].cap, model.groups[1].floor) == (9.0, -9.0)
    assert model.rules[0].decay is None


def test_reset_stands_beside_points_or_instead_of_them() -> None:
    both, alone = parse_model(
        f"{HEAD}groups: {{fit: {{}}}}\nrules:\n  - {{rule: a, when: {{type: b}}, points: 3, reset: [fit, engagement]}}\n"
        "  - {rule: c, when: {type: d}, reset: [engagement]}\n"
    ).rules
    assert (both.points, both.reset, both.gives) == (3.0, (1, 0), True)
    assert (alone.points, alone.reset, alone.gives) == (0.0, (0,), False)


def test_condition_on_event_and_attributes_waits_for_the_attributes() -> None:
    text = LEAST.replace("{type: page.viewed}", "{type: page.viewed, attributes.company.size: {at_least: 50}}")
    when = parse_model(text).rules[0].when
    assert when.is_mixed
    assert when.types == frozenset({"page.viewed"})
    residue = when.residue(event())
    assert when.settles(residue, {"company": {"size": 50}})
    assert not when.settles(residue, {"company": {"size": 49}})
    assert not when.settles(when.residue(event("other")), {"company": {"size": 50}})


def test_attributes_compare_text_without_case() -> None:
    text = LEAST.replace("{type: page.viewed}", "{attributes.title: [Founder, CEO]}")
    when = parse_model(text).rules[0].when
    assert when.is_fit
    assert [when.settles(0, {"title": title}) for title in ("ceo", "FOUNDER", "cfo", None, 5)] == [
        True,
        True,
        False,
        False,
        False,
    ]


QUALIFY = f"""\
{LEAST}  - {{rule: b, when: {{type: b}}, points: 0}}
qualify:
  when:
    seen: [{{rule: b, times: 3, within: 7d}}, {{rule: a}}]
    any:
      - attributes.country: [nl, be]
      - seen: {{rule: a, times: 1}}
  exclude: {{attributes.email: {{ends_with: "@Example.com"}}, not: {{seen: {{rule: a, times: 2}}}}}}
  require: [attributes.email, attributes.company.name]
  include: [attributes.company.name]
"""


def test_qualify_names_attributes_and_awards_seen() -> None:
    model = parse_model(QUALIFY)
    qualify = model.qualify
    assert qualify is not None
    assert model.seen == (Seen(1, 3, 7 * DAY), Seen(0, 1), Seen(0, 2))
    assert qualify.require == (("email",), ("company", "name"))
    assert qualify.include == (("company", "name"),)
    assert model.attributes == {"country", "email", "company"}


@pytest.mark.parametrize(
    ("country", "seen", "when"),
    [
        ("NL", (True, True, False), True),
        ("de", (True, True, False), True),  # the identical `seen` is the same one
        ("nl", (True, False, False), False),
        ("nl", (False, True, False), False),
    ],
)
def test_when_judges_facts(country: str, seen: tuple[bool, ...], when: bool) -> None:
    qualify = parse_model(QUALIFY).qualify
    assert qualify is not None
    now = reading(attributes={"country": country}, seen=seen)
    assert qualify.when.judge(now, now) is when


@pytest.mark.parametrize(
    ("email", "seen", "excluded"),
    [("jo@EXAMPLE.COM", False, True), ("jo@example.com", True, False), ("jo@example.org", False, False)],
)
def test_exclude_judges_facts(email: str, seen: bool, excluded: bool) -> None:
    qualify = parse_model(QUALIFY).qualify
    assert qualify is not None
    assert qualify.exclude is not None
    now = reading(attributes={"email": email}, seen=(False, False, seen))
    assert qualify.exclude.judge(now, now) is excluded


def test_attributes_of_rules_and_of_qualify_are_kept_by_their_first_name() -> None:
    text = LEAST.replace("{type: page.viewed}", "{any: [{attributes.a.b: 1}, {attributes.a.c: 1}, {type: x}]}")
    assert parse_model(text).attributes == {"a"}
    assert parse_model(LEAST).attributes == frozenset()


def test_as_many_attributes_as_are_kept_may_be_named() -> None:
    names = ", ".join(f"attributes.a{n}" for n in range(64))
    model = parse_model(f"{LEAST}qualify: {{when: {{score: {{at_least: 1}}}}, include: [{names}]}}\n")
    assert len(model.attributes) == 64


def same(one: Model, other: Model) -> bool:
    """Whether two models are equal but for compiled conditions, which are equal when the content is."""
    plain = [
        (m.name, m.version, m.digest, m.content, m.groups, m.tiers, m.seen, m.attributes, m.inactivity, m.feedback)
        for m in (one, other)
    ]
    return plain[0] == plain[1] and [rule.name for rule in one.rules] == [rule.name for rule in other.rules]


def test_content_is_the_file_as_json_in_its_own_order() -> None:
    assert parse_model(LEAST).content == (
        '{"model":"m","version":1,"rules":[{"rule":"a","when":{"type":"page.viewed"},"points":5}]}'
    )
    other = "version: 1\nmodel: m\nrules: [{points: 5, when: {type: page.viewed}, rule: 'a'}]"
    assert parse_model(other).digest == parse_model(LEAST).digest
    assert json.loads(parse_model(other).content) == json.loads(parse_model(LEAST).content)
    assert list(json.loads(parse_model(other).content)) == ["version", "model", "rules"]


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**14), 10**14),
    st.floats(-1e14, 1e14),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(
        ["\u2028", "\x85", "\x7f", "\ufeff", "a\n b", "\t", " x ", "#", "- a", "\U0001f600", "1", "null", "é"]
    ),
)


@given(st.lists(SCALARS, min_size=1, max_size=5), st.text(st.characters(exclude_categories=["Cs"]), max_size=9))
def test_content_can_be_read_again_and_is_then_the_same_model(values: list[object], name: str) -> None:
    """If this fails, a worker cannot take over the state of a model whose file is gone."""
    rule = {"rule": "a", "when": {"properties.x": values}, "points": 5, "once_per": f"properties.{name or 'n'}"}
    text = json.dumps({"version": 1, "model": "m", "rules": [rule]})
    if lint_model(text, "m"):
        return
    model = parse_model(text)
    again = parse_model(model.content)
    assert same(model, again)
    assert json.loads(model.content)["rules"][0]["when"]["properties.x"] == values


@pytest.mark.parametrize("number", ["0x" + "F" * 30, "9" * 30, "-0", "1e300", "0.1", "-0.0", "0o777", "1e-300"])
def test_numbers_of_the_content_are_those_of_the_file(number: str) -> None:
    model = parse_model(LEAST.replace("{type: page.viewed}", f"{{properties.n: {number}}}"))
    assert same(model, parse_model(model.content))


def test_content_too_long_to_be_read_again_is_refused() -> None:
    """A file may be shorter than its own JSON: text there has quotes."""
    values = ",".join(f"a{n}" for n in range(36_000))
    text = f"{HEAD}rules: [{{rule: a, when: {{properties.x: [{values}]}}, points: 5}}]\n"
    assert len(text.encode()) < 256 * 1024
    (found,) = lint_model(text, "m")
    assert found.code == "model.too_large"
