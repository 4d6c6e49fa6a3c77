"""Models from text, from a file, or shipped with the worker; the door of this package to the outside."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from worker.scoring.file.findings import Finding, nearest, refusal
from worker.scoring.file.tree import MAX_BYTES
from worker.scoring.lint import check_model
from worker.scoring.size import worst_case_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.scoring.model import Model

_SUFFIX = ".yaml"
MAX_TOGETHER_BYTES = 1_900_000
"""Of one contact's state under all models: the changelog takes records of 2 MiB."""
CASES_SUFFIX = ".cases.yaml"
"""Of the file beside a model that holds its test cases."""


def parse_model(text: str, where: str = "model") -> Model:
    """
    Return the model of *text*; *where* names the file in messages.

    Raises:
        ModelError: the text is refused; the message lists every reason with line, column, key and fix.
    """
    model, findings = check_model(text, where)
    if model is None:
        raise refusal(findings)
    return model


def load_model(source: str | Path) -> Model:
    """
    Return the model called *source*: the name of a shipped one, or the path of a file.

    A word without a slash, a backslash and `.yaml` or `.yml` is a name, so that a file in the working directory can't take its place.

    Raises:
        ModelError: there is no such model, it cannot be read, or it is refused.
    """
    where, text = read_source(source)
    return parse_model(text, where)


def load_models(sources: Iterable[str | Path]) -> tuple[Model, ...]:
    """
    Return the models called *sources*, in that order.

    Raises:
        ModelError: as `load_model`; two of them have one name, and their scores would be kept in one place; or the state of one
            contact under all of them could be too large for a record.
    """
    models: dict[str, Model] = {}
    for source in sources:
        model = load_model(source)
        if model.name in models:
            raise refusal(
                [
                    Finding(
                        "model.duplicate_name",
                        str(source),
                        1,
                        1,
                        "model",
                        f"a model named {model.name} is loaded already",
                        "name each model once, and give different models different names",
                    )
                ]
            )
        models[model.name] = model
    if (worst := sum(map(worst_case_bytes, models.values()))) > MAX_TOGETHER_BYTES:
        problem = f"one very busy contact could need {worst:,} bytes under all models together, {MAX_TOGETHER_BYTES:,} is the most"
        fix = "load fewer models in one worker; another worker under another LEADSCORE_APP_ID may score by the others"
        raise refusal([Finding("model.state_too_large", ", ".join(models), 1, 1, "", problem, fix)])
    return tuple(models.values())


def read_content(source: str | Path) -> tuple[Model, dict[str, object]]:
    """
    Return the model called *source*, and the content of its file as parsed, for showing it.

    Raises:
        ModelError: as `load_model`.
    """
    where, text = read_source(source)
    model = parse_model(text, where)
    return model, json.loads(model.content)


def read_source(source: str | Path) -> tuple[str, str]:
    """
    Return where *source* is read from, and its text.

    Raises:
        ModelError: there is no such model, or it is no UTF-8 text.
    """
    name = str(source)
    if isinstance(source, str) and not name.endswith((_SUFFIX, ".yml")) and "/" not in name and "\\" not in name:
        return f"{name}{_SUFFIX}", _shipped_text(name)
    try:
        with Path(name).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)  # one byte more: the reader of the text then sees that it is too large
        if len(raw) > MAX_BYTES:
            return name, raw.decode("utf-8", "replace")
        return name, raw.decode("utf-8")
    except OSError as error:
        problem = f"the file cannot be read: {error.strerror or error}"
        fix = f"name a readable file, or one of: {', '.join(shipped_models())}"
    except UnicodeDecodeError as error:
        problem = f"the file is no UTF-8 text (byte {error.start})"
        fix = "save it as UTF-8"
    raise refusal(
        [
            Finding(
                "model.unreadable",
                name,
                1,
                1,
                "",
                problem,
                fix,
            )
        ]
    )


@lru_cache(maxsize=1)
def shipped_models() -> tuple[str, ...]:
    """Return the names of the models that come with the worker, sorted."""
    files = resources.files("worker.models").iterdir()
    names = (file.name for file in files if file.name.endswith(_SUFFIX) and not file.name.endswith(CASES_SUFFIX))
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names))


def _shipped_text(name: str) -> str:
    if name not in shipped_models():
        problem = f'no model "{name}" comes with this worker'
        fix = f"{nearest(name, shipped_models())}, or name a file: ./{name}{_SUFFIX}"
        raise refusal([Finding("model.unreadable", name, 1, 1, "", problem, fix)])
    return resources.files("worker.models").joinpath(f"{name}{_SUFFIX}").read_text("utf-8")
