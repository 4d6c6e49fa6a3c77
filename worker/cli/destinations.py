"""Where a command will write: looked at before its work begins, so that a long run never ends in a path that is wrong."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from worker.cli.options import USAGE

if TYPE_CHECKING:
    from collections.abc import Iterator


def check_file(path: Path, option: str) -> None:
    """Refuse a *path* where no file can be written, as a usage error that names *option*; nothing is created."""
    if path.is_dir():
        raise unwritable(path, errno.EISDIR, option)
    if not path.parent.exists():
        raise unwritable(path, errno.ENOENT, option)
    if not path.parent.is_dir():
        raise unwritable(path, errno.ENOTDIR, option)
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise unwritable(path, errno.EACCES, option)


def check_folder(path: Path, option: str) -> None:
    """Refuse a *path* that is no folder, and cannot become one, as a usage error that names *option*; nothing is created."""
    nearest = next(one for one in (path, *path.absolute().parents) if one.exists())
    if not nearest.is_dir():
        raise unwritable(path, errno.ENOTDIR, option)
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise unwritable(path, errno.EACCES, option)


@contextmanager
def written(path: Path, option: str) -> Iterator[None]:
    """Turn what still goes wrong while *path* is written, such as a full disk, into the same refusal."""
    try:
        yield
    except OSError as error:
        raise unwritable(Path(error.filename or path), error.errno or errno.EIO, option) from None


def unwritable(path: Path, code: int, option: str) -> typer.Exit:
    """Print that *path* cannot be written, and why by the number *code* of an error; return the exit of a usage error."""
    typer.echo(f"{path} cannot be written: {os.strerror(code)}\n  fix: name another place with {option}", err=True)
    return typer.Exit(USAGE)
