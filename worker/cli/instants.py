"""An instant on the command line: END, or a time with its zone."""

from __future__ import annotations

import typer

from worker.contracts.instants import parse_instant

END = "END"
"""The newest instant there is an answer for."""


def parse_as_of(text: str, option: str = "--as-of") -> int | None:
    """Return *text* as UTC ms, None for END; a usage error that names *option* otherwise."""
    return None if text == END else parse_time(text, option, f"{END}, or ")


def parse_time(text: str, option: str, otherwise: str = "") -> int:
    """Return *text* as UTC ms; a usage error that names *option*, and proposes *otherwise* first, where it is no instant."""
    try:
        return parse_instant(text)
    except ValueError as exc:
        hint = f"write {otherwise}a time with its zone like 2026-03-01T00:00:00Z"
        raise typer.BadParameter(f"{text!r} is no instant; {hint}", param_hint=option) from exc
