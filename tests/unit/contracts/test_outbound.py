"""What we emit, to the byte: a repeat after a crash must be the same bytes, in this release and the next."""

from __future__ import annotations

from uuid import UUID, uuid5

import pytest

from worker.contracts.dead_letter import dead_letter_headers
from worker.contracts.json_encoding import encode_json
from worker.contracts.score import ScoreRow, encode_scores
from worker.contracts.transition import (
    EventSource,
    Reason,
    Transition,
    encode_transition,
    transition_headers,
    transition_id,
)

DIGEST = "ab" * 32
AT = "2026-03-29T22:30:00.000Z"
READY = Transition(
    id="7694c107-820e-5b3d-a316-1bfd50f3f855",
    kind="lead.sales_ready",
    contact_id="żółw|1",
    model="simple-100",
    version=1,
    digest=DIGEST,
    epoch=1_777_593_600_000,
    sequence=2,
    cause="webinar.attended",
    score=105.0,
    tier="hot",
    groups={"fit": 0.0, "engagement": 105.0},
    previous_score=12.5,
    previous_tier="cold",
    at=AT,
    first_ready_at=AT,
    last_ready_at=AT,
    event=EventSource(id="evt-6", topic="lead-interactions", partition=2, offset=41),
    reasons=[
        Reason(rule="form", points=39.999, awarded=40.0, count=2, last_at=AT),
        Reason(rule="inactivity", points=-20.0, awarded=-20.0, count=1),
    ],
    attributes={"email": "jane@example.com", "company": None, "revenue": 2**70},
)
READY_BYTES = (
    '{"at":"2026-03-29T22:30:00.000Z",'
    '"attributes":{"company":null,"email":"jane@example.com","revenue":1180591620717411303424},'
    '"cause":"webinar.attended","contact_id":"żółw|1",'
    '"digest":"abababababababababababababababababababababababababababababababab",'
    '"epoch":1777593600000,'
    '"event":{"id":"evt-6","offset":41,"partition":2,"topic":"lead-interactions"},'
    '"first_ready_at":"2026-03-29T22:30:00.000Z",'
    '"groups":{"engagement":105.0,"fit":0.0},'
    '"id":"7694c107-820e-5b3d-a316-1bfd50f3f855","kind":"lead.sales_ready",'
    '"last_ready_at":"2026-03-29T22:30:00.000Z","model":"simple-100",'
    '"previous_score":12.5,"previous_tier":"cold",'
    '"reasons":[{"awarded":40.0,"count":2,"last_at":"2026-03-29T22:30:00.000Z","points":39.999,"rule":"form"},'
    '{"awarded":-20.0,"count":1,"points":-20.0,"rule":"inactivity"}],'
    '"schema":"lead-qualification/1","score":105.0,"sequence":2,"tier":"hot","version":1}'
)


def test_transition_has_these_bytes() -> None:
    assert encode_transition(READY).decode() == READY_BYTES


def test_transition_after_an_erasure_has_nothing_of_the_contact_but_its_id() -> None:
    erased = Transition(
        id=READY.id,
        kind="lead.cooled",
        contact_id="c1",
        model="m",
        version=3,
        digest=DIGEST,
        sequence=1,
        cause="contact.erased",
        at=AT,
    )
    assert encode_transition(erased).decode() == (
        f'{{"at":"{AT}","cause":"contact.erased","contact_id":"c1","digest":"{DIGEST}","id":"{READY.id}",'
        '"kind":"lead.cooled","model":"m","schema":"lead-qualification/1","sequence":1,"version":3}'
    )


def test_transition_headers_are_cloudevents_in_binary_mode() -> None:
    assert transition_headers(READY) == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"7694c107-820e-5b3d-a316-1bfd50f3f855"),
        ("ce_type", b"lead.sales_ready"),
        ("ce_source", b"/leadscore/worker"),
        ("ce_time", b"2026-03-29T22:30:00.000Z"),
        ("ce_subject", "żółw|1".encode()),
        ("content-type", b"application/json"),
    ]


def test_transition_headers_tell_of_the_contact_only_its_id() -> None:
    """Headers are logged and traced by tools that nobody told about privacy."""
    told = b" ".join(value for name, value in transition_headers(READY) if name != "ce_subject")
    for secret in ("żółw", "jane", "example.com", "evt-6", "webinar", "105"):
        assert secret.encode() not in told


@pytest.mark.parametrize(
    ("contact_id", "number", "kind", "expected"),
    [
        # SHA-1 of the namespace's 16 bytes and the text, by hand; never to change, consumers know repeats by it.
        ("c1", 1, "lead.sales_ready", "7694c107-820e-5b3d-a316-1bfd50f3f855"),
        ("c1", 2, "lead.sales_ready", "228d797b-86d7-5b19-a58b-e5b0a2dcb873"),
        ("c1", 1, "lead.cooled", "56b7fd0c-c7f2-53d6-ac7c-5f1b2ffe692a"),
        ("żółw", 1, "lead.sales_ready", "6f5fb939-3442-52f6-b8e7-3c1fee01bed9"),
    ],
)
def test_transition_id_is_the_same_in_every_release(contact_id: str, number: int, kind: str, expected: str) -> None:
    assert transition_id(contact_id, "simple-100", 0, number, kind) == expected


def test_transition_id_is_a_uuid_of_the_five_joined_by_bars() -> None:
    namespace = UUID("5f0c2b5e-6a0d-5d3e-9b7c-3d1f0a6e8c41")
    expected = uuid5(namespace, "c1|b2b-fit|1777593600000|7|lead.tier_changed")
    assert transition_id("c1", "b2b-fit", 1_777_593_600_000, 7, "lead.tier_changed") == str(expected)


def test_scores_have_these_bytes() -> None:
    hot = ScoreRow(
        score=77.5,
        tier="hot",
        groups={"b": 2.0, "a": 75.5},
        status="ready",
        as_of=AT,
        next_due=AT,
        version=1,
        digest=DIGEST,
    )
    plain = ScoreRow(score=0.0, groups={}, status="open", as_of=AT, version=2, digest=DIGEST)
    assert encode_scores({"simple-100": hot, "b2b-fit": plain}).decode() == (
        '{"models":{'
        f'"b2b-fit":{{"as_of":"{AT}","digest":"{DIGEST}","groups":{{}},"score":0.0,"status":"open","version":2}},'
        f'"simple-100":{{"as_of":"{AT}","digest":"{DIGEST}","groups":{{"a":75.5,"b":2.0}},'
        f'"next_due":"{AT}","score":77.5,"status":"ready","tier":"hot","version":1}}'
        '},"schema":"lead-score/1"}'
    )


def test_dead_letter_headers_are_those_received_then_where_it_lay_and_why() -> None:
    received = [
        ("traceparent", b"00-1"),
        ("x", b"\xff\x00"),
        ("traceparent", b"00-2"),
        ("leadscore.error.code", b"event.bad_time"),
    ]
    told = dead_letter_headers(
        received,
        code="event.bad_field",
        path="$.properties.points",
        problem="it is beyond ±1,000,000",
        topic="lead-interactions",
        partition=2,
        offset=2**40,
        timestamp_ms=1_774_823_400_000,
    )
    assert told == [
        *received,
        ("__connect.errors.topic", b"lead-interactions"),
        ("__connect.errors.partition", b"2"),
        ("__connect.errors.offset", b"1099511627776"),
        ("__connect.errors.connector.name", b"leadscore"),
        ("__connect.errors.exception.class.name", b"worker.errors.EventRefused"),
        (
            "__connect.errors.exception.message",
            "event.bad_field at $.properties.points: it is beyond ±1,000,000".encode(),
        ),
        ("leadscore.error.code", b"event.bad_field"),
        ("leadscore.error.path", b"$.properties.points"),
        ("leadscore.error.record_time", b"1774823400000"),
    ]
    assert received[0] == ("traceparent", b"00-1")


def test_json_sorts_keys_at_every_level_and_keeps_nulls_and_long_integers() -> None:
    value = {"b": [{"z": None, "a": 2**64}], "a": -(2**63) - 1, "é": "\u2028", "c": (1.5, 2**64 - 1, True)}
    expected = '{"a":-9223372036854775809,"b":[{"a":18446744073709551616,"z":null}],"c":[1.5,18446744073709551615,true],"é":"\u2028"}'
    assert encode_json(value) == expected.encode()


def test_json_raises_for_what_is_no_json() -> None:
    with pytest.raises(TypeError):
        encode_json({"a": object()})
