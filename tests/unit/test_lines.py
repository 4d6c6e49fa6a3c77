from __future__ import annotations

import gzip
from pathlib import Path

import cramjam
import pytest

from worker.errors import ConfigError
from worker.lines import read_lines

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
