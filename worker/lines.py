"""Lines of a history file: plain, gzip or zstandard, told apart by their first bytes, never by name."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import IO, TYPE_CHECKING, cast

import cramjam

from worker.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


def read_lines(path: Path) -> Iterator[bytes]:
    """
    Yield the lines of *path* as bytes.

    Raises ConfigError when it cannot be read, or ends in the middle of a compressed stream.
    """
    try:
        with path.open("rb") as file:
            yield from _unpacked(file)
    except (OSError, EOFError, zlib.error, cramjam.DecompressionError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise ConfigError(
            where=str(path), problem=f"cannot be read: {reason}", fix="name a file of JSON lines, plain, .gz or .zst"
        ) from exc


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    start = file.read(4)
    file.seek(0)
    if start.startswith(_GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    if start == _ZSTD:
        return io.BytesIO(bytes(cramjam.zstd.decompress(file.read())))
    return file
