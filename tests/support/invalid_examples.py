"""The published examples of records that are no event, as bytes; see schemas/README.md for how they are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

FOLDER = Path(__file__).parents[2] / "schemas" / "lead-interaction" / "invalid"


class InvalidExample(NamedTuple):
    """One record, and what is said of it."""

    name: str
    key: bytes | None
    value: bytes | None
    code: str
    path: str


def load_invalid_examples() -> list[InvalidExample]:
    """Return every example, in the order of the index; each is refused on its own, whatever lies around it."""
    return [
        InvalidExample(case["name"], _key(case["key"]), _value(case), case["code"], case["path"])
        for case in load_index()
    ]


def load_index() -> list[dict[str, Any]]:
    """Return the index as it is written."""
    cases: list[dict[str, Any]] = YAML(typ="safe", pure=True).load(FOLDER / "cases.yaml")["cases"]
    return cases


def _key(key: str | dict[str, str] | None) -> bytes | None:
    if key is None:
        return None
    return key.encode() if isinstance(key, str) else bytes.fromhex(key["hex"])


def _value(case: dict[str, Any]) -> bytes | None:
    if "recipe" in case:
        recipe = case["recipe"]
        return str(recipe["before"] + recipe["repeat"] * recipe["times"] + recipe["after"]).encode()
    return (FOLDER / case["file"]).read_bytes() if "file" in case else None
