"""`leadscore model explain`: why one contact's score is what it is, what sales was told, and what comes next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from worker.cli.instants import END, parse_as_of
from worker.cli.options import FINDINGS, USAGE, Output, OutputOption
from worker.cli.pages import echo_json

if TYPE_CHECKING:
    from worker.cases.case import Case
    from worker.scoring.model import Model


class Told(NamedTuple):
    """A contact's events, ready to be folded."""

    payloads: list[bytes]  # none later than at_ms
    contact_id: str
    at_ms: int
    events: int  # of the contact
    refused: int = 0


def explain(
    model: Annotated[str, typer.Argument(help="model file, or name of a shipped model")],
    events: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="JSON lines, plain, .gz or .zst; with --case a file of cases"),
    ],
    contact: Annotated[str | None, typer.Option(help="id of the contact")] = None,
    case: Annotated[str | None, typer.Option(help="explain this case of a cases file instead")] = None,
    as_of: Annotated[
        str, typer.Option(help="read at END (of the file) or an instant; later events are left out")
    ] = END,
    output: OutputOption = Output.text,
) -> None:
    """Say why a contact's score is what it is, in lines that add up to it, and what comes next; exit 1 for an unknown contact."""
    from worker.cases.explained import explained_json, explained_lines
    from worker.cases.outcome import outcome_of
    from worker.cases.wording import printable, transition_words
    from worker.errors import ConfigError, ModelError
    from worker.scoring.model_file import load_model
    from worker.scoring.next_steps import outlook

    if (contact is None) == (case is None):
        raise typer.BadParameter("name either a contact or, in a file of cases, a case", param_hint="--contact")
    try:
        scored = load_model(model)
        told = _of_case(scored, events, case, as_of) if case is not None else _of_history(events, contact or "", as_of)
    except (ConfigError, ModelError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(USAGE) from None
    outcome = outcome_of(scored, told.payloads, told.contact_id, told.at_ms)
    ahead = outlook(scored, outcome.fold, outcome.latch, told.at_ms)
    if output is Output.json:
        facts = {"contact_id": told.contact_id, "events": told.events, "refused_lines": told.refused}
        echo_json(explained_json(scored, outcome, ahead) | facts | {"transitions": outcome.transitions})
        return
    name = told.contact_id if case is None else f'case "{case}"'
    transitions = [transition_words(one) for one in outcome.transitions]
    for line in explained_lines(scored, name, outcome, ahead, transitions):
        typer.echo(printable(line))
    _tell_of_refused(told.refused)


def _tell_of_refused(lines: int) -> None:
    from worker.reports.amounts import counted

    if lines:
        typer.echo(f"{counted(lines, 'line')} {'holds' if lines == 1 else 'hold'} no event, passed over", err=True)


def _of_history(file: Path, contact_id: str, as_of: str) -> Told:
    """Return the events of *contact_id* in *file*; exits when there is none."""
    from worker.cases.story import read_story
    from worker.lines import read_lines

    until_ms = parse_as_of(as_of)
    story = read_story(read_lines(file), contact_id, until_ms)
    if not story.events:
        is_empty = until_ms is None and story.newest_ms is None
        whose = "at all" if is_empty else f"of contact {contact_id!r}{'' if until_ms is None else ' up to then'}"
        typer.echo(f"{file}: there is no event {whose}", err=True)
        _tell_of_refused(story.refused)
        raise typer.Exit(FINDINGS)
    at_ms = until_ms if until_ms is not None else story.newest_ms or 0
    return Told(story.payloads, contact_id, at_ms, story.events, story.refused)


def _of_case(model: Model, file: Path, name: str, as_of: str) -> Told:
    """Return the events of the case called *name* in *file*; END is its last expectation."""
    from worker.cases.beside import read_cases_file
    from worker.cases.file import CONTACT, parse_cases
    from worker.scoring.file.findings import nearest

    where, text = read_cases_file(file)
    cases = {one.name: one for one in parse_cases(text, model, where)}
    found = cases.get(name)
    if found is None:
        typer.echo(f'{where}: there is no case "{name}"; {nearest(name, cases)}', err=True)
        raise typer.Exit(FINDINGS)
    at_ms = _case_instant(found, as_of)
    payloads = [event.payload for event in found.events if event.at_ms <= at_ms]
    return Told(payloads, CONTACT, at_ms, len(payloads))


def _case_instant(case: Case, as_of: str) -> int:
    """Return the instant that *as_of* says in the words of *case*."""
    from worker.cases.instants import EXAMPLES, parse_at

    last_ms = case.expectations[-1].at_ms
    if as_of == END:
        return last_ms
    try:
        return parse_at(as_of, case.start_ms, case.events[-1].at_ms if case.events else case.start_ms)
    except ValueError:
        raise typer.BadParameter(f"{as_of!r} is no instant; write END, {EXAMPLES}", param_hint="--as-of") from None
