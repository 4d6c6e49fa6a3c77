from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.support.small import DAY, HOUR, START, accept, event_value, rule, small_model
from worker.errors import StateError
from worker.export import (
    ScoreLine,
    score_lines,
    scores_csv,
    transition_line,
    transitions_jsonl,
    write_file,
    write_files,
)
from worker.replay import replay_lines
from worker.scoring.contact import Contact, ModelState
from worker.scoring.latch import Latch, Status

LINE = ScoreLine(
    "c", unscored=False, score=0.1 + 0.2, shown=0.3, tier="hot", groups={"b": 1.5, "a": -0.1}, latch="open", sequence=0
)
MODEL = small_model(
    rule("act", 60, decay={"half_life": "1d"}), groups={"zeta": {}, "engagement": {"cap": 100}}, lateness="1h"
)


def test_scores_are_written_with_the_shortest_text_of_each_double() -> None:
    assert scores_csv([LINE]) == (
        "contact_id,unscored,score,shown,tier,groups,latch,sequence\n"
        'c,false,0.30000000000000004,0.3,hot,"{""a"":-0.1,""b"":1.5}",open,0\n'
    )


def test_contact_ids_with_commas_quotes_and_letters_come_back_from_the_file() -> None:
    names = ["a,b", 'say "hi"', "é \U0001f600", " spaced "]
    text = scores_csv([LINE._replace(contact_id=name) for name in names])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["contact_id"] for row in rows] == names
    assert [json.loads(row["groups"]) for row in rows] == [LINE.groups] * 4


def contact_of(*days: float) -> Contact:
    contact = Contact(1)
    state = contact.models[0] = ModelState()
    for day in days:
        accept(state.history, MODEL, "act", START + round(day * DAY))
    state.latch = Latch(Status.RESTING, 4)
    return contact


def test_lines_say_score_groups_and_latch_of_each_contact_in_byte_order() -> None:
    contacts = [(b"z", contact_of(0)), (b"a", contact_of(0, 1)), ("é".encode(), contact_of(1))]
    lines = score_lines(contacts, MODEL, 0, START + DAY)
    assert [(line.contact_id, line.score) for line in lines] == [("a", 90.0), ("z", 30.0), ("é", 60.0)]
    assert lines[0].groups == {"engagement": 90.0, "zeta": 0.0}
    assert list(lines[0].groups) == ["engagement", "zeta"]
    assert (lines[0].latch, lines[0].sequence, lines[0].tier, lines[0].unscored) == ("resting", 4, "", False)


def test_groups_are_listed_within_their_bounds() -> None:
    (line,) = score_lines([(b"c", contact_of(0, 0.001, 0.002))], MODEL, 0, START + HOUR)
    assert line.groups["engagement"] == 100.0


def test_contact_unknown_to_the_model_has_no_line() -> None:
    assert score_lines([(b"c", Contact(1))], MODEL, 0, START) == []


def test_contact_whose_first_event_comes_later_has_no_line() -> None:
    """A replay up to that instant would not know it."""
    assert score_lines([(b"c", contact_of(1))], MODEL, 0, START) == []


def test_instant_that_is_no_longer_kept_is_refused() -> None:
    contact = contact_of(0, 1, 2)
    state = contact.models[0]
    assert state is not None
    state.history.trim(MODEL)
    with pytest.raises(StateError, match=r"2026-01-01T00:00:00\.000Z"):
        score_lines([(b"c", contact)], MODEL, 0, START)


def transitions() -> list[bytes]:
    model = small_model(
        rule("act", 100, decay={"half_life": "1h"}),
        qualify={"when": {"score": {"at_least": 50}}},
        tiers={"cold": 0, "hot": 50},
    )
    lines = [event_value("act", START + day * DAY, contact=name) for day in (0, 1) for name in ("b", "a")]
    return replay_lines([model], lines).transitions["small"]


def test_transition_line_has_epoch_0_and_an_instant_in_ms() -> None:
    ready = transition_line(transitions()[0])
    assert ready == {
        "kind": "lead.sales_ready", "contact_id": "b", "epoch": 0, "sequence": 1,
        "at": START, "cause": "act", "score": 100.0, "tier": "hot",
    }  # fmt: skip


def test_transitions_are_in_order_of_contact_sequence_and_kind() -> None:
    lines = [json.loads(line) for line in transitions_jsonl(transitions()).splitlines()]
    assert [(line["contact_id"], line["sequence"], line["kind"]) for line in lines] == [
        (name, *rest)
        for name in "ab"
        for rest in ((1, "lead.cooled"), (1, "lead.sales_ready"), (2, "lead.sales_ready"))
    ]


def test_tier_of_a_model_without_tiers_is_null() -> None:
    model = small_model(rule("act", 100), qualify={"when": {"score": {"at_least": 50}}})
    (told,) = replay_lines([model], [event_value("act")]).transitions["small"]
    assert transition_line(told)["tier"] is None


def test_files_are_written_into_a_folder_that_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    write_files(folder, "é\n", b"{}\n")
    assert (folder / "scores.csv").read_bytes() == "é\n".encode()
    assert (folder / "transitions.jsonl").read_bytes() == b"{}\n"


def test_transitions_that_are_not_known_leave_no_file(tmp_path: Path) -> None:
    write_files(tmp_path, "", None)
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]


def test_file_that_is_written_over_is_then_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    file.write_text("longer than what follows")
    file.chmod(0o644)
    write_file(file, b"new")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o600)


def test_folder_in_place_of_a_file_keeps_its_mode(tmp_path: Path) -> None:
    """If this fails, a report called like a folder locks everybody else out of that folder."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(IsADirectoryError):
        write_file(folder, b"new")
    assert folder.stat().st_mode & 0o777 == 0o755


def test_what_is_no_file_keeps_its_mode() -> None:
    before = Path("/dev/null").stat().st_mode
    write_file(Path("/dev/null"), b"new")
    assert Path("/dev/null").stat().st_mode == before
