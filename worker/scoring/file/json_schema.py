"""JSON Schema of model files, for editors: written from the very tables that read them, so that it cannot drift from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from worker.scoring.file.attribute_paths import PATTERN
from worker.scoring.file.awards import LIMIT
from worker.scoring.file.fading import DECAY, DRAIN, PERCENT
from worker.scoring.file.field_tests import TEXT_OPERATORS
from worker.scoring.file.fields import Schema, Section, defined, schema_of
from worker.scoring.file.idleness import ACTIVITY, INACTIVITY
from worker.scoring.file.model_keys import MODEL, SCORE
from worker.scoring.file.rules import GROUP, NOT_IN_FIT_RULES, NOT_WITHOUT_POINTS, RULE
from worker.scoring.file.sales import FEEDBACK, QUALIFY
from worker.scoring.file.state_when import SEEN
from worker.scoring.operators import OPERATORS
from worker.scoring.state_conditions import SPAN_OPERATORS

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCALAR: Schema = {"type": ["string", "number", "boolean", "null"]}
_TEXT: Schema = {"type": "string", "minLength": 1}
_PROPERTY = r"^properties(\.[^.]+)+$"


def model_schema() -> dict[str, Any]:
    """Return the schema, JSON Schema 2020-12. What only the whole file shows (names, tiers, ranges of durations) is left to `lint`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:leadscore:schema:scoring-model:1",
        "title": "Scoring model",
        "description": "What a lead is worth and when sales is told. `leadscore model lint` checks what a schema cannot say.",
        **_section(MODEL),
        "$defs": {**_values(), **_tests(), **_conditions(), **_sections()},
    }


def _section(section: Section, **more: object) -> dict[str, Any]:
    """Return the schema of a mapping with the keys of *section*."""
    properties = {}
    for key in section:
        default = f" Default: {key.default}." if key.default else ""
        properties[key.name] = {**schema_of(key.read), "description": f"{key.doc}.{default}"}
    required = [key.name for key in section if key.is_required]
    base: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**base, **({"required": required} if required else {}), **more}


def _any_of(*names: str) -> list[Schema]:
    return [{"required": [name]} for name in names]


def _values() -> dict[str, Schema]:
    field = {"type": "string", "pattern": rf"^(type|source)$|{_PROPERTY}"}
    return {
        "duration": {
            "type": "string",
            "pattern": "^(0|[1-9][0-9]{0,8})[smhdw]$",
            "description": "A whole number and a unit: 45s, 30m, 12h, 14d, 2w.",
        },
        "once_per": {
            "oneOf": [
                {"const": "contact"},
                field,
                {"type": "array", "items": field, "minItems": 1, "uniqueItems": True},
            ]
        },
    }


def _sections() -> dict[str, Schema]:
    """Return the definition of each part of a file that is a mapping with keys of its own."""
    fit = {"properties": {"when": {"propertyNames": {"pattern": PATTERN}}}, "required": ["when"]}
    no_fit = {"properties": dict.fromkeys(NOT_IN_FIT_RULES, False), "required": ["points"]}
    return {
        "score": _section(SCORE),
        "group": _section(GROUP, dependentSchemas={"drain": {"properties": {"decay": False}}}),
        "rule": {
            **_section(RULE),
            "anyOf": _any_of("points", "reset"),
            "dependentRequired": {name: ["points"] for name in NOT_WITHOUT_POINTS},
            "if": fit,
            "then": no_fit,
        },
        "limit": _section(LIMIT, oneOf=_any_of("within", "per")),
        "decay": {"oneOf": [{"const": "none"}, _section(DECAY, minProperties=1, maxProperties=1)]},
        "percent": _section(PERCENT),
        "drain": _section(DRAIN),
        "activity": _section(ACTIVITY, minProperties=1, maxProperties=1),
        "step": _section(INACTIVITY, anyOf=_any_of("points", "multiply", "reset")),
        "qualify": _section(QUALIFY),
        "seen": _section(SEEN),
        "feedback": _section(
            FEEDBACK, anyOf=_any_of("points", "reset", "latch"), dependentRequired={"group": ["points"]}
        ),
    }


def _tests() -> dict[str, Schema]:
    kinds: dict[str, Schema] = {
        "scalar": _SCALAR,
        "list": {"type": "array", "items": _SCALAR, "minItems": 1},
        "number": {"type": "number"},
        "text": _TEXT,
        "member": {"type": ["string", "number", "boolean"]},
        "boolean": {"type": "boolean"},
    }
    text_or_null: Schema = {"type": ["string", "null"]}
    text_kinds = {
        **kinds,
        "scalar": text_or_null,
        "list": {"type": "array", "items": text_or_null, "minItems": 1},
        "member": _TEXT,
    }
    return {
        "test": _test(OPERATORS, kinds, _SCALAR),
        "text_test": _test(TEXT_OPERATORS, text_kinds, text_or_null),
        "number_test": _span_test({"type": "number"}),
        "tier_test": _span_test(_TEXT),
    }


def _test(names: Iterable[str], kinds: Mapping[str, Schema], scalar: Schema) -> Schema:
    operators = {
        name: {**kinds[OPERATORS[name].operand], "description": f"Holds when the field is {OPERATORS[name].doc}."}
        for name in names
    }
    return _any_test(scalar, operators)


def _span_test(scalar: Schema) -> Schema:
    many = {"type": "array", "items": scalar, "minItems": 1}
    return _any_test(scalar, {name: many if name.endswith("in") else scalar for name in SPAN_OPERATORS})


def _any_test(scalar: Schema, operators: Mapping[str, Schema]) -> Schema:
    return {
        "description": "A value (equal), a list (one of), or operators, all of which must hold.",
        "anyOf": [
            scalar,
            {"type": "array", "items": scalar, "minItems": 1},
            {"type": "object", "properties": dict(operators), "additionalProperties": False, "minProperties": 1},
        ],
    }


def _conditions() -> dict[str, Schema]:
    seen = {"oneOf": [defined("seen"), {"type": "array", "items": defined("seen"), "minItems": 1}]}
    return {
        "event_condition": _condition(
            "event_condition",
            {"type": defined("text_test"), "source": defined("text_test")},
            {_PROPERTY: defined("test"), PATTERN: defined("test")},
        ),
        "state_condition": _condition(
            "state_condition",
            {"score": defined("number_test"), "tier": defined("tier_test"), "seen": seen},
            {r"^groups\..+$": defined("number_test"), PATTERN: defined("test")},
        ),
    }


def _condition(name: str, fields: Mapping[str, Schema], patterns: Mapping[str, Schema]) -> Schema:
    many = {"type": "array", "items": defined(name), "minItems": 1}
    return {
        "type": "object",
        "description": "All parts must hold; `all`, `any` and `not` combine conditions.",
        "properties": {**fields, "all": many, "any": many, "not": defined(name)},
        "patternProperties": dict(patterns),
        "additionalProperties": False,
        "minProperties": 1,
    }
