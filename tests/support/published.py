"""The published schemas and examples, read as a consumer in another language would read them."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from ruamel.yaml import YAML

SCHEMAS = Path(__file__).parents[2] / "schemas"

_DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
formats = FormatChecker(["uuid"])


@formats.checks("date-time")
def _is_date_time(value: object) -> bool:
    """Judge the part that patterns leave over: whether the day exists."""
    if not isinstance(value, str):
        return True
    match = _DATE_TIME.fullmatch(value)
    if match is None:
        return False
    try:
        date.fromisoformat(match[1])
    except ValueError:
        return False
    return True


def validator(schema: str) -> Draft202012Validator:
    """Return a validator, formats included, of the schema at *schema* below schemas/."""
    return Draft202012Validator(load_json(SCHEMAS / schema), format_checker=formats)


def load_json(path: Path) -> Any:
    """Return what *path* holds."""
    return json.loads(path.read_text("utf-8"))


def load_yaml(path: Path) -> Any:
    """Return what *path* holds, strictly: repeated keys fail."""
    return YAML(typ="safe", pure=True).load(path)


def examples(message: str, kind: str) -> list[Path]:
    """Return the JSON files of *kind*, `valid` or `invalid`, of *message*; there is always one."""
    found = sorted((SCHEMAS / message / kind).glob("*.json"))
    assert found, f"no {kind} example of {message}"
    return found
