"""Places in a topic on the command line: --from and --to, an offset or an instant; PARTITION:OFFSET, one record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from worker.contracts.instants import parse_instant

if TYPE_CHECKING:
    from worker.operations.topic_lines import Bound

FromOption = Annotated[
    str | None, typer.Option("--from", help="from this offset, or instant like 2026-03-01T00:00:00Z")
]
ToOption = Annotated[str | None, typer.Option("--to", help="up to before this offset or instant")]


def parse_bound(text: str | None, option: str) -> Bound | None:
    """Return the place that *text*, given with *option*, means; raises a usage error when it is neither offset nor instant."""
    from worker.operations.topic_lines import Instant, Offset

    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return Offset(int(text))
    try:
        return Instant(parse_instant(text))
    except ValueError:
        hint = "write an offset like 1200, or a time with its zone like 2026-03-01T00:00:00Z"
        raise typer.BadParameter(f"{text!r} is neither; {hint}", param_hint=option) from None


def parse_place(text: str) -> tuple[int, int]:
    """Return partition and offset of *text*, a PARTITION:OFFSET; raises a usage error when it is none."""
    partition, _, offset = text.partition(":")
    if not all(part.isascii() and part.isdigit() for part in (partition, offset)):
        hint = "write 3:1042 for the record at offset 1042 of partition 3"
        raise typer.BadParameter(f"{text!r} is no such place; {hint}", param_hint="PARTITION:OFFSET")
    return int(partition), int(offset)
