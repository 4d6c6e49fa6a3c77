from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.support.small import DAY, START, event_value
from worker.cli.replay import replay
from worker.errors import ConfigError, ModelError

MODEL = {
    "model": "loans",
    "version": 3,
    "rules": [{"rule": "asked", "when": {"type": "asked"}, "points": 60}],
    "tiers": {"cold": 0, "hot": 50},
    "qualify": {"when": {"score": {"at_least": 100}}},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "loans.yaml").write_text(json.dumps(MODEL))
    (tmp_path / "more.yaml").write_text(json.dumps(MODEL | {"model": "more"}))
    lines = [event_value("asked", START + day * DAY) for day in (0, 1, 2)] + [b"no event"]
    (tmp_path / "history.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    return tmp_path


def run(folder: Path, *arguments: str, model: str = "loans.yaml") -> Result:
    app = typer.Typer()
    app.command()(replay)
    wanted = [str(folder / "history.jsonl.gz"), "--model", str(folder / model), *arguments]
    return CliRunner().invoke(app, wanted, env={"COLUMNS": "200", "NO_COLOR": "1"})


def test_text_says_who_qualified_when_and_what_was_refused(folder: Path) -> None:
    result = run(folder)
    assert result.exit_code == 0
    for part in (
        "1 contact as of 2026-01-03",
        "1 time ready",
        "2026-01-02 00:00",
        "sales_ready",
        "asked 120",
        "event.not_json",
    ):
        assert part in result.stdout


def test_json_is_for_programs_and_complete(folder: Path) -> None:
    result = run(folder, "--output", "json")
    told = json.loads(result.stdout)
    assert told["as_of_ms"] == START + 2 * DAY
    assert told["counts"]["effective loans"] == 3
    assert told["refused"] == {"event.not_json": 1}
    assert told["models"]["loans"]["tiers"] == {"hot": 1}
    assert [one["kind"] for one in told["models"]["loans"]["transitions"]] == ["lead.sales_ready"]


def test_as_of_an_instant_leaves_later_events_out(folder: Path) -> None:
    result = run(folder, "--output", "json", "--as-of", "2026-01-01T12:00:00Z")
    told = json.loads(result.stdout)
    assert told["counts"]["effective loans"] == 1
    assert told["models"]["loans"]["transitions"] == []


def test_out_writes_both_files(folder: Path) -> None:
    assert run(folder, "--out", str(folder / "out")).exit_code == 0
    assert (folder / "out" / "scores.csv").read_text().splitlines()[1].startswith("c,false,180.0,180.0,hot,")
    (line,) = (folder / "out" / "transitions.jsonl").read_text().splitlines()
    assert json.loads(line)["at"] == START + DAY


def test_several_models_get_a_folder_each(folder: Path) -> None:
    run(folder, "--out", str(folder / "out"), "--model", str(folder / "more.yaml"))
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["loans", "more"]


@pytest.mark.parametrize("instant", ["yesterday", "2026-01-01", "2026-01-01T00:00:00"])
def test_instant_without_zone_or_sense_is_a_usage_error(folder: Path, instant: str) -> None:
    result = run(folder, "--as-of", instant)
    assert result.exit_code == 2
    assert "--as-of" in result.output


def test_unknown_output_is_a_usage_error(folder: Path) -> None:
    assert run(folder, "--output", "xml").exit_code == 2


def test_missing_file_is_a_usage_error(folder: Path) -> None:
    (folder / "history.jsonl.gz").unlink()
    assert run(folder).exit_code == 2


def test_missing_model_is_a_model_error(folder: Path) -> None:
    assert isinstance(run(folder, model="other.yaml").exception, ModelError)


def test_same_model_twice_is_refused(folder: Path) -> None:
    """Two of one name would share their state and their files."""
    result = run(folder, "--model", str(folder / "loans.yaml"))
    assert isinstance(result.exception, ModelError)
    assert "model.duplicate_name" in str(result.exception)


def cheaper(folder: Path) -> str:
    """Return another version of the model: ready at 60 points, so at the first event and not at the second."""
    path = folder / "cheaper.yaml"
    path.write_text(json.dumps(MODEL | {"version": 4, "qualify": {"when": {"score": {"at_least": 60}}}}))
    return str(path)


def test_tables_are_printed_when_asked_for(folder: Path) -> None:
    assert "what each rule gave" not in run(folder).stdout
    result = run(folder, "--tables")
    assert "scores of 1 contact, 0 never had points" in result.stdout
    assert "what each rule gave" in result.stdout
    assert ["asked", "engagement", "1", "3", "180.0", "180.0", "100.0%"] in [
        line.split() for line in result.stdout.splitlines()
    ]


def test_diff_says_who_is_gained_and_moved(folder: Path) -> None:
    result = run(folder, "--diff", cheaper(folder))
    assert result.exit_code == 0
    said = "loans version 3 -> loans version 4, 1 contact: gained 0, lost 0, earlier 1 (median 1.0 d), later 0, same 0, neither 0"
    assert said in result.stdout
    assert "earlier under the other model" in result.stdout
    assert "contacts by tier at the end" in result.stdout


def test_won_judges_both_models(folder: Path) -> None:
    lines = [event_value("asked"), event_value("asked", START + DAY), event_value("won", START + 2 * DAY)]
    (folder / "history.jsonl.gz").write_bytes(b"\n".join(lines))
    result = run(folder, "--won", "won", "--diff", cheaper(folder))
    assert (
        "judged by won: 1 contact, 1 came to it; left out: 0 of whom nothing was known before, 0 erased"
        in result.stdout
    )
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["precision", "100.0%", "100.0%"] in rows
    assert any(row[-6:] == ["1.0,", "1.0,", "1.0", "2.0,", "2.0,", "2.0"] for row in rows)


def test_outcome_that_never_happened_is_said_with_the_nearest_type(folder: Path) -> None:
    result = run(folder, "--won", "askd")
    assert result.exit_code == 0
    assert "no event of type askd in this history; did you mean asked?" in result.stderr


def test_out_holds_every_table_that_was_asked_for(folder: Path) -> None:
    out = folder / "out"
    run(folder, "--out", str(out), "--diff", cheaper(folder), "--won", "won")
    tables = ["diff.csv", "distribution.csv", "rules.csv", "scores.csv", "transitions.jsonl", "won.csv"]
    assert sorted(path.name for path in out.iterdir()) == sorted([*tables, "other"])
    assert sorted(path.name for path in (out / "other").iterdir()) == [name for name in tables if name != "diff.csv"]
    assert {path.stat().st_mode & 0o777 for path in out.rglob("*.*")} == {0o600}


def test_html_is_written_for_its_owner_alone(folder: Path) -> None:
    page = folder / "report.html"
    page.touch(mode=0o644)
    assert run(folder, "--html", str(page)).exit_code == 0
    assert page.read_text().startswith("<!doctype html>")
    assert page.stat().st_mode & 0o777 == 0o600


def test_json_holds_diff_and_outcome(folder: Path) -> None:
    told = json.loads(run(folder, "--output", "json", "--diff", cheaper(folder), "--won", "won").stdout)
    assert told["diff"]["counts"]["earlier"] == 1
    assert told["models"]["loans"]["won"]["counts"]["false_alarm"] == 1


def test_history_may_be_several_files_or_come_through_a_pipe(folder: Path) -> None:
    lines = [event_value("asked", START + day * DAY) for day in (0, 1, 2)]
    names = []
    for number, line in enumerate(lines):
        (folder / f"{number}.jsonl").write_bytes(line)
        names.append(str(folder / f"{number}.jsonl"))
    expected = run(folder, "--output", "json").stdout
    app = typer.Typer()
    app.command()(replay)
    wanted = ["--model", str(folder / "loans.yaml"), "--output", "json"]
    whole = json.loads(expected)["models"]["loans"]
    split = json.loads(CliRunner().invoke(app, [*names, *wanted]).stdout)["models"]["loans"]
    piped = json.loads(CliRunner().invoke(app, ["-", *wanted], input=b"\n".join(lines)).stdout)["models"]["loans"]
    assert piped == whole
    assert [one["event"].pop("topic") for one in split["transitions"]] == [names[1]]
    assert split["tiers"] == whole["tiers"]
    assert split["rules"] == whole["rules"]


def test_transitions_before_an_instant_are_kept_back(folder: Path) -> None:
    result = run(folder, "--emit-since", "2026-01-02T00:00:00.001Z")
    assert "0 times ready" in result.stdout
    assert "1 transition kept back" in result.stdout


def test_changes_of_tier_are_told_when_asked_for(folder: Path) -> None:
    result = run(folder, "--publish-tiers")
    assert "1 change of tier" in result.stdout
    assert "tier_changed" in result.stdout


@pytest.mark.parametrize("more", [(), ("--as-of", "2026-01-01T12:00:00Z"), ("--won", "won")], ids=["", "as of", "won"])
@pytest.mark.parametrize(
    ("content", "refused"), [(b"", 0), (b"\n\n", 0), (b"no event\n{}", 2)], ids=["empty", "blank", "bad"]
)
def test_history_without_events_is_a_finding(folder: Path, content: bytes, refused: int, more: tuple[str, ...]) -> None:
    """If this fails, a wrong file looks like a history in which nobody qualified."""
    (folder / "history.jsonl.gz").write_bytes(content)
    text = run(folder, "--html", str(folder / "report.html"), *more)
    assert text.exit_code == 1
    assert "no events in this history" in text.stderr
    assert text.stderr.count("holds no event") == refused
    assert not (folder / "report.html").exists()
    program = run(folder, "--output", "json", *more)
    assert program.exit_code == 1
    assert sum(json.loads(program.stdout)["refused"].values()) == refused


@pytest.mark.parametrize(
    ("option", "place", "said"),
    [
        ("--html", "{folder}", "{folder} cannot be written: Is a directory"),
        ("--html", "{folder}/missing/a.html", "{folder}/missing/a.html cannot be written: No such file or directory"),
        ("--html", "{folder}/loans.yaml/a.html", "{folder}/loans.yaml/a.html cannot be written: Not a directory"),
        ("--out", "{folder}/loans.yaml", "{folder}/loans.yaml cannot be written: Not a directory"),
        ("--out", "{folder}/loans.yaml/deep", "{folder}/loans.yaml/deep cannot be written: Not a directory"),
    ],
)
def test_place_that_cannot_be_written_is_refused_before_anything_is_read(
    folder: Path, option: str, place: str, said: str
) -> None:
    """If this fails, an hour of replaying ends in a traceback, or a folder loses its mode."""
    (folder / "history.jsonl.gz").write_bytes(b"\x1f\x8b cut off")  # reading it would be another error
    folder.chmod(0o755)
    result = run(folder, option, place.format(folder=folder))
    assert result.exit_code == 2
    assert said.format(folder=folder) in result.stderr
    assert f"fix: name another place with {option}" in result.stderr
    assert folder.stat().st_mode & 0o777 == 0o755


def test_page_may_lie_in_the_folder_where_one_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert run(folder, "--html", ".").exit_code == 2
    assert run(folder, "--html", "report.html").exit_code == 0


def test_folder_in_the_place_of_a_file_is_refused_too(folder: Path) -> None:
    (folder / "out" / "rules.csv").mkdir(parents=True)
    result = run(folder, "--out", str(folder / "out"))
    assert result.exit_code == 2
    assert "rules.csv cannot be written: Is a directory" in result.stderr


def test_leads_that_only_lack_data_are_counted_as_held(folder: Path) -> None:
    qualify = {"when": {"score": {"at_least": 100}}, "require": ["attributes.email"]}
    (folder / "loans.yaml").write_text(json.dumps(MODEL | {"qualify": qualify}))
    result = run(folder, "--out", str(folder / "out"), "--html", str(folder / "report.html"))
    assert "0 ready now, 1 held: all holds but required data" in result.stdout
    assert "<b>1</b><span>held at the end: all holds but required data</span>" in (folder / "report.html").read_text()
    assert ",open," in (folder / "out" / "scores.csv").read_text()
    told = json.loads(run(folder, "--output", "json").stdout)["models"]["loans"]
    assert (told["ready_now"], told["held"]) == (0, 1)


def test_model_that_requires_nothing_holds_nobody(folder: Path) -> None:
    assert "held" not in run(folder).stdout
    told = json.loads(run(folder, "--output", "json").stdout)["models"]["loans"]
    assert (told["ready_now"], told["held"]) == (1, None)


@pytest.mark.parametrize("columns", [80, 100])
def test_every_number_is_found_on_a_narrow_terminal(folder: Path, columns: int) -> None:
    """If this fails, half of a score, or no date at all, stands on the screens that most people have."""
    rules = [
        {"rule": f"asked for the long form number {n}", "when": {"type": "form.submitted"}, "points": 60.125 + n}
        for n in range(3)
    ]
    long = MODEL | {"rules": rules, "score": {"precision": 3}, "tiers": {"cold": 0, "comfortably-warm": 50}}
    (folder / "loans.yaml").write_text(json.dumps(long | {"qualify": {"when": {"score": {"at_least": 200}}}}))
    other = long | {"version": 4, "qualify": {"when": {"score": {"at_least": 60}}}}
    (folder / "other.yaml").write_text(json.dumps(other))
    name = "7d0cbb52-40f5-4e3c-9b5b-2f4a7f3c8f11"
    types = ("form.submitted", "form.submitted", "contract.signed.by.both")
    lines = [event_value(kind, START + n * DAY, contact=name) for n, kind in enumerate(types)]
    (folder / "history.jsonl.gz").write_bytes(b"\n".join(lines))
    wanted = ["--tables", "--diff", str(folder / "other.yaml"), "--won", "contract.signed.by.both"]
    app = typer.Typer()
    app.command()(replay)
    arguments = [str(folder / "history.jsonl.gz"), "--model", str(folder / "loans.yaml"), *wanted]
    env = {"COLUMNS": str(columns), "FORCE_COLOR": "1", "TERM": "xterm", "NO_COLOR": "1"}
    result = CliRunner().invoke(app, arguments, env=env)
    assert result.exit_code == 0, result.output
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", result.stdout)
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= columns
    words = shown.replace(",", " ").split()
    # three rules gave 60.125, 61.125 and 62.125, twice
    for told in (
        "366.75",
        "120.25",
        "122.25",
        "124.25",
        "2026-01-02",
        "2026-01-01",
        "00:00",
        "1.0",
        "183.375",
        "33.3%",
    ):
        assert told in words, told
    for head in ("at", "(UTC)", "score", "days", "share", "awards", "why"):
        assert head in words, head


@pytest.mark.parametrize("instant", ["garbage", "END"])
def test_instant_to_tell_from_is_never_the_end(folder: Path, instant: str) -> None:
    result = run(folder, "--emit-since", instant)
    assert result.exit_code == 2
    assert "write a time with its zone" in " ".join(result.output.replace("│", " ").split())
    assert "write END" not in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "5"], "belong to a topic"),
        (["--brokers", "localhost:9"], "belong to a topic"),
        (["--emit-since", "yesterday"], "--emit-since"),
        (["--diff", "{folder}/loans.yaml"], "with itself"),
        (["--diff", "{folder}/more.yaml", "--model", "simple-100"], "one --model"),
        (["topic:events"], "one topic alone"),
        (["-", "-"], "read once only"),
        (["{folder}/nowhere.jsonl"], "no file"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(folder: Path, arguments: list[str], said: str) -> None:
    result = run(folder, *(one.format(folder=folder) for one in arguments))
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["topic:"], "topic:NAME"),
        (["topic:events", "--from", "soon"], "--from"),
        (["topic:events", "--to", "-3"], "--to"),
    ],
)
def test_range_of_a_topic_without_sense_is_a_usage_error(folder: Path, arguments: list[str], said: str) -> None:
    app = typer.Typer()
    app.command()(replay)
    result = CliRunner().invoke(app, [*arguments, "--model", str(folder / "loans.yaml")], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert said in result.output


def test_topic_needs_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEADSCORE_BROKERS", raising=False)
    app = typer.Typer()
    app.command()(replay)
    result = CliRunner().invoke(app, ["topic:events", "--model", str(folder / "loans.yaml")])
    assert isinstance(result.exception, ConfigError)
    assert "LEADSCORE_BROKERS" in str(result.exception)


def test_help_says_in_which_order_a_topic_is_read_and_what_counts_as_named() -> None:
    app = typer.Typer()
    app.command()(replay)
    said = " ".join(CliRunner().invoke(app, ["--help"], env={"COLUMNS": "300", "NO_COLOR": "1"}).output.split())
    assert "by Kafka time across partitions" in said
    assert "strictly before" in said
