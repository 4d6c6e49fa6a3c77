"""Files made to cost time or memory are refused for little of both: no more than a large honest model takes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import pytest
from typer.testing import CliRunner

from worker.cli.model import app
from worker.errors import ModelError
from worker.scoring.file.findings import MAX_FINDINGS, Finding
from worker.scoring.file.tree import MAX_NODES
from worker.scoring.lint import lint_model, review_model
from worker.scoring.model_file import load_model

Reading = Callable[[str, str], list[Finding]]
HEAD = "model: m\nversion: 1\n"
FULL = 250_000  # bytes, near the most that is read


def honest(rules: int) -> str:
    """Return a model with so many rules, as people write them."""
    lines = (f"  - {{rule: rule number {n}, when: {{type: type.{n}}}, points: 5}}\n" for n in range(rules))
    return f"{HEAD}rules:\n{''.join(lines)}"


MOST_RULES = 1_700
"""Of an honest model with about as many values as are read."""

TOO_LARGE: dict[str, str] = {
    "10 MB": "a: b\n" * 2_000_000,
    "10 MB of one line": "a: " + "b" * 10_000_000,
    "10 MB that end in nothing": HEAD + " " * 10_000_000,
    "100,000 rules": HEAD
    + "rules:\n"
    + "".join(f"  - {{rule: r{n}, when: {{type: t}}, points: 1}}\n" for n in range(100_000)),
    "100,000 items": HEAD + "rules: [" + "a," * 100_000 + "]\n",
    "25,000 keys": HEAD + "".join(f"k{n}: 1\n" for n in range(25_000)),
}
TOO_DEEP: dict[str, str] = {
    "brackets": HEAD + "rules: " + "[" * FULL,
    "braces": HEAD + "rules: " + "{a: " * (FULL // 4),
    "dashes": "- " * (FULL // 2),
    "questions": "? " * (FULL // 2),
    "indentation": "".join(" " * depth + "a:\n" for depth in range(700)),
    "conditions": HEAD + "rules: [{rule: a, points: 1, when: " + "{not: " * 5_000 + "{}" + "}" * 5_000 + "}]\n",
}
REFUSED: dict[str, tuple[str, str]] = {
    "tags": ("model.tag", HEAD + "rules: [" + "!a b," * 50_000 + "]"),
    "tag that would run code": ("model.tag", HEAD + "rules: !!python/object/apply:os.system ['true']\n"),
    "anchors": ("model.anchor", HEAD + "rules: [" + "&a b," * 50_000 + "]"),
    "bomb of aliases": (
        "model.anchor",
        "a: &a ["
        + "x," * 9
        + "]\n"
        + "".join(f"{b}: &{b} [{f'*{a},' * 9}]\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True)),
    ),
    "alias to itself": ("model.anchor", "a: &a [*a]\n"),
    "one key again and again": ("model.duplicate_key", HEAD + "a: 1\n" * 40_000),
    "documents": ("model.not_yaml", "---\n" * 60_000),
    "directives": ("model.not_yaml", "%YAML 1.2\n" * 20_000),
    "lines of nothing": ("model.not_yaml", HEAD + "\n" * FULL + "rules: ["),
    "many words": ("model.wrong_type", HEAD + "rules: " + "a " * (FULL // 2)),
    "escapes": ("model.wrong_type", HEAD + 'rules: "' + "\\x41" * (FULL // 4) + '"'),
    "colons": ("model.not_yaml", HEAD + "a: " + ":" * FULL + " :"),
    "long key": ("model.bad_value", HEAD + "? " + "a" * FULL + "\n: b\n"),
    "digits": ("model.wrong_type", HEAD + "rules: [" + ("9" * 39 + ",") * 6_000 + "]"),
    "near names": (
        "model.unknown_name",
        HEAD
        + "groups:\n"
        + "".join(f"  group {'x' * 50} {n}: {{}}\n" for n in range(1_500))
        + "rules:\n"
        + "".join(
            f"  - {{rule: r{n}, group: grouq {'x' * 50} {n}, when: {{type: t}}, points: 1}}\n" for n in range(200)
        ),
    ),
    "names of another alphabet": (
        "model.lookalike",
        HEAD + "groups: {" + ",".join(f"p{chr(0x430)}ge{n}: {{}}" for n in range(4_000)) + "}\n",
    ),
}
_ANY = "{any: [" + ",".join(f"{{properties.x: {n}}}" for n in range(1_500)) + "]}"
COSTLY: dict[str, str] = {
    "alternatives of alternatives": f"when: {{all: [{_ANY}, {_ANY}, {_ANY}]}}",
    "alternatives beside a long list": "when: {properties.y: ["
    + ",".join(f"v{n}" for n in range(9_000))
    + "], any: ["
    + ",".join(f"{{properties.y: {n}}}" for n in range(250))
    + "]}",
    "stars": "when: {properties.x: {like: '" + "*a" * 500 + "'}}",
    "many types": "when: {type: [" + ",".join(f"t{n}" for n in range(14_000)) + "]}",
    "many fields": "once_per: [" + ",".join(f"properties.f{n}" for n in range(9_000)) + "], when: {type: a}",
}
"""Conditions that load, and about which lint thinks."""


def cpu_s(work: Callable[[], object]) -> float:
    before = getrusage(RUSAGE_SELF)
    work()
    after = getrusage(RUSAGE_SELF)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def honest_s() -> float:
    """CPU seconds that a large honest model takes here and now."""
    text = honest(MOST_RULES)
    return cpu_s(lambda: review_model(text, "m"))


def findings_at_a_price(read: Reading, text: str, honest_s: float) -> list[Finding]:
    """Return what *read* says of *text*; it must cost no more than thrice an honest model does (tried again on a busy machine)."""
    found: list[Finding] = []
    costs_s = []
    for _ in range(3):
        costs_s.append(cpu_s(lambda: found.__setitem__(slice(None), read(text, "m"))))
        if costs_s[-1] <= 3 * honest_s:
            return found
    raise AssertionError(f"{costs_s} s of CPU, where an honest model takes {honest_s} s")


def test_honest_model_has_about_as_many_values_as_are_read() -> None:
    values = MOST_RULES * 9  # each rule is a mapping of three keys and values, one of them a mapping of one more
    assert MAX_NODES * 0.9 < values < MAX_NODES
    assert lint_model(honest(MOST_RULES), "m") == []


@pytest.mark.parametrize("name", TOO_LARGE)
def test_huge_file_is_refused_for_its_size(name: str, honest_s: float) -> None:
    (found,) = findings_at_a_price(lint_model, TOO_LARGE[name], honest_s)
    assert found.code == "model.too_large"


@pytest.mark.parametrize("name", TOO_DEEP)
def test_deep_file_is_refused_for_its_depth(name: str, honest_s: float) -> None:
    (found,) = findings_at_a_price(lint_model, TOO_DEEP[name], honest_s)
    assert found.code == "model.too_deep"


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_file_is_refused_with_a_bounded_number_of_findings(name: str, honest_s: float) -> None:
    code, text = REFUSED[name]
    found = findings_at_a_price(lint_model, text, honest_s)
    assert code in {one.code for one in found}
    assert len(found) <= MAX_FINDINGS
    assert sum(len(str(one)) for one in found) < 100_000


@pytest.mark.parametrize("name", COSTLY)
def test_lint_does_not_think_long(name: str, honest_s: float) -> None:
    text = f"{HEAD}rules: [{{rule: a, {COSTLY[name]}, points: 1}}]\n"
    assert {one.level for one in findings_at_a_price(review_model, text, honest_s)} <= {"warning", "note"}


def test_memory_is_bounded() -> None:
    """Reading a hostile file takes no more than twice the memory of a large honest one, beside copies of its own bytes."""
    large_bytes = 10 * peak_bytes(lambda: lint_model(honest(MOST_RULES // 10), "m"))
    for text in (TOO_LARGE["10 MB"], TOO_LARGE["100,000 items"], TOO_DEEP["braces"], REFUSED["bomb of aliases"][1]):
        assert peak_bytes(lambda text=text: lint_model(text, "m")) <= 2 * large_bytes + 2 * len(text)  # type: ignore[misc]


def test_of_a_huge_file_only_the_beginning_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(2_000_000_000)  # takes no room on the disk, and would take it in memory
    with pytest.raises(ModelError) as caught:
        load_model(path)
    assert caught.value.fields["finding"] == "model.too_large"


def test_command_refuses_a_hostile_file_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(TOO_LARGE["100,000 rules"], "utf-8")
    result = CliRunner().invoke(app, ["lint", str(path)])
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 1
