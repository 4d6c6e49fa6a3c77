"""Reference tables in Markdown, made from the values that the worker itself uses, so that they cannot drift from it."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from worker import errors
from worker.cli.model_new import schema_text
from worker.kafka.acls import COMMANDS, grants
from worker.metrics import CATALOGUE, Metric
from worker.scoring.file.reference import model_reference
from worker.settings import PREFIX, VARIABLES, Variable, load_settings

EXIT_CODES: tuple[tuple[int, str], ...] = (
    (0, "Done."),
    (1, "Done, and something was found (lint, check, differences)."),
    (2, "The command line was wrong."),
    (69, "Kafka or the store could not be reached in time, or the disk of the state is full."),
    (70, "Restart me: fenced, another writer, or a watchdog; nothing is lost."),
    (78, "Configuration: a setting, a model file or stored state cannot be used; a restart alone will not help."),
    (130, "Interrupted."),
)
"""What each exit code of `leadscore` means."""

DEAD_LETTERS: tuple[tuple[str, str], ...] = (
    ("event.null_value", "The record has no value."),
    ("event.too_large", "The value is over 256 KiB."),
    ("event.too_deep", "Objects and arrays lie more than 32 levels deep."),
    ("event.not_json", "The value is no JSON text in UTF-8."),
    ("event.not_object", "The value is JSON, but no object."),
    ("event.missing_field", "A field that an event must have is not there."),
    ("event.bad_field", "A field has a value that it cannot have."),
    ("event.bad_time", "A time is no RFC 3339 text or integer of milliseconds from 1990 to 2099."),
    ("event.key_mismatch", "The record's key is not the contact's id."),
    ("event.misplaced", "The record was forwarded and still lies in another partition than its key belongs to."),
)
"""Why a record is dead-lettered, in the order in which it is tested."""


REFERENCE = Path(__file__).parents[1] / "REFERENCE.md"
"""Where the tables are kept."""
MODEL_SCHEMA = Path(__file__).parents[2] / "schemas/scoring-model/v1.schema.json"
"""Where the schema of model files is kept."""


def reference() -> str:
    """Return the whole reference."""
    return (
        "<!-- Made by `make docs`; change the code, not this file. -->\n\n# Reference\n\n"
        f"## Commands\n\n{commands_reference()}\n"
        f"## Settings\n\n{settings_reference()}\n"
        f"## Metrics\n\n{metrics_reference()}\n"
        f"## Errors and exit codes\n\n{errors_reference()}\n"
        f"## Permissions\n\n{permissions_reference()}\n"
        f"## Model files\n\n{model_files_reference()}"
    )


def main(arguments: Sequence[str]) -> int:
    """Write reference and schema; with ``--check`` only compare, and return 1 when one is not what would be written."""
    made = {REFERENCE: reference(), MODEL_SCHEMA: schema_text()}
    if list(arguments) == ["--check"]:
        stale = [path for path, text in made.items() if not path.is_file() or path.read_text("utf-8") != text]
        for path in stale:
            sys.stderr.write(f"{path.name} is not what the code says\n  fix: make docs\n")
        return 1 if stale else 0
    for path, text in made.items():
        path.write_text(text, "utf-8")
    return 0


def commands_reference() -> str:
    """Return every command with what it does and its options, as one Markdown table and a list of options each."""
    introduction = (
        "Exit codes are those of the table under [Errors and exit codes](#errors-and-exit-codes). "
        "`--help` says the same at a terminal.\n"
    )
    return "\n".join([introduction, *(_command_text(name, one) for name, one in _commands("leadscore", _root()))])


def _root() -> Any:  # noqa: ANN401 - typer's own copy of click
    from worker.cli.main import app

    return typer.main.get_command(app)


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - see above
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, one in inner.items():
        yield from _commands(f"{name} {word}", one)


def _command_text(name: str, command: Any) -> str:  # noqa: ANN401 - see above
    rows = []
    for one in command.params:
        if one.name == "help":
            continue
        is_argument = one.param_type_name == "argument"
        shown = str(one.metavar or one.name.upper()) if is_argument else ", ".join(one.opts)
        default = "required" if one.required else _default(one)
        rows.append((f"`{shown}`", default, " ".join((getattr(one, "help", None) or "").split())))
    text = f"### {name}\n\n{' '.join(inspect.cleandoc(command.help or '').split())}\n"
    return text + (f"\n{_table(('argument or option', 'default', 'meaning'), rows)}" if rows else "")


def _default(option: Any) -> str:  # noqa: ANN401 - see above
    value = getattr(option.default, "value", option.default)
    return "" if value is None or value is False or value == [] or callable(value) else f"`{value}`"


def settings_reference() -> str:
    """Return all settings as Markdown tables, one for each section."""
    sections: dict[str, list[Variable]] = {}
    for variable in VARIABLES:
        sections.setdefault(variable.section, []).append(variable)
    introduction = (
        "Settings are environment variables. An unknown `LEADSCORE_*` variable is an error. A secret may be read from a "
        "file instead: add `_FILE` to its name and give the path.\n"
    )
    parts = [introduction]
    for section, variables in sections.items():
        parts.append(
            f"### {section}\n\n" + _table(("variable", "value", "default", "meaning"), map(_setting_row, variables))
        )
    return "\n".join(parts)


def metrics_reference() -> str:
    """Return the catalogue of metrics as one Markdown table."""
    rows = map(_metric_row, CATALOGUE)
    return (
        _table(("metric", "kind", "labels", "meaning"), rows)
        + "\nBeside them `process_*`: CPU, memory and files of the process.\n"
    )


def errors_reference() -> str:
    """Return the errors, the exit codes and the codes of dead letters as Markdown tables."""
    classes = sorted(_error_classes(errors.WorkerError), key=lambda one: one.code)
    rows = (_error_row(one) for one in classes)
    codes = ((str(code), meaning) for code, meaning in EXIT_CODES)
    return "\n".join(
        (
            _table(("code", "exit", "meaning"), rows),
            _table(("exit", "meaning"), codes),
            _table(("dead letter", "why"), ((f"`{code}`", why) for code, why in DEAD_LETTERS)),
        )
    )


def permissions_reference() -> str:
    """Return what each command must be allowed to do in Kafka, under the default names, as a Markdown table."""
    settings = load_settings({f"{PREFIX}BROKERS": "kafka-1:9092"})
    introduction = (
        "What a user of Kafka must be allowed to do where an authorizer asks, with the default settings; nothing else is needed. "
        "`leadscore topics acls` prints the same for your settings, as `kafka-acls` commands or JSON.\n\n"
    )
    rows = (
        (
            f"`{command}`",
            one.resource,
            f"`{one.name}{'*' if one.pattern == 'prefixed' else ''}`",
            one.operation,
            one.why,
        )
        for command in COMMANDS
        for one in grants(settings, command)
    )
    return introduction + _table(("command", "resource", "name", "operation", "for"), rows)


def model_files_reference() -> str:
    """Return the keys and operators of model files as Markdown tables, one level below the heading of their section."""
    introduction = "A model is one strict YAML file: an unknown key is an error. `leadscore model lint` checks it.\n\n"
    return introduction + re.sub(r"^## ", "### ", model_reference(), flags=re.MULTILINE)


def _setting_row(variable: Variable) -> tuple[str, ...]:
    default = "required" if variable.default is None else f"`{variable.default}`" if variable.default else ""
    name = f"`{variable.name}`" + (f", `{variable.file_name}`" if variable.kind.is_secret else "")
    return name, variable.kind.name, default, variable.help


def _metric_row(metric: Metric) -> tuple[str, ...]:
    reasons = f" Reasons: {', '.join(f'`{reason}`' for reason in metric.reasons)}." if metric.reasons else ""
    return f"`{metric.name}`", metric.kind, " ".join(f"`{label}`" for label in metric.labels), metric.help + reasons


def _error_row(error: type[errors.WorkerError]) -> tuple[str, ...]:
    exits = "none: dead letter" if issubclass(error, errors.EventRefused) else str(error.exit_code)
    meaning = (inspect.getdoc(error) or "").split("Fields:")[0]
    return f"`{error.code}`", exits, " ".join(meaning.split())


def _error_classes(base: type[errors.WorkerError]) -> Iterator[type[errors.WorkerError]]:
    for one in base.__subclasses__():
        if one.__module__ == errors.__name__:
            yield one
            yield from _error_classes(one)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
