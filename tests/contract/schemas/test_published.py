"""The folder schemas/ holds together: nothing is unreferenced, nothing contradicts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support.published import SCHEMAS, examples, load_json, load_yaml, validator

MESSAGES = ("lead-interaction", "lead-qualification", "lead-score", "dead-letter")
OUTBOUND = ("lead-qualification", "lead-score", "dead-letter")
MODEL = "scoring-model"  # a file, no message: tests of its own in test_model_schema.py
SCHEMA_FILES = sorted(SCHEMAS.rglob("*.schema.json"))
TOPICS = {topic["name"]: topic for topic in load_yaml(SCHEMAS / "topics.yaml")["topics"]}
ASYNCAPI = load_yaml(SCHEMAS / "asyncapi.yaml")


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _at(document: Any, pointer: str) -> Any:
    for step in pointer.removeprefix("#/").split("/"):
        document = document[step]
    return document


@pytest.mark.parametrize("path", SCHEMA_FILES, ids=lambda path: str(path.relative_to(SCHEMAS)))
def test_schema_is_json_schema_2020_12_and_its_references_lead_somewhere(path: Path) -> None:
    schema = load_json(path)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)
    for reference in _references(schema):
        assert isinstance(_at(schema, reference), dict)


def test_schema_ids_are_unique() -> None:
    ids = [load_json(path)["$id"] for path in SCHEMA_FILES]
    assert len(set(ids)) == len(ids)


def test_topics_and_asyncapi_name_every_schema_and_no_other() -> None:
    published = {str(path.relative_to(SCHEMAS)) for path in SCHEMA_FILES if path.parent.name != MODEL}
    in_topics = {topic[part] for topic in TOPICS.values() for part in ("value", "headers")} - {None}
    in_asyncapi = {reference for reference in _references(ASYNCAPI) if not reference.startswith("#")}
    assert in_topics == published
    assert in_asyncapi == published


def test_every_folder_is_a_message_with_examples_of_both_kinds() -> None:
    folders = {path.name for path in SCHEMAS.iterdir() if path.is_dir()}
    assert folders == {*MESSAGES, MODEL}
    for message in MESSAGES:
        assert examples(message, "valid")
        assert any((SCHEMAS / message / "invalid").iterdir())


def test_no_file_lies_around_that_nothing_reads() -> None:
    """A forgotten example looks like a promise."""
    index = load_yaml(SCHEMAS / "lead-interaction/invalid/cases.yaml")["cases"]
    read = {SCHEMAS / "lead-interaction/invalid" / case["file"] for case in index if "file" in case}
    read |= {
        SCHEMAS / name for name in ("README.md", "topics.yaml", "asyncapi.yaml", "lead-interaction/.gitattributes")
    }
    read |= {SCHEMAS / "lead-interaction/invalid/cases.yaml", *SCHEMA_FILES}
    for message in MESSAGES:
        read |= set(examples(message, "valid"))
    read |= set(examples(MODEL, "valid"))
    for message in (*OUTBOUND, MODEL):
        read |= set(examples(message, "invalid"))
    assert {path for path in SCHEMAS.rglob("*") if path.is_file()} == read


@pytest.mark.parametrize("message", MESSAGES)
def test_valid_examples_pass_their_schema(message: str) -> None:
    judge = validator(f"{message}/v1.schema.json")
    for path in examples(message, "valid"):
        assert not [error.message for error in judge.iter_errors(load_json(path))], path.name


@pytest.mark.parametrize("message", OUTBOUND)
def test_invalid_examples_of_what_we_emit_fail_their_schema(message: str) -> None:
    judge = validator(f"{message}/v1.schema.json")
    for path in examples(message, "invalid"):
        assert not judge.is_valid(load_json(path)), path.name


def test_asyncapi_references_lead_somewhere() -> None:
    for reference in _references(ASYNCAPI):
        if reference.startswith("#"):
            assert isinstance(_at(ASYNCAPI, reference), dict)


def test_asyncapi_channels_are_the_public_topics_with_their_configuration() -> None:
    """The changelog is nobody's business but ours; everything else is for others to read."""
    renamed = {"lead-interactions-dlq": "<input>-dlq"}
    channels = ASYNCAPI["channels"].values()
    assert {renamed.get(channel["address"], channel["address"]) for channel in channels} == {
        name for name, topic in TOPICS.items() if topic["setting"]
    }
    for channel in channels:
        topic = TOPICS[renamed.get(channel["address"], channel["address"])]
        (message,) = (_at(ASYNCAPI, message["$ref"]) for message in channel["messages"].values())
        for part, told in (("value", message.get("payload")), ("headers", message.get("headers"))):
            assert topic[part] == (told["schema"]["$ref"] if told else None)
        for name, value in channel["bindings"]["kafka"]["topicConfiguration"].items():
            told = value[0] if isinstance(value, list) else value
            assert topic["config"][name] == told, (topic["name"], name)


def test_dead_letters_fit_wherever_their_source_fitted() -> None:
    """A record of the largest size the source takes must not be stuck because its letter is too large."""
    broker_default, room_for_headers = 1_048_588, 65_536
    assert TOPICS["<input>-dlq"]["config"]["max.message.bytes"] == broker_default + room_for_headers
