"""What the worker emits is what its schemas promise, field by field, in both directions."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.published import SCHEMAS, examples, load_json, validator
from worker.contracts.dead_letter import dead_letter_headers
from worker.contracts.score import ScoreRow, encode_scores
from worker.contracts.transition import (
    EventSource,
    Reason,
    Transition,
    encode_transition,
    transition_headers,
    transition_id,
)

QUALIFICATION = validator("lead-qualification/v1.schema.json")
SCORE = validator("lead-score/v1.schema.json")
JSON_TYPES: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    types.NoneType: "null",
}


def _struct_types(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Return the JSON type of each field; one that may be None is left out of what we emit, so None does not count."""
    found = {}
    for name, hint in get_type_hints(struct).items():
        choices = set(get_args(hint)) - {types.NoneType} if get_origin(hint) in {Union, types.UnionType} else {hint}
        (choice,) = choices
        if get_origin(choice) is Literal:
            choice = str
        elif isinstance(choice, type) and issubclass(choice, msgspec.Struct):
            choice = dict
        found[name] = JSON_TYPES[get_origin(choice) or choice]
    return found


def _schema_types(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, str]:
    found = {}
    for name, written in schema["properties"].items():
        target = root["$defs"][written["$ref"].rsplit("/", 1)[1]] if "$ref" in written else written
        found[name] = target.get("type", "string")  # const and enum are of text here
    return found


@pytest.mark.parametrize(
    ("struct", "schema", "steps"),
    [
        (Transition, "lead-qualification", ()),
        (EventSource, "lead-qualification", ("properties", "event")),
        (Reason, "lead-qualification", ("properties", "reasons", "items")),
        (ScoreRow, "lead-score", ("$defs", "row")),
    ],
)
def test_struct_and_schema_have_equal_fields(struct: type[msgspec.Struct], schema: str, steps: tuple[str, ...]) -> None:
    root = load_json(SCHEMAS / schema / "v1.schema.json")
    node = root
    for step in steps:
        node = node[step]
    assert node["additionalProperties"] is False
    assert _struct_types(struct) == _schema_types(node, root)
    required = {field.name for field in msgspec.structs.fields(struct) if field.required}
    assert required | ({"schema"} if struct is Transition else set()) == set(node["required"])


@pytest.mark.parametrize("path", examples("lead-qualification", "valid"), ids=lambda path: path.stem)
def test_published_transition_is_what_the_struct_writes(path: Any) -> None:
    transition = msgspec.convert(load_json(path), Transition)
    assert msgspec.json.decode(encode_transition(transition)) == load_json(path)


@pytest.mark.parametrize("path", examples("lead-score", "valid"), ids=lambda path: path.stem)
def test_published_scores_are_what_the_struct_writes(path: Any) -> None:
    rows = msgspec.convert(load_json(path)["models"], dict[str, ScoreRow])
    assert msgspec.json.decode(encode_scores(rows)) == load_json(path)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
INSTANTS = st.datetimes().map(lambda at: f"{at.year:04}" + at.isoformat(timespec="milliseconds")[4:] + "Z")
COUNTS = st.integers(1, 2**53)
NAMES = st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
REASONS = st.builds(
    Reason, rule=TEXT, points=NUMBERS, awarded=NUMBERS, count=st.integers(0, 999), last_at=st.none() | INSTANTS
)
SOURCES = st.builds(EventSource, id=TEXT, topic=TEXT, partition=st.integers(0, 999), offset=st.integers(0, 2**62))


@st.composite
def transitions(draw: st.DrawFn) -> Transition:
    """Every shape that sales may see: by an event, by time alone, by a new version of a model, after an erasure."""
    cause = draw(st.sampled_from(["form.submitted", "timer", "model.changed", "contact.erased"]))
    kinds: list[Any] = ["lead.cooled"] if cause == "contact.erased" else ["lead.cooled", "lead.tier_changed"]
    kind = draw(
        st.sampled_from([*kinds, "lead.sales_ready"] if cause in {"form.submitted", "model.changed"} else kinds)
    )
    contact_id, model, number = draw(TEXT), draw(NAMES), draw(COUNTS)
    epoch = draw(st.none() | COUNTS)
    facts: dict[str, Any] = {}
    if cause != "contact.erased":
        tiers = kind == "lead.tier_changed" or draw(st.booleans())
        ready = kind == "lead.sales_ready" or draw(st.booleans())
        facts = {
            "score": draw(NUMBERS),
            "tier": draw(TEXT) if tiers else None,
            "groups": draw(st.dictionaries(TEXT, NUMBERS, max_size=3)),
            "previous_score": draw(NUMBERS),
            "previous_tier": draw(TEXT) if tiers else None,
            "first_ready_at": draw(INSTANTS) if ready else None,
            "last_ready_at": draw(INSTANTS) if ready else None,
            "event": draw(SOURCES) if cause == "form.submitted" else None,
            "reasons": draw(st.lists(REASONS, max_size=3)),
            "attributes": draw(
                st.none() | st.dictionaries(TEXT, st.none() | TEXT | st.integers(-(2**70), 2**70), max_size=3)
            ),
        }
    return Transition(
        id=transition_id(contact_id, model, epoch or 0, number, kind),
        kind=kind,
        contact_id=contact_id,
        model=model,
        version=draw(COUNTS),
        digest=draw(DIGESTS),
        epoch=epoch,
        sequence=number,
        cause=cause,
        at=draw(INSTANTS),
        **facts,
    )


@given(transitions())
def test_every_transition_passes_its_schemas_and_reads_back(transition: Transition) -> None:
    value = encode_transition(transition)
    QUALIFICATION.validate(msgspec.json.decode(value))
    assert msgspec.json.decode(value, type=Transition) == transition
    headers = {name: told.decode() for name, told in transition_headers(transition)}
    validator("lead-qualification/headers-v1.schema.json").validate(headers)


ROWS = st.builds(
    ScoreRow,
    score=NUMBERS,
    groups=st.dictionaries(TEXT, NUMBERS, max_size=3),
    status=st.sampled_from(["open", "held", "ready", "resting", "waiting", "closed"]),
    as_of=INSTANTS,
    version=COUNTS,
    digest=DIGESTS,
    tier=st.none() | TEXT,
    next_due=st.none() | INSTANTS,
)


@given(st.dictionaries(NAMES, ROWS, min_size=1, max_size=3))
def test_every_score_row_passes_its_schema_and_reads_back(rows: dict[str, ScoreRow]) -> None:
    document = msgspec.json.decode(encode_scores(rows))
    SCORE.validate(document)
    assert msgspec.convert(document["models"], dict[str, ScoreRow]) == rows


@pytest.mark.parametrize("code", ["event.null_value", "event.not_json", "event.misplaced"])
def test_dead_letter_headers_pass_their_schema(code: str) -> None:
    headers = dead_letter_headers(
        [("received", b"1")], code=code, path="$", problem="some", topic="t", partition=0, offset=0, timestamp_ms=-1
    )
    validator("dead-letter/v1.schema.json").validate({name: value.decode() for name, value in headers})
