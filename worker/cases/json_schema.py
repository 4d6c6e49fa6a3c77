"""JSON Schema of cases files, for editors: written from the very tables that read them, so that it cannot drift from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.cases.keys import ADJUST, CASE, CASES, EVENT, EXPECTATION, NUMBER, TRANSITION
from worker.scoring.file.fields import schema_of

if TYPE_CHECKING:
    from worker.scoring.file.fields import Schema, Section


def cases_schema() -> dict[str, Any]:
    """Return the schema, JSON Schema 2020-12. What only a model knows (its tiers, groups, rules) is left to `leadscore model test`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:leadscore:schema:scoring-cases:1",
        "title": "Cases of a scoring model",
        "description": "Stories about one contact each, with what the model must make of them; `leadscore model test` runs them.",
        **_section(CASES),
        "$defs": {
            "case": _section(CASE),
            "event": _section(EVENT, anyOf=[{"required": [name]} for name in ("type", "attributes", "adjust")]),
            "adjust": _section(ADJUST),
            "expectation": _section(EXPECTATION),
            "transition": _section(TRANSITION),
            "number": {"anyOf": [{"type": "number"}, _section(NUMBER)]},
        },
    }


def _section(section: Section, **more: object) -> Schema:
    """Return the schema of a mapping with the keys of *section*."""
    properties = {}
    for key in section:
        default = f" Default: {key.default}." if key.default else ""
        properties[key.name] = {**schema_of(key.read), "description": f"{key.doc}.{default}"}
    required = [key.name for key in section if key.is_required]
    base: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**base, **({"required": required} if required else {}), **more}
