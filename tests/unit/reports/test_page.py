from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from tests.support.small import DAY, START, event_value, rule, small_model
from worker.replay import Terms, batches_of, replay_history
from worker.reports.outcome import Watcher
from worker.reports.page import page_of
from worker.reports.report import make_report
from worker.scoring.model import Model

VOID = {"meta", "br", "link", "img", "input", "hr"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></svg><b>",
    "{{ 7 * 7 }}",
    "&lt;ok&amp;",
]
TIERS = {"cold": 0, "hot": 50}


def model(*, at_least: float = 50, names: Sequence[str] = ("act", "peek"), version: int = 1) -> Model:
    rules = [
        {"rule": name, "when": {"type": name}, "points": points} for name, points in zip(names, (60, 20), strict=True)
    ]
    return small_model(*rules, version=version, tiers=TIERS, qualify={"when": {"score": {"at_least": at_least}}})


def page(events: Sequence[bytes], this: Model, other: Model | None = None, sources: Sequence[str] = ()) -> str:
    happened = Watcher("won")
    sets = [[this]] if other is None else [[this], [other]]
    replays = replay_history(sets, batches_of([("", events)]), Terms(), watch=happened)
    beside = None if other is None else (other, replays[1])
    return page_of(make_report([this], replays[0], sources=sources, other=beside, happened=happened))


class Parsed(HTMLParser):
    """Tags that are opened and closed in order, their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def busy_history(contacts: Sequence[str]) -> list[bytes]:
    events = []
    for number, contact in enumerate(contacts):
        events.append(event_value("peek", START + number, contact=contact))
        events.append(event_value("act", START + (number + 1) * DAY, contact=contact))
        events.append(event_value("won", START + 30 * DAY, contact=contact))
    return events


@pytest.fixture(scope="module")
def full() -> str:
    return page(busy_history(["ann", "ben", *HOSTILE]), model(), model(at_least=20, version=2), ["history.jsonl.gz"])


def test_page_is_well_formed(full: str) -> None:
    parsed = Parsed(full)
    assert parsed.open == []
    assert full.startswith("<!doctype html>")
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for tag, attributes in parsed.tags if tag == "a"}
    assert links == {f"#{name}" for name in ids}


def test_page_loads_nothing_and_runs_nothing(full: str) -> None:
    """If this fails, opening a report tells somebody else that it was opened, or worse."""
    parsed = Parsed(full)
    assert {tag for tag, _ in parsed.tags} & {
        "script",
        "img",
        "link",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "image",
        "use",
    } == set()
    for _, attributes in parsed.tags:
        assert not [
            name for name in attributes if name.startswith("on") or name in {"src", "style", "srcset", "action"}
        ]
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\(|@import|https?:", full)


def test_policy_allows_the_style_by_its_hash_and_nothing_else(full: str) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", full, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policies = [
        attributes["content"]
        for tag, attributes in Parsed(full).tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]
    assert full.index("Content-Security-Policy") < full.index("<style>")


def test_hostile_contact_ids_are_shown_as_they_are(full: str) -> None:
    parsed = Parsed(full)
    for name in HOSTILE:
        assert name in parsed.texts


def test_hostile_rule_names_and_sources_are_shown_as_they_are() -> None:
    hostile = model(names=HOSTILE[:2])
    events = [event_value(name, START + n, contact="c") for n, name in enumerate(HOSTILE[:2])]
    parsed = Parsed(page(events, hostile, sources=HOSTILE))
    assert parsed.open == []
    for name in HOSTILE:
        assert name in parsed.texts
    assert {tag for tag, _ in parsed.tags} & {"script", "img", "b"} == {"b"}  # the tiles' own


def test_sections_say_what_happened(full: str) -> None:
    """Seven contacts: 20 points at once, 60 more a day or more later, the outcome after a month."""
    text = Parsed(full).text
    assert "small version 1 beside small version 2" in text
    for said in (
        "7 contacts with anything the model looks at",
        "7 became sales-ready",
        "hot 7, cold 0",
        "How scores are spread",
        "What sales was told, week by week",
        "Gained and lost",
        "7 told earlier, median 4.0 days",
        "Tiers at the end",
        "What really happened",
        "100.0% precision",
        "1.00 lift",
        "Base rate",
        "history.jsonl.gz",
    ):
        assert said in text, said


def test_plots_have_a_bar_for_each_week_that_has_any(full: str) -> None:
    """Seven acts from 2 to 8 January 2026, Friday to Thursday: two weeks."""
    titles = re.findall(r'<rect class="ready"[^>]*><title>(.*?)</title>', full)
    assert titles[:2] == ["2025-12-29 to 2026-01-04: 3 ready", "2026-01-05 to 2026-01-11: 4 ready"]


def test_page_without_diff_outcome_and_transitions_stands() -> None:
    (replay,) = replay_history([[model()]], batches_of([("", [event_value("peek")])]), Terms())
    parsed = Parsed(page_of(make_report([model()], replay)))
    assert parsed.open == []
    assert "Nobody became ready." in parsed.text
    assert "Gained and lost" not in parsed.text
    assert "What really happened" not in parsed.text


def test_page_of_contacts_without_points_stands() -> None:
    idle = small_model(rule("act", 1), inactivity=[{"after": "30d", "points": -1}])
    (replay,) = replay_history([[idle]], batches_of([("", [event_value("other")])]), Terms())
    parsed = Parsed(page_of(make_report([idle], replay)))
    assert "No contact ever had points under this model." in parsed.text


def test_outcome_that_never_happened_is_said_to_be_so() -> None:
    assert "Nobody came to the outcome" in Parsed(page([event_value("act")], model())).text


def test_same_history_gives_the_same_bytes() -> None:
    events = busy_history(["ann", "ben"])
    assert page(events, model()) == page(events, model())


def test_models_of_one_name_and_version_are_told_apart_by_their_digests() -> None:
    this, other = model(), model(at_least=20)
    text = Parsed(page(busy_history(["ann"]), this, other)).text
    assert f"small version 1 ({this.digest[:8]}) beside small version 1 ({other.digest[:8]})" in text
