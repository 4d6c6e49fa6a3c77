from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from worker.contracts.event_decoding import decode_event
from worker.contracts.instants import MS_PER_DAY, MS_PER_SECOND, parse_instant
from worker.contracts.json_encoding import encode_json
from worker.demo.traffic import Event, company_events, weekday

MONDAY = parse_instant("2026-03-02T00:00:00Z")
DAYS = 60
Story = list[tuple[int, Event]]


@pytest.fixture(scope="module")
def story() -> Story:
    return list(company_events(seed=7, contacts=600, start_ms=MONDAY, end_ms=MONDAY + DAYS * MS_PER_DAY))


@pytest.mark.parametrize(
    ("day", "expected"), [("2026-03-02", 0), ("2026-03-08", 6), ("1970-01-01", 3), ("2001-01-01", 0), ("2024-02-29", 3)]
)
def test_weekday_is_that_of_the_calendar(day: str, expected: int) -> None:
    assert weekday(parse_instant(f"{day}T23:59:59.999Z")) == expected


def test_events_come_in_time_order_and_never_from_outside_the_simulated_time(story: Story) -> None:
    """An event from the future would be clamped, and the demo would show a lie."""
    instants = [at for at, _ in story]
    assert instants == sorted(instants)
    assert instants[0] >= MONDAY
    assert instants[-1] < MONDAY + DAYS * MS_PER_DAY
    assert all(parse_instant(event["occurred_at"]) == at for at, event in story)


def test_every_event_is_accepted_by_the_contract(story: Story) -> None:
    for _, event in story:
        decode_event(encode_json(event), event["contact_id"].encode())
    assert len({event["id"] for _, event in story}) == len(story)


def test_same_seed_tells_the_same_story_and_another_seed_another(story: Story) -> None:
    again, other = (
        list(company_events(seed=seed, contacts=600, start_ms=MONDAY, end_ms=MONDAY + DAYS * MS_PER_DAY))
        for seed in (7, 8)
    )
    assert again == story
    assert other != story


def test_story_has_every_kind_of_event_that_the_default_model_knows(story: Story) -> None:
    kinds = Counter(event["type"] for _, event in story)
    assert set(kinds) >= {
        "newsletter.subscribed", "form.submitted", "asset.downloaded", "webinar.registered", "webinar.attended", "demo.requested",
        "session.started", "page.viewed", "email.delivered", "email.opened", "email.clicked", "email.replied",
        "email.unsubscribed", "email.bounced", "sales.won", "sales.rejected", "sales.recycled",
    }  # fmt: skip
    paths = {event["properties"]["path"] for _, event in story if event["type"] == "page.viewed"}
    assert {"/pricing", "/careers"} <= paths


def test_machines_open_mails_within_seconds_of_their_delivery(story: Story) -> None:
    delivered = {
        (event["contact_id"], event["properties"]["message_id"]): at
        for at, event in story
        if event["type"] == "email.delivered"
    }
    by_machine = [(at, event) for at, event in story if event.get("machine")]
    assert by_machine
    for at, event in by_machine:
        since = at - delivered[event["contact_id"], event["properties"]["message_id"]]
        assert event["type"] == "email.opened"
        assert 0 < since <= 20 * MS_PER_SECOND


def test_nobody_gets_mail_after_a_hard_bounce_or_after_unsubscribing(story: Story) -> None:
    ended: dict[str, int] = {}
    for at, event in story:
        if event["type"] == "email.delivered":
            assert event["contact_id"] not in ended or at - ended[event["contact_id"]] < MS_PER_DAY
        if event["type"] in {"email.bounced", "email.unsubscribed", "email.spam_reported"}:
            ended[event["contact_id"]] = at
    assert ended


def test_sales_answers_only_for_leads_that_did_something_before(story: Story) -> None:
    acts: dict[str, Counter[str]] = defaultdict(Counter)
    answered = 0
    for _, event in story:
        if event["type"].startswith("sales."):
            answered += 1
            assert sum(acts[event["contact_id"]].values()) >= 1
        acts[event["contact_id"]][event["type"]] += 1
    assert answered


def test_company_without_contacts_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        company_events(seed=1, contacts=0, start_ms=MONDAY, end_ms=MONDAY)


def test_no_time_gives_no_events() -> None:
    assert not list(company_events(seed=1, contacts=5, start_ms=MONDAY, end_ms=MONDAY))
