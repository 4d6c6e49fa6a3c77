from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console, RenderableType

from worker.contracts.instants import MS_PER_DAY, parse_instant
from worker.contracts.score import ScoreRow, encode_scores
from worker.contracts.transition import EventSource, Kind, Reason, Transition, encode_transition
from worker.demo.board import Board, Progress
from worker.demo.books import ModelBooks, Produced
from worker.demo.screen import books_table, live_screen, next_steps, plain_line, reasons_text, summary, transition_line

START = parse_instant("2026-03-02T00:00:00Z")


def drawn(renderable: RenderableType, width: int = 140) -> str:
    console = Console(file=io.StringIO(), width=width, height=40, force_terminal=False, color_system=None)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def row(score: float, tier: str = "hot", status: str = "open") -> ScoreRow:
    return ScoreRow(
        score=score,
        tier=tier,
        status=status,
        groups={"engagement": score},
        as_of="2026-03-05T10:00:00.000Z",
        version=1,
        digest="d",
    )


def told(
    kind: Kind = "lead.sales_ready", cause: str = "demo.requested", contact: str = "ada@acme.example"
) -> Transition:
    return Transition(
        id="i", kind=kind, contact_id=contact, model="simple-100", version=1, digest="d", sequence=1, cause=cause,
        at="2026-03-05T10:00:00.000Z", score=130.0, tier="hot", groups={"engagement": 130.0},
        event=None if cause == "timer" else EventSource("e", "t", 0, 1),
        reasons=[
            Reason("demo requested", 100.0, 100.0, 1, "2026-03-05T10:00:00.000Z"),
            Reason("pricing page", 22.5, 30.0, 2, "2026-03-04T10:00:00.000Z"),
        ],
    )  # fmt: skip


@pytest.fixture
def board() -> Board:
    board = Board()
    board.take_scores(b"ada@acme.example", encode_scores({"simple-100": row(130.0, status="ready")}))
    board.take_scores(b"bob@acme.example", encode_scores({"simple-100": row(12.5, "cold")}))
    board.take_scores(b"eve@acme.example", encode_scores({"simple-100": row(50.0)}))
    board.take_transition(encode_transition(told()))
    return board


@pytest.fixture
def progress() -> Progress:
    now_ms = START + 15 * MS_PER_DAY
    return Progress(
        start_ms=START, end_ms=START + 60 * MS_PER_DAY, now_ms=now_ms, sent=12_345, lag_records=7, stage="running"
    )


def test_hottest_leads_come_first_and_a_newer_score_replaces_the_older(board: Board) -> None:
    board.take_scores(b"bob@acme.example", encode_scores({"simple-100": row(99.0)}))
    assert [(lead.contact_id[:3], lead.row.score) for lead in board.hottest(2)] == [("ada", 130.0), ("bob", 99.0)]
    assert board.contacts == 3


def test_customer_is_no_lead_any_more(board: Board) -> None:
    """Sales has won them: a list of whom to call must not begin with them."""
    board.take_scores(b"ada@acme.example", encode_scores({"simple-100": row(200.0, status="closed")}))
    assert [lead.contact_id[:3] for lead in board.hottest(5)] == ["eve", "bob"]
    assert board.contacts == 3


def test_erased_contact_leaves_the_board(board: Board) -> None:
    board.take_scores(b"ada@acme.example", None)
    assert [lead.contact_id[:3] for lead in board.hottest(5)] == ["eve", "bob"]


def test_transitions_are_counted_by_kind_and_shown_newest_first(board: Board) -> None:
    board.take_transition(encode_transition(told("lead.cooled", "timer", "eve@acme.example")))
    assert [one.contact_id[:3] for one in board.latest(5)] == ["eve", "ada"]
    assert board.told == {"lead.sales_ready": 1, "lead.cooled": 1}
    assert board.cooled_by == {"timer": 1}


def test_record_that_is_no_score_is_an_error_not_an_empty_row(board: Board) -> None:
    with pytest.raises(msgspec.DecodeError):
        board.take_scores(b"x", b"{}")


def test_screen_shows_leads_transitions_and_how_far_it_is(board: Board, progress: Progress) -> None:
    text = drawn(live_screen(board, progress, 40))
    for part in (
        "ada@acme.example",
        "130",
        "hot",
        "ready",
        "demo requested +100",
        "2026-03-17",
        "2026-05-01",
        "12,345",
        "lag 7",
    ):
        assert part in text
    assert text.index("ada@acme.example") < text.index("eve@acme.example") < text.index("bob@acme.example")


@pytest.mark.parametrize("height", [10, 24, 60])
def test_screen_fits_the_terminal(progress: Progress, height: int) -> None:
    """A live screen taller than the terminal scrolls, and becomes unreadable."""
    board = Board()
    for n in range(100):
        board.take_scores(f"c{n}".encode(), encode_scores({"simple-100": row(float(n))}))
        board.take_transition(encode_transition(told(contact=f"c{n}")))
    assert len(drawn(live_screen(board, progress, height), 100).splitlines()) <= max(height, 18)


def test_plain_line_is_one_line_with_the_same_figures(board: Board, progress: Progress) -> None:
    line = plain_line(board, progress)
    assert "\n" not in line
    assert line.startswith("2026-03-17  12,345 records sent")
    assert "ada@acme.example 130" in line


def test_lag_that_is_not_known_is_not_shown_as_zero(board: Board, progress: Progress) -> None:
    progress.lag_records = None
    assert "lag unknown" in plain_line(board, progress)


@pytest.mark.parametrize(
    ("kind", "cause", "expected"),
    [
        ("lead.sales_ready", "demo.requested", "demo requested +100, pricing page +22.5 (x2)"),
        ("lead.cooled", "timer", "time passed; left: demo requested +100, pricing page +22.5 (x2)"),
        ("lead.cooled", "sales.rejected", "sales.rejected; left: demo requested +100, pricing page +22.5 (x2)"),
    ],
)
def test_reasons_say_what_made_it_ready_or_what_cooled_it(kind: Kind, cause: str, expected: str) -> None:
    assert reasons_text(told(kind, cause)) == expected


def test_transition_without_reasons_names_its_cause() -> None:
    assert reasons_text(msgspec.structs.replace(told(), reasons=None)) == "demo.requested"
    assert "cooled" in transition_line(
        msgspec.structs.replace(told("lead.cooled", "contact.erased"), reasons=None, score=None)
    )


def test_books_show_the_sum_beside_what_was_received_and_what_was_sent() -> None:
    book = ModelBooks(
        model="simple-100",
        received=1115,
        effective=1079,
        duplicate=10,
        without_effect=13,
        dead_lettered=7,
        forwarded=5,
        replayed=0,
    )
    text = drawn(books_table([book], Produced(records=1110, repeated=11, malformed=7, misplaced=5)), 80)
    found = {
        line.split("│")[1].strip(): [part.strip() for part in line.split("│")[2:4]]
        for line in text.splitlines()
        if "│" in line
    }
    assert found["duplicate"] == ["10", "11"]
    assert found["together"] == ["1,114", ""]
    assert found["received"] == ["1,115", "1,110 + 5 forwarded"]


def test_summary_tells_days_counts_and_causes(board: Board, progress: Progress) -> None:
    board.take_transition(encode_transition(told("lead.cooled", "timer")))
    text = summary(board, progress, Produced(records=12_345, repeated=3, late=4, malformed=5, misplaced=6))
    for part in (
        "15 days",
        "12,345 records",
        "3 repeats",
        "4 late",
        "5 broken",
        "6 in the wrong",
        "1 times that one has cooled (1 by time)",
    ):
        assert part in text
    assert "leadscore model show" in drawn(next_steps())


def test_rate_is_measured_over_the_last_steps(progress: Progress) -> None:
    for at_s, sent in ((10.0, 0), (10.5, 100), (11.0, 300)):
        progress.sent = sent
        progress.note_sent(at_s)
    assert progress.sent_per_s == 300.0
    assert progress.done_ratio == 0.25
