"""The schema of model files and the reader of them decide alike, as far as a schema can decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.doc_blocks import ROOT, blocks_of, whole_model
from tests.support.published import SCHEMAS, examples, load_json, validator
from worker.cli.model_new import schema_text
from worker.scoring.file.explanations import EXPLANATIONS
from worker.scoring.file.fields import Section
from worker.scoring.file.reference import SECTIONS
from worker.scoring.lint import lint_model
from worker.scoring.model_file import load_model, parse_model, read_source, shipped_models

SCHEMA = validator("scoring-model/v1.schema.json")
GUIDE = "worker/scoring/README.md"


def content_of(text: str) -> Any:
    return json.loads(parse_model(text).content)


def problems(content: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in SCHEMA.iter_errors(content)]


def test_published_schema_is_what_the_reader_of_models_makes() -> None:
    """If this fails, run `make docs`: an editor would not know a key."""
    assert (SCHEMAS / "scoring-model/v1.schema.json").read_text("utf-8") == schema_text()


@pytest.mark.parametrize("path", examples("scoring-model", "valid"), ids=lambda path: path.stem)
def test_valid_example_passes_and_loads(path: Path) -> None:
    assert problems(load_json(path)) == []
    assert lint_model(path.read_text("utf-8"), path.name) == []


@pytest.mark.parametrize("path", examples("scoring-model", "invalid"), ids=lambda path: path.stem)
def test_invalid_example_fails_and_does_not_load(path: Path) -> None:
    assert problems(load_json(path))
    assert lint_model(path.read_text("utf-8"), path.name)


def test_every_key_stands_in_a_valid_example() -> None:
    text = "".join(path.read_text("utf-8") for path in examples("scoring-model", "valid"))
    for title, _, section in SECTIONS:
        for key in _keys(section):
            if (title, key) != ("activity", "types"):  # excludes the other
                assert f'"{key}"' in text, (title, key)


def _keys(section: Section) -> list[str]:
    return [key.name for key in section]


@pytest.mark.parametrize("source", [*shipped_models(), str(ROOT / "tests/models/bpi-loans.yaml")])
def test_models_that_run_pass(source: str) -> None:
    assert problems(json.loads(load_model(source).content)) == []


def test_starting_points_pass() -> None:
    blank = (ROOT / "worker/models/new/blank.yaml").read_text("utf-8")
    assert problems(content_of(blank)) == []


@pytest.mark.parametrize("code", [code for code in EXPLANATIONS if code != "model.unreadable"])
def test_mended_examples_of_explanations_pass(code: Any) -> None:
    one = EXPLANATIONS[code]
    assert problems(content_of(one.whole(one.after))) == []


def test_models_of_the_guide_pass() -> None:
    texts = [
        whole_model(block.content)
        for block in blocks_of(GUIDE)
        if block.language == "yaml" and "wrong" not in block.words
    ]
    models = [text for text in texts if not lint_model(text, "m")]
    assert models
    assert [problem for text in models for problem in problems(content_of(text))] == []


EVERY_KEY = load_json(SCHEMAS / "scoring-model/valid/every-key.json")
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        0.5,
        1e9,
        "",
        "none",
        "1d",
        "2%",
        "contact",
        "engagement",
        "cold",
        [],
        {},
        ["type"],
        "a",
    ]
)


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key or index) below *node*."""
    found: list[tuple[Any, Any]] = []
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        found += [(node, key), *_places(value)]
    return found


@given(st.data())
def test_what_loads_passes_however_a_model_is_changed(data: st.DataObject) -> None:
    """If this fails, an editor underlines what is right."""
    content = json.loads(json.dumps(EVERY_KEY))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(_places(content)))
        if isinstance(container, dict) and data.draw(st.booleans()):
            del container[key]
        else:
            container[key] = data.draw(VALUES)
        if not content:
            return
    if not lint_model(json.dumps(content), "m"):
        assert problems(content) == []


def test_source_of_a_shipped_model_is_found() -> None:
    where, text = read_source("simple-100")
    assert where == "simple-100.yaml"
    assert problems(content_of(text)) == []
