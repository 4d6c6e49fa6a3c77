"""Dead letters as text and as JSON values; of what came with a record only the size, unless it is to be revealed."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import typer

from worker.cases.wording import printable
from worker.cli.options import DRY
from worker.cli.pages import page
from worker.cli.tables import Column, print_table
from worker.contracts.instants import format_instant
from worker.operations.dead_letters import OUR_HEADERS, REPLAYED_HEADER
from worker.reports.amounts import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from worker.operations.dead_letter_replay import Outcome
    from worker.operations.dead_letters import DeadLetter, Overview
    from worker.settings import Settings


def outcome_lines(outcome: Outcome, settings: Settings, *, is_dry: bool) -> Iterator[str]:
    """Yield what a replay has sent and passed over."""
    sent = sum(outcome.sent.values())
    word = "would be sent" if is_dry else "sent"
    yield f"{counted(sent, 'dead letter')} {word} to {settings.input_topic}"
    for code, letters in sorted(outcome.sent.items()):
        yield f"  {letters:,} {code}"
    for reason, letters in outcome.passed.items():
        yield f"{letters:,} passed over: {reason}"
    if is_dry and sent:
        yield DRY


def overview_document(found: Overview, topic: str) -> dict[str, Any]:
    """Return counts and the newest letters of *topic*, for programs."""
    return {
        "topic": topic,
        "dead_letters": found.letters,
        "counts": [
            {
                "code": kind.code,
                "partition": kind.partition,
                **({} if kind.since_ms is None else {"since": format_instant(kind.since_ms)}),
                "dead_letters": tally.letters,
                "bytes": tally.size_bytes,
                "replayed": tally.replayed,
                "first_at": format_instant(tally.first_ms),
                "last_at": format_instant(tally.last_ms),
            }
            for kind, tally in sorted(found.tallies.items(), key=_by_time)
        ],
        "newest": [letter_document(letter) for letter in found.newest],
    }


def _by_time(item: tuple[Any, Any]) -> tuple[int, str, int]:
    kind = item[0]
    return kind.since_ms or 0, kind.code, kind.partition


def letter_document(letter: DeadLetter) -> dict[str, Any]:
    """Return what may be said of *letter* to anybody."""
    return {
        "partition": letter.partition,
        "offset": letter.offset,
        "at": format_instant(letter.at_ms),
        "code": letter.code,
        "path": letter.path,
        "message": letter.message,
        "source_topic": letter.topic,
        "source_partition": letter.source_partition,
        "source_offset": letter.source_offset,
        "replays": letter.replays,
        "bytes": letter.size_bytes,
    }


def insides(letter: DeadLetter, *, is_revealed: bool) -> dict[str, Any]:
    """Return headers, key and value; of those that came with the record only the size, unless they are revealed."""

    def shown(name: str, value: bytes | None) -> object:
        is_ours = name == REPLAYED_HEADER or name.startswith(OUR_HEADERS)
        return _readable(value) if is_ours or is_revealed else f"{len(value or b'')} bytes"

    # A name that came with a record may be anything; ours are known.
    headers = [{"name": name, "value": shown(name, value)} for name, value in letter.headers]
    if not is_revealed:
        return {"headers": headers, "key_bytes": len(letter.key or b""), "value_bytes": len(letter.value or b"")}
    return {"headers": headers, "key": _readable(letter.key), "value": _readable(letter.value)}


def _readable(value: bytes | None) -> object:
    """Return *value* as text, or in base64 where it is none; None stays None."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(value).decode()}


def print_overview(found: Overview, topic: str) -> None:
    """Print counts and the newest letters of *topic*."""
    console = page()
    console.print(f"{counted(found.letters, 'dead letter')} in {topic}")
    if not found.tallies:
        return
    numbers = [Column(head, is_number=True) for head in ("partition", "letters", "bytes", "replayed")]
    columns = [Column("code", least=14, yields=1), *numbers, Column("first (UTC)"), Column("last (UTC)")]
    with_time = any(kind.since_ms is not None for kind in found.tallies)
    rows = []
    for kind, tally in sorted(found.tallies.items(), key=_by_time):
        since = (format_instant(kind.since_ms)[:16],) if kind.since_ms is not None else ()
        counts = (str(kind.partition), f"{tally.letters:,}", f"{tally.size_bytes:,}", f"{tally.replayed:,}")
        times = (format_instant(tally.first_ms)[:19], format_instant(tally.last_ms)[:19])
        rows.append((*since, printable(kind.code) or "-", *counts, *times))
    print_table(console, [*([Column("since (UTC)")] if with_time else []), *columns], rows)
    _print_newest(console, found)


def _print_newest(console: Console, found: Overview) -> None:
    if not found.newest:
        return
    columns = (
        Column("place", is_number=True), Column("put aside (UTC)"), Column("code", least=14, yields=1),
        Column("path", least=10, yields=2), Column("lay at", least=12, yields=3, may_go=True), Column("bytes", is_number=True),
    )  # fmt: skip
    rows = [
        (
            one.place,
            format_instant(one.at_ms)[:19],
            printable(one.code) or "-",
            printable(one.path),
            printable(f"{one.topic}[{one.source_partition}]@{one.source_offset}") if one.topic else "-",
            f"{one.size_bytes:,}",
        )
        for one in found.newest
    ]
    print_table(console, columns, rows, f"\nnewest first ({len(rows):,} of {found.letters:,})")


def print_letter(document: dict[str, Any]) -> None:
    """Print the *document* of one letter, a line a field."""
    for name, value in document.items():
        if name != "headers":
            typer.echo(f"{name.replace('_', ' ')}: {printable(str('none' if value is None else value))}")
    for header in document["headers"]:
        typer.echo(f"header {printable(header['name'])}: {printable(str(header['value']))}")
