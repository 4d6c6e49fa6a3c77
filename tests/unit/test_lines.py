from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cramjam
import pytest

from worker.errors import ConfigError
from worker.lines import read_lines, read_stream

TEXT = b"first\nsecond \xc3\xa9\n\nlast"
LINES = [b"first\n", b"second \xc3\xa9\n", b"\n", b"last"]


@pytest.mark.parametrize(
    "packed",
    [TEXT, gzip.compress(TEXT), gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]), bytes(cramjam.zstd.compress(TEXT))],
    ids=["plain", "gzip", "two gzip members", "zstandard"],
)
def test_lines_are_read_whatever_the_name_says(tmp_path: Path, packed: bytes) -> None:
    path = tmp_path / "history.txt"
    path.write_bytes(packed)
    assert list(read_lines(path)) == LINES


def test_empty_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert list(read_lines(tmp_path / "empty")) == []


def flipped(packed: bytes) -> bytes:
    """Damage the first bytes behind the header."""
    return packed[:12] + bytes(byte ^ 0xFF for byte in packed[12:20]) + packed[20:]


LONG = b"".join(b"line %d\n" % number for number in range(2_000))


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(LONG)[:-20], flipped(gzip.compress(LONG)), bytes(cramjam.zstd.compress(LONG))[:-20]],
    ids=["gzip cut off", "gzip damaged", "zstandard cut off"],
)
def test_damaged_file_is_refused_with_its_name(tmp_path: Path, packed: bytes) -> None:
    path = tmp_path / "history.jsonl.gz"
    path.write_bytes(packed)
    with pytest.raises(ConfigError, match=r"history\.jsonl\.gz: cannot be read"):
        list(read_lines(path))


def test_missing_file_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        list(read_lines(tmp_path / "nowhere"))


class Trickle(io.RawIOBase):
    """A pipe whose writer writes little at a time, and that cannot go back."""

    def __init__(self, content: bytes, size: int) -> None:
        self._content = content
        self._size = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        given = self._content[: min(self._size, len(buffer))]
        self._content = self._content[len(given) :]
        buffer[: len(given)] = given
        return len(given)


@pytest.mark.parametrize("size", [1, 3, 1_000_000])
@pytest.mark.parametrize(
    "packed",
    [TEXT, gzip.compress(TEXT), bytes(cramjam.zstd.compress(TEXT)), b"", b"a"],
    ids=["plain", "gzip", "zstandard", "empty", "tiny"],
)
def test_lines_come_out_of_a_pipe(packed: bytes, size: int) -> None:
    expected = LINES if len(packed) > 1 else [packed] if packed else []
    assert list(read_stream(io.BufferedReader(Trickle(packed, size)), "standard input")) == expected


def test_damaged_pipe_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigError, match="standard input: cannot be read"):
        list(read_stream(io.BytesIO(gzip.compress(LONG)[:-20]), "standard input"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda text: bytes(cramjam.zstd.compress(text))])
def test_progress_adds_up_to_the_bytes_of_the_file(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "history"
    path.write_bytes(pack(LONG * 5))
    seen: list[int] = []
    assert list(read_lines(path, seen.append)) == (LONG * 5).splitlines(keepends=True)
    assert sum(seen) == path.stat().st_size
    assert len(seen) == 3
