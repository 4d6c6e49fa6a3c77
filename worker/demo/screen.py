"""Draw the demo: a live screen for terminals, plain lines for everything else, and the summary. Only drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from worker.contracts.instants import format_instant

if TYPE_CHECKING:
    from rich.console import RenderableType

    from worker.contracts.transition import Transition
    from worker.demo.board import Board, Progress
    from worker.demo.books import ModelBooks, Produced

_TIER_STYLE = {"hot": "bold red", "warm": "yellow", "cold": "cyan"}
_KIND = {
    "lead.sales_ready": ("ready", "bold green"),
    "lead.cooled": ("cooled", "blue"),
    "lead.tier_changed": ("tier", "dim"),
}
_LINES_AROUND_TABLES = 12


def live_screen(board: Board, progress: Progress, height: int) -> RenderableType:
    """Return the whole screen for a terminal of *height* lines: leads above, transitions below."""
    rows = max(6, height - _LINES_AROUND_TABLES)
    leads = min(10, rows // 2)
    return Group(
        _headline(board, progress), hottest_table(board, leads), transitions_table(board, max(3, rows - leads))
    )


def plain_line(board: Board, progress: Progress) -> str:
    """Return one line for a log or a pipe: what a person would want to know once in a while."""
    hottest = ", ".join(f"{lead.contact_id} {lead.row.score:g}" for lead in board.hottest(3)) or "nobody yet"
    return (
        f"{_date(progress.now_ms)}  {progress.sent:,} records sent ({progress.sent_per_s:,.0f}/s), lag {_lag(progress)}, "
        f"{board.contacts:,} contacts scored, {_told(board)}; hottest: {hottest}"
    )


def transition_line(transition: Transition) -> str:
    """Return one transition with its reasons as a line of text."""
    word, _ = _KIND[transition.kind]
    return f"{transition.at[:10]}  {word:<6}  {transition.contact_id}  {_points(transition.score)}  because {reasons_text(transition)}"


def hottest_table(board: Board, count: int) -> Table:
    """Return the leads with the highest scores."""
    table = Table(title="hottest leads", expand=True, title_justify="left", box=None, pad_edge=False)
    table.add_column("contact", ratio=3, no_wrap=True, overflow="ellipsis")
    table.add_column("score", justify="right", width=6)
    table.add_column("", ratio=2)
    table.add_column("tier", width=5)
    table.add_column("status", width=8)
    table.add_column("as of", width=10)
    for lead in board.hottest(count):
        row = lead.row
        table.add_row(
            lead.contact_id,
            f"{row.score:g}",
            ProgressBar(total=200, completed=max(0.0, min(200.0, row.score))),
            Text(row.tier or "-", _TIER_STYLE.get(row.tier or "", "")),
            row.status,
            row.as_of[:10],
        )
    return table


def transitions_table(board: Board, count: int) -> Table:
    """Return what sales was told last, and why."""
    table = Table(title="what sales is told", expand=True, title_justify="left", box=None, pad_edge=False)
    table.add_column("on", width=10)
    table.add_column("lead", width=6)
    table.add_column("contact", ratio=3, no_wrap=True, overflow="ellipsis")
    table.add_column("score", justify="right", width=6)
    table.add_column("because", ratio=5, no_wrap=True, overflow="ellipsis")
    for transition in board.latest(count):
        word, style = _KIND[transition.kind]
        score = _points(transition.score)
        table.add_row(transition.at[:10], Text(word, style), transition.contact_id, score, reasons_text(transition))
    return table


def reasons_text(transition: Transition) -> str:
    """
    Say why: for a lead that became ready the rules that brought the points, for one that cooled first what cooled it.

    Each rule is shown with its points as of then and, when it gave several awards, their number.
    """
    rules = ", ".join(
        f"{reason.rule} {reason.points:+g}" + (f" (x{reason.count})" if reason.count > 1 else "")
        for reason in (transition.reasons or [])[:4]
    )
    if transition.kind != "lead.cooled":
        return rules or transition.cause
    cause = "time passed" if transition.cause == "timer" else transition.cause
    return f"{cause}; left: {rules}" if rules else cause


def books_table(books: list[ModelBooks], produced: Produced) -> Table:
    """Return the books: a column for each model, and beside them what they should be by what was sent."""
    table = Table(title="the worker's books", title_justify="left")
    table.add_column("records")
    for book in books:
        table.add_column(book.model, justify="right")
    table.add_column("by what was sent", justify="right")
    forwarded = max((book.forwarded for book in books), default=0)

    def add(name: str, numbers: list[int], sent: str = "", style: str = "") -> None:
        table.add_row(name, *(f"{number:,}" for number in numbers), sent, style=style)

    add("effective", [book.effective for book in books])
    add("duplicate", [book.duplicate for book in books], f"{produced.repeated:,}")
    add("without effect", [book.without_effect for book in books])
    add("dead-lettered", [book.dead_lettered for book in books], f"{produced.malformed:,}")
    add("forwarded", [book.forwarded for book in books], f"{produced.misplaced:,}")
    add("replayed", [book.replayed for book in books])
    table.add_section()
    add("together", [book.accounted for book in books])
    add(
        "received",
        [book.received for book in books],
        f"{produced.records:,} + {forwarded:,} forwarded",
        "green" if all(book.accounted == book.received for book in books) else "bold red",
    )
    return table


def summary(board: Board, progress: Progress, produced: Produced) -> str:
    """Return the story in a few sentences."""
    days = (progress.now_ms - progress.start_ms) / 86_400_000
    causes = ", ".join(
        f"{count} by {'time' if cause == 'timer' else cause}" for cause, count in board.cooled_by.most_common(4)
    )
    return (
        f"{days:.0f} days of a company with {board.contacts:,} contacts: {produced.records:,} records sent, among them "
        f"{produced.repeated:,} repeats, {produced.late:,} late, {produced.malformed:,} broken, "
        f"{produced.misplaced:,} in the wrong partition.\n"
        f"Sales was told {board.told['lead.sales_ready']:,} times that a lead is ready, and {board.told['lead.cooled']:,} times "
        f"that one has cooled{f' ({causes})' if causes else ''}."
    )


def next_steps() -> Panel:
    """Return what to try now."""
    lines = (
        ("leadscore model show simple-100", "the rules that made these scores"),
        ("leadscore model lint my-model.yaml", "check a model of your own"),
        ("python -m worker.demo.broker", "a Kafka to play with"),
        ("leadscore settings", "what `leadscore run` needs to know"),
    )
    width = max(len(command) for command, _ in lines)
    text = Text("\n").join(
        Text.assemble((command.ljust(width), "bold"), "  ", (what, "dim")) for command, what in lines
    )
    return Panel(text, title="what next", title_align="left", expand=False)


def _headline(board: Board, progress: Progress) -> Panel:
    bar = Table.grid(expand=True, padding=(0, 1))
    bar.add_column(width=10)
    bar.add_column(ratio=1)
    bar.add_column(width=10)
    bar.add_row(_date(progress.now_ms), ProgressBar(total=1.0, completed=progress.done_ratio), _date(progress.end_ms))
    figures = (
        f"{progress.stage} | {progress.sent:,} records sent, {progress.sent_per_s:,.0f}/s | lag {_lag(progress)} | "
        f"{board.contacts:,} contacts | {_told(board)}"
    )
    return Panel(Group(bar, Text(figures)), title="lead scoring, one simulated day a second", title_align="left")


def _told(board: Board) -> str:
    return f"{board.told['lead.sales_ready']:,} ready, {board.told['lead.cooled']:,} cooled"


def _lag(progress: Progress) -> str:
    return "unknown" if progress.lag_records is None else f"{progress.lag_records:,}"


def _points(score: float | None) -> str:
    return "-" if score is None else f"{score:g}"


def _date(instant_ms: int) -> str:
    return format_instant(instant_ms)[:10]
