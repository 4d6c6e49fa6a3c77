"""Where the cases of a model lie: in `<model>.cases.yaml` beside its file, or beside a shipped model."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from worker.errors import ConfigError
from worker.scoring.file.tree import MAX_BYTES
from worker.scoring.model_file import CASES_SUFFIX

_MODEL_SUFFIXES = (".yaml", ".yml")


def read_cases_text(source: str, cases: Path | None = None) -> tuple[str, str]:
    """
    Return the name and the text of the cases file for the model called *source*, as `load_model` takes it.

    Args:
        source: A model file, or the name of a shipped model.
        cases: The cases file; None looks beside the model.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    if cases is not None:
        return read_cases_file(cases)
    is_shipped = not source.endswith(_MODEL_SUFFIXES) and "/" not in source and "\\" not in source
    if not is_shipped:
        stem = source.removesuffix(".yaml").removesuffix(".yml")
        return read_cases_file(Path(f"{stem}{CASES_SUFFIX}"))
    name = f"{source}{CASES_SUFFIX}"
    file = resources.files("worker.models").joinpath(name)
    if not file.is_file():
        raise ConfigError(where=name, problem="this model comes without cases", fix="name a file of cases with --cases")
    return name, file.read_text("utf-8")


def read_cases_file(path: Path) -> tuple[str, str]:
    """
    Return the name and the text of the cases file *path*; of one that is too large only so much that its reader sees it.

    Raises:
        ConfigError: it cannot be read, or is no UTF-8 text.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)  # one byte more: the reader of the text then sees that it is too large
        return str(path), raw.decode("utf-8", "strict" if len(raw) <= MAX_BYTES else "replace")
    except OSError as error:
        problem = f"the cases cannot be read: {error.strerror or error}"
    except UnicodeDecodeError as error:
        problem = f"the cases are no UTF-8 text (byte {error.start})"
    raise ConfigError(
        where=str(path), problem=problem, fix=f"write cases into a file <model>{CASES_SUFFIX}, or name one with --cases"
    )
