"""The schema of an event, its examples and the decoder decide alike."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.support.invalid_examples import InvalidExample, load_index, load_invalid_examples
from tests.support.published import SCHEMAS, examples, load_json, validator
from worker.contracts.event import Event
from worker.contracts.event_decoding import decode_event
from worker.errors import EventRefused

SCHEMA = validator("lead-interaction/v1.schema.json")
INVALID = load_invalid_examples()
CODES = {
    "event.null_value",
    "event.too_large",
    "event.too_deep",
    "event.not_json",
    "event.not_object",
    "event.missing_field",
    "event.bad_field",
    "event.bad_time",
    "event.key_mismatch",
}
# Worked by hand from days since 1970.
OCCURRED = {
    "instant-is-a-leap-second": 17_167 * 86_400_000,  # 2017-01-01
    "instant-is-the-earliest": 7_305 * 86_400_000,  # 1990-01-01
    "instant-is-the-latest": 47_482 * 86_400_000 - 1,  # the ms before 2100-01-01
    "instant-with-nanoseconds": 1_774_823_399_999,
}


@pytest.mark.parametrize("path", examples("lead-interaction", "valid"), ids=lambda path: path.stem)
def test_valid_example_decodes_with_and_without_its_key(path: Path) -> None:
    document = load_json(path)
    value = path.read_bytes()
    event = decode_event(value, document["contact_id"].encode())
    assert event == decode_event(value, None)
    assert event.occurred_at == OCCURRED.get(path.stem, 1_774_823_400_000)
    for name in ("id", "contact_id", "type", "source"):
        assert getattr(event, name) == document.get(name)
    assert event.machine is bool(document.get("machine"))
    assert event.properties == (document.get("properties") or {})


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case.name)
def test_invalid_example_is_refused_with_its_code_and_path(case: InvalidExample) -> None:
    with pytest.raises(EventRefused) as refused:
        decode_event(case.value, case.key)
    assert (refused.value.event_code, refused.value.path) == (case.code, case.path)


def test_invalid_examples_cover_every_code() -> None:
    assert len({case.name for case in INVALID}) == len(INVALID) >= 21
    assert set(Counter(case.code for case in INVALID)) == CODES


def test_schema_refuses_the_invalid_examples_that_a_schema_can_refuse() -> None:
    values = {case.name: case.value for case in INVALID}
    for case in load_index():
        try:
            document = json.loads(values[case["name"]] or b"", parse_constant=lambda _: float("nan"))
        except (UnicodeDecodeError, ValueError, RecursionError):
            assert "schema" not in case, case["name"]
            continue
        if "schema" in case:
            assert SCHEMA.is_valid(document) is not case["schema"], case["name"]


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case.name)
def test_refusal_repeats_no_value(case: InvalidExample) -> None:
    """Headers of dead letters and log lines carry it; contact data must not travel there."""
    with pytest.raises(EventRefused) as refused:
        decode_event(case.value, case.key)
    for secret in ("contact-", "evt-", "jane", "example.com", "yesterday", "trade", "page.viewed", "\ud800"):
        assert secret not in str(refused.value)


def test_event_has_exactly_the_fields_of_the_schema() -> None:
    schema = load_json(SCHEMAS / "lead-interaction" / "v1.schema.json")
    fields = {field.name: field for field in msgspec.structs.fields(Event)}
    assert set(fields) == set(schema["properties"])
    assert {name for name, field in fields.items() if field.required} == set(schema["required"])
    json_types = {
        "id": {"string"},
        "contact_id": {"string"},
        "type": {"string"},
        "source": {"string", "null"},
        "machine": {"boolean"},  # null is read as false
        "properties": {"object"},  # null is read as {}
    }
    told = msgspec.json.schema(Event)["$defs"]["Event"]["properties"]
    for name, types in json_types.items():
        ours = told[name].get("type") or {choice["type"] for choice in told[name]["anyOf"]}
        assert ({ours} if isinstance(ours, str) else ours) == types
        written = schema["properties"][name]
        written = schema["$defs"]["id"]["type"] if "$ref" in written else written["type"]
        assert set([written] if isinstance(written, str) else written) - {"null"} == types - {"null"}


IDS: st.SearchStrategy[Any] = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=130),
    st.sampled_from(["", "a\x00", "a\x7f", "a\x85", "x" * 128, "x" * 129, 1, None, True, [], {}]),
)
TYPES = st.sampled_from(
    [
        "page.viewed",
        "score.adjusted",
        "sales.won",
        "sales.recycled",
        "sales.called",
        "contact.updated",
        "contact.erased",
    ]
)
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.integers(0, 2**31).map(lambda n: n + 0.5), st.text(max_size=5)
    ),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)
INSTANTS: st.SearchStrategy[Any] = st.one_of(
    st.builds(
        "{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}{}{}".format,
        st.sampled_from([0, 1970, 1988, 1991, 2024, 2026, 2098, 2101]),
        st.integers(0, 13),
        st.integers(0, 32),
        st.sampled_from("Tt "),
        st.integers(0, 24),
        st.integers(0, 60),
        st.integers(0, 59),
        st.sampled_from(["", ".", ".1", ".123", ".123456789", ",5"]),
        st.sampled_from(["Z", "z", "", "+01:00", "-23:59", "+24:00", "+0100"]),
    ),
    st.sampled_from([631_151_999_999, 631_152_000_000, 4_102_444_799_999, 4_102_444_800_000, 0, -1, 2**64, 2**200]),
    st.sampled_from([True, None, 1.5, [], {}, "", "now", "1774823400000"]),
    st.datetimes().map(lambda at: at.replace(year=min(max(at.year, 1990), 2098)).isoformat() + "Z"),
)


def _fields(**of: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with each field there or not, and one that nobody knows."""
    return st.fixed_dictionaries({}, optional={**of, "unknown": JSON})


PROPERTIES = st.one_of(
    _fields(
        points=st.sampled_from([0, 5, -12.5, 1_000_000, 1_000_001, -1_000_000, -1_000_000.5, True, "5", None]) | JSON,
        reason=st.just("call") | JSON,
        author=st.text() | JSON,
        group=st.text() | JSON,
        expires_at=INSTANTS,
        sequence=JSON,
        model=st.text() | JSON,
    ),
    JSON,
)
DOCUMENTS = st.one_of(
    _fields(
        id=IDS, contact_id=IDS, type=TYPES | IDS, occurred_at=INSTANTS, source=JSON, machine=JSON, properties=PROPERTIES
    ),
    st.builds(
        # All but the properties are good, so that these decide.
        lambda event_type, properties: {**GOOD, "type": event_type, "properties": properties},
        TYPES,
        _fields(
            points=st.integers(-2_000_000, 2_000_000),
            reason=st.text(),
            expires_at=INSTANTS,
            sequence=JSON,
            model=st.text(),
        ),
    ),
    st.builds(lambda occurred_at: {**GOOD, "occurred_at": occurred_at}, INSTANTS),
    st.builds(lambda contact_id: {**GOOD, "contact_id": contact_id}, IDS),
    JSON,
)
GOOD: dict[str, Any] = {"id": "1", "contact_id": "c", "type": "page.viewed", "occurred_at": 1_774_823_400_000}


def _decoder_says(document: object) -> bool:
    try:
        decode_event(json.dumps(document, ensure_ascii=False).encode(), None)
    except EventRefused:
        return False
    return True


def _letters_and_bytes_differ(document: object) -> bool:
    return isinstance(document, dict) and any(
        isinstance(text := document.get(name), str) and len(text) <= 128 < len(text.encode())
        for name in ("id", "contact_id", "type")
    )


@given(DOCUMENTS)
@example(GOOD)
def test_schema_and_decoder_judge_documents_alike(document: object) -> None:
    """The rules that a schema cannot say are left out here, and each has an example of its own with `schema: false`."""
    assume(not _letters_and_bytes_differ(document))
    assert _decoder_says(document) is SCHEMA.is_valid(document)


def test_generated_documents_are_of_both_kinds() -> None:
    """Otherwise the test above could agree about nothing."""
    verdicts: Counter[Literal["taken", "refused"]] = Counter()

    @given(DOCUMENTS)
    def count(document: object) -> None:
        verdicts["taken" if _decoder_says(document) else "refused"] += 1

    count()
    assert verdicts["taken"] >= 3
    assert verdicts["refused"] >= 3
