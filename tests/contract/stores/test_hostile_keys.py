"""Contact ids are opaque bytes in every store: whatever a producer names a contact, it is a key and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.errors import ConfigError
from worker.stores import ContactStore, open_store
from worker.stores.base import DueChange

HOSTILE = (
    b"../../../../etc/passwd",
    b"/etc/passwd",
    b"..",
    b"a/b\\c",
    b"line\r\nbreak: x",
    b"*",
    b"leadscore:*",
    b"{0}",
    b"}{partition}",
    b"[a-z]?",
    b"%s%n%00",
    b"'; FLUSHALL; --",
    b'" || redis.call("FLUSHALL") || "',
    b"\xff\xfe\x80",
    "\u202egnp.exe \u0430dmin".encode(),
    b"k" * 128,
    b"K" * 65_536,  # no producer gets one in: ids have 128 bytes; the store has to hold it all the same
)


@pytest.mark.parametrize("key", HOSTILE, ids=lambda key: repr(key[:24]))
def test_a_hostile_key_is_one_row_like_any_other(store: ContactStore, key: bytes) -> None:
    """If this fails, somebody who may send events can reach files, other contacts, or other people's keys."""
    rows = {b"before": b"1", key: b"theirs", b"zz-after": b"2"}
    store.write(0, rows, [], [DueChange(key, None, 1_000)], None, 5)
    assert store.get_many(0, [key, b"before", b"zz-after", key + b"x"]) == [b"theirs", b"1", b"2", None]
    assert dict(store.iterate(0)) == rows
    assert [due.key for due in store.due_before(0, 1_000, 10)] == [key]
    store.write(0, {}, [key], [DueChange(key, 1_000, None)], 5, 6)
    assert dict(store.iterate(0)) == {b"before": b"1", b"zz-after": b"2"}
    assert list(store.due_before(0, 1_000, 10)) == []


def test_keys_are_no_file_names(tmp_path: Path) -> None:
    for directory, keys in (("plain", (b"a", b"b")), ("hostile", HOSTILE)):
        store = open_store(f"rocksdb://{tmp_path}/{directory}")
        store.open(0)
        store.write(0, dict.fromkeys(keys, b"x"), [], [], None, 0)
        store.close(0)
    suffixes = [
        {path.suffix for path in (tmp_path / directory).rglob("*") if path.is_file()}
        for directory in ("plain", "hostile")
    ]
    assert suffixes[0] == suffixes[1]
    outside = {path.name for path in tmp_path.iterdir()}
    assert outside == {"plain", "hostile"}


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    """If this fails, whoever may write into the state directory can have any file of the worker's user emptied."""
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    home = tmp_path / "state"
    home.mkdir(parents=True)
    (home / "leadscore.lock").symlink_to(precious)
    with pytest.raises(ConfigError, match="cannot be locked"):
        open_store(f"rocksdb://{home}").claim()
    assert precious.read_text() == "keep me"
