"""Every block of our texts does what it shows; those that need a Kafka run in tests/broker/test_readme_commands.py."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.doc_blocks import (
    ROOT,
    TEXTS,
    Block,
    Reader,
    blocks_of,
    difference,
    parse_blocks,
    whole_cases,
    whole_model,
)
from tests.support.published import validator
from tests.support.small_history import need_regression
from worker.cases.file import parse_cases
from worker.cases.judging import judge
from worker.cases.report import Suite, suite_lines
from worker.cli.main import app
from worker.metrics import CATALOGUE
from worker.scoring.lint import lint_model, review_model
from worker.scoring.model import Model
from worker.scoring.model_file import load_model, parse_model
from worker.settings import VARIABLES, load_settings, require_for_run

BLOCKS = [block for text in TEXTS for block in blocks_of(text)]
LANGUAGES = {"sh", "yaml", "json", "jsonl", "env", "python", "text", "mermaid"}
SETTINGS = {name for variable in VARIABLES for name in (variable.name, variable.file_name)}
MARKDOWN = [path.relative_to(ROOT).as_posix() for path in (*map(ROOT.joinpath, TEXTS), ROOT / "worker/REFERENCE.md")]


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def is_make(block: Block) -> bool:
    return block.content.startswith("make ")


def is_run_here(block: Block) -> bool:
    return not is_make(block) and not {"broker", "compose"} & set(block.words)


def named(block: Block) -> str:
    return block.name


MODELS = [block for block in of("yaml") if block.option("cases") is None]
CASES = [block for block in of("yaml") if block.option("cases") is not None]


def is_whole(block: Block) -> bool:
    return block.content.startswith(("model:", "#"))


def model_of(block: Block) -> Model:
    """Return the model that the cases of *block* are about."""
    name = block.option("cases")
    assert name is not None
    for other in blocks_of(block.text):
        if other.option("file") == name:
            return parse_model(whole_model(other.content), other.name)
    return load_model(name)


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    """If this fails, an example may rot unnoticed."""
    assert {block.language for block in BLOCKS} <= LANGUAGES
    for block in BLOCKS:
        assert block.language != "text" or "diagram" in block.words, f"{block.name} is neither output nor diagram"
        assert block.language != "json" or block.option("schema"), f"{block.name} names no schema"


def test_readme_shows_each_kind_of_block() -> None:
    kinds = {block.language for block in blocks_of("README.md")}
    assert {"sh", "yaml", "json", "env", "python"} <= kinds


@pytest.mark.parametrize("block", [*filter(is_run_here, of("sh"))], ids=named)
def test_shell_block_runs_and_prints_what_is_shown(block: Block, tmp_path: Path) -> None:
    if block.option("needs") == "fit":
        need_regression()
    Reader(tmp_path, blocks_of(block.text)).run(block, within_s=25)


@pytest.mark.parametrize("block", [*filter(is_run_here, of("python"))], ids=named)
def test_python_block_runs_and_prints_what_is_shown(block: Block, tmp_path: Path) -> None:
    Reader(tmp_path, blocks_of(block.text)).run(block, within_s=25)


@pytest.mark.parametrize("block", of("python"), ids=named)
def test_python_block_is_python(block: Block) -> None:
    ast.parse(block.content, block.name)


@pytest.mark.parametrize("block", [*filter(is_make, of("sh"))], ids=named)
def test_make_target_exists(block: Block) -> None:
    for line in block.content.splitlines():
        command = ["make", "--dry-run", *line.split("#")[0].split()[1:]]
        assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=20, check=False).returncode == 0, line


@pytest.mark.parametrize("block", MODELS, ids=named)
def test_model_in_a_text_loads(block: Block) -> None:
    found = lint_model(whole_model(block.content), block.name)
    if "wrong" in block.words:
        assert found, "this is shown as an example of a mistake"
    else:
        assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize("block", [block for block in MODELS if is_whole(block)], ids=named)
def test_whole_model_in_a_text_is_one_that_lint_has_nothing_against(block: Block) -> None:
    """People copy whole models."""
    found = [one for one in review_model(block.content, block.name) if one.level != "note"]
    if {"wrong", "warns"} & set(block.words):
        assert found, "this is shown as an example of a doubtful model"
    else:
        assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize("block", CASES, ids=named)
def test_cases_in_a_text_hold(block: Block) -> None:
    """If this fails, somebody plans with points that the worker does not give."""
    model = model_of(block)
    verdicts = [judge(model, case) for case in parse_cases(whole_cases(block.content), model, block.name)]
    failed = any(verdict.failures for verdict in verdicts)
    assert failed is ("wrong" in block.words), "\n".join(suite_lines(Suite(model, block.name, verdicts)))


@pytest.mark.parametrize("block", of("json"), ids=named)
def test_json_block_fits_its_schema(block: Block) -> None:
    schema = block.option("schema")
    assert schema is not None
    validator(schema).validate(json.loads(block.content))


@pytest.mark.parametrize("block", of("jsonl"), ids=named)
def test_each_line_of_a_history_is_an_event(block: Block) -> None:
    for line in block.content.splitlines():
        validator("lead-interaction/v1.schema.json").validate(json.loads(line))


@pytest.mark.parametrize("block", of("env"), ids=named)
def test_settings_in_a_text_can_be_run_with(block: Block, tmp_path: Path) -> None:
    environ = dict(line.split("=", 1) for line in block.content.splitlines() if line and not line.startswith("#"))
    for name, value in environ.items():
        if value.startswith("/run/secrets/"):
            file = tmp_path / Path(value).name
            file.write_text("0123456789abcdef0123456789abcdef\n", "utf-8")
            environ[name] = str(file)
    require_for_run(load_settings(environ))


@pytest.mark.parametrize("text", TEXTS)
def test_settings_and_metrics_that_a_text_names_exist(text: str) -> None:
    words = (ROOT / text).read_text("utf-8")
    variables = set(re.findall(r"\bLEADSCORE_[A-Z_]*[A-Z]", words))
    assert {name for name in variables if not name.startswith("LEADSCORE_TEST_")} <= SETTINGS
    metrics = set(re.findall(r"\bleadscore_[a-z_]+", words))
    assert metrics <= {metric.name for metric in CATALOGUE}


@pytest.mark.parametrize("text", TEXTS)
def test_commands_that_a_text_names_exist(text: str) -> None:
    import typer.main

    group = typer.main.get_command(app)
    for words in re.findall(r"(?:`|^)leadscore ([a-z]+(?: [a-z]+)?)", (ROOT / text).read_text("utf-8"), re.MULTILINE):
        noun, _, verb = words.partition(" ")
        commands = getattr(group, "commands")  # noqa: B009 - a group of click, whose types typer hides
        assert noun in commands, words
        if verb and hasattr(commands[noun], "commands"):
            assert verb in commands[noun].commands, words


@pytest.mark.parametrize("text", MARKDOWN)
def test_links_lead_somewhere(text: str) -> None:
    words = (ROOT / text).read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", words):
        assert ((ROOT / text).parent / target).exists(), target
    for anchor in re.findall(r"\]\(#([^)]+)\)", words):
        headings = re.findall(r"^#+ (.*)$", words, re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, anchor


# --- the reading of blocks itself ---------------------------------------------------------------------------------


def test_blocks_carry_their_line_words_and_output() -> None:
    blocks = parse_blocks(
        "# a\n```sh broker\nls\n```\n\nprints\n\n```text output\nb\n```\n```yaml file=m.yaml\nx: 1\n```\n", "t"
    )
    assert [(block.name, block.language, block.content) for block in blocks] == [
        ("t:2", "sh", "ls\n"),
        ("t:11", "yaml", "x: 1\n"),
    ]
    assert blocks[0].output is not None
    assert blocks[0].output.content == "b\n"
    assert blocks[1].option("file") == "m.yaml"


@pytest.mark.parametrize(
    "markdown", ["```sh\nls\n", "```text output\nb\n```\n", "```yaml\na: 1\n```\n```text output\nb\n```\n"]
)
def test_block_that_is_open_or_an_output_of_nothing_is_refused(markdown: str) -> None:
    with pytest.raises(ValueError, match=r"t:\d"):
        parse_blocks(markdown, "t")


@pytest.mark.parametrize(
    ("words", "shown", "printed", "is_same"),
    [
        ("output", "a\n...\nz\n", "a\nb\nc\nz\n", True),
        ("output", "a\n...\nz\n", "a\nz\n", True),
        ("output", "a 1\n", "a 2\n", False),
        ("output figures", "a 1,234 ──\n", "a 2 ────\n", True),
        ("output figures", "a 1\n", "b 1\n", False),
        ("output", "a\n", "a\nb\n", False),
    ],
)
def test_output_is_compared_but_for_what_is_left_out(words: str, shown: str, printed: str, *, is_same: bool) -> None:
    block = Block("t", 1, "text", tuple(words.split()), shown)
    assert (difference(block, printed) == "") is is_same


def test_fragment_of_a_model_is_made_whole() -> None:
    for content in (
        "- {rule: a, when: {type: b}, points: 1}\n",
        "tiers: {cold: 0}\n",
        "lateness: 1d\n" + "rules:\n  - {rule: a, when: {type: b}, points: 1}\n",
    ):
        assert not lint_model(whole_model(content), "t")
