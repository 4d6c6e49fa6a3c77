"""Lines of a history: from a file or a stream, plain, gzip or zstandard, told apart by their first bytes, never by name."""

from __future__ import annotations

import gzip
import io
import zlib
from itertools import islice
from typing import IO, TYPE_CHECKING, cast

import cramjam

from worker.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_LINES_BETWEEN_REPORTS = 4_096
_BUFFER_BYTES = 128 << 10


def read_lines(path: Path, progress: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """
    Yield the lines of *path* as bytes.

    Args:
        path: A file of lines, packed or not.
        progress: Called now and then with the bytes of the file, as it lies there, read since the last call.

    Raises ConfigError when it cannot be read, or ends in the middle of a compressed stream.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            lines = _unpacked(file, start)
            yield from lines if progress is None else _reported(lines, file, progress)
    except (OSError, EOFError, zlib.error, cramjam.DecompressionError) as exc:
        raise _unreadable(str(path), exc) from exc


def read_stream(stream: IO[bytes], name: str) -> Iterator[bytes]:
    """
    Yield the lines of *stream*, which need not be able to go back, as bytes.

    Raises ConfigError, which calls it *name*, when it cannot be read, or ends in the middle of a compressed stream.
    """
    try:
        start = stream.read(4)
        yield from _unpacked(io.BufferedReader(_Whole(start, stream), _BUFFER_BYTES), start)
    except (OSError, EOFError, zlib.error, cramjam.DecompressionError) as exc:
        raise _unreadable(name, exc) from exc


class _Whole(io.RawIOBase):
    """A stream whose first bytes were looked at: it gives them again, then the rest."""

    def __init__(self, start: bytes, rest: IO[bytes]) -> None:
        self._start = start
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        given = self._start or self._rest.read(len(buffer))
        self._start = given[len(buffer) :]
        size = min(len(given), len(buffer))
        buffer[:size] = given[:size]
        return size


def _unpacked(file: IO[bytes], start: bytes) -> IO[bytes]:
    if start.startswith(_GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    if start == _ZSTD:
        return io.BytesIO(bytes(cramjam.zstd.decompress(file.read())))
    return file


def _reported(lines: IO[bytes], file: IO[bytes], progress: Callable[[int], None]) -> Iterator[bytes]:
    """Yield *lines*, which come out of *file*, and say how far the file has been read."""
    told = 0
    while chunk := list(islice(lines, _LINES_BETWEEN_REPORTS)):
        yield from chunk
        read = file.tell()
        progress(read - told)
        told = read


def _unreadable(name: str, exc: Exception) -> ConfigError:
    reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return ConfigError(
        where=name, problem=f"cannot be read: {reason}", fix="name a file of JSON lines, plain, .gz or .zst"
    )
