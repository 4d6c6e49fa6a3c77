"""The command `leadscore`: parses, calls one function, prints, exits; what it does lies elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer
from typer.core import TyperGroup

from worker import __version__
from worker.cli import contact, dlq, model, offsets, replay, send, settings, topics
from worker.cli.demo import demo
from worker.cli.lag import lag
from worker.cli.run import run
from worker.errors import WorkerError

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


class InOrder(TyperGroup):
    """Lists commands in the order in which somebody meets them: those who write models, then those who run workers."""

    def list_commands(self, ctx: object) -> list[str]:
        """Return the names of all commands."""
        return [*_ORDER, *(name for name in self.commands if name not in _ORDER)]


_ORDER = ("demo", "replay", "model", "run", "send", "settings", "topics", "lag", "dlq", "offsets", "contact")

app = typer.Typer(
    cls=InOrder,
    help="Score leads from a stream of interactions, and tell sales which are ready.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# Short enough for one line of a narrow terminal; the first sentences of the commands say more.
app.command(short_help="Score events until told to stop.")(run)
app.command(short_help="Watch a real Kafka, a worker and simulated traffic.")(demo)
app.command(short_help="Send one event, or a file of events, to the input topic.")(send.send)
app.command(short_help="Score a recorded history without a worker.")(replay.replay)
app.command(short_help="Show how far each partition is behind, and who owns it.")(lag)
app.command(short_help="Show every setting, its value and its origin.")(settings.settings)
app.add_typer(model.app, name="model", help="Write, check, test, explain, fit, show, list and drop models.")
app.add_typer(topics.app, name="topics", help="Plan, create and check topics, their permissions and epoch.")
app.add_typer(dlq.app, name="dlq", help="List, show and replay dead letters.")
app.add_typer(offsets.app, name="offsets", help="Show where partitions stand, and pass over records.")
app.add_typer(contact.app, name="contact", help="Show, dump, export and erase contacts.")


def _print_version(wanted: bool) -> None:
    """Print the version and exit, if it is *wanted*."""
    if wanted:
        typer.echo(f"leadscore {__version__}")
        raise typer.Exit


@app.callback()
def leadscore(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="print the version, and exit")
    ] = False,
) -> None:
    """Score leads from a stream of interactions, and tell sales which are ready."""


def main() -> None:
    """
    Run the command line and exit.

    0 fine, 1 findings, 2 usage, 69 a dependency cannot be reached, 70 restart me, 78 configuration, 130 interrupted.
    """
    logging.getLogger().addHandler(logging.NullHandler())  # a client's own words would stand before ours
    try:
        app()
    except WorkerError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - Python's own exit code, 1, would mean that something was found
        sys.exit(_end_of(error))


def _end_of(error: Exception) -> int:
    """Print what nobody has foreseen, and return the exit code: what a broker denies is the operator's, all else a defect."""
    import traceback

    from worker.kafka.refusals import refusal_of
    from worker.logs import safe_text

    if (refusal := refusal_of(error)) is not None:
        sys.stderr.write(f"{refusal.code}: {refusal}\n")
        return refusal.exit_code
    sys.stderr.write("".join(traceback.format_tb(error.__traceback__)))
    sys.stderr.write(
        f"{WorkerError.code}: {safe_text(error)}\n  fix: this is a defect; report it with the lines above\n"
    )
    return WorkerError.exit_code


if __name__ == "__main__":
    main()
