"""Erasure down to the files of Redis: what a contact leaves there, until when, and that neighbours stay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stores.conftest import OpenRedis
from tests.support.full_engine import StoredPartition, options_for, records_of
from tests.support.redis_rounds import KEYS, wait_until
from tests.support.redis_server import RedisServer
from worker.contracts.instants import MS_PER_DAY, parse_instant
from worker.scoring.model_file import parse_model
from worker.stores import redis_layout as layout

pytestmark = pytest.mark.usefixtures("redis_is_there")

MODEL = """\
model: vault
version: 1
lateness: 3d
rules:
  - {rule: form, when: {type: form.submitted}, points: 60, once_per: properties.form, decay: {half_life: 30d}}
  - {rule: decides, when: {attributes.seniority: {starts_with: c-level}}, points: 45}
qualify:
  when: {score: {at_least: 100}}
  rearm: {score: {less_than: 50}}
  require: [attributes.email]
  include: [attributes.email]
"""
START = parse_instant("2026-03-02T08:00:00Z")
JANE, NEIGHBOUR = "jane-of-canary-street", "neighbour-of-hers"
CANARIES = (JANE.encode(), b"c-level of canaries", b"jane@canary.example")
"""All that is personal about her and stored as it is, and occurs nowhere else."""
LASTING = {"appendonly": "yes", "appendfsync": "always", "save": "3600 1", "rdbcompression": "no"}
"""Both kinds of files; not compressed, or a search for bytes would find nothing and prove nothing."""


def happened(contact: str, kind: str, number: float, **properties: str) -> dict[str, Any]:
    at = START + int(number * MS_PER_DAY)
    return {
        "id": f"{kind}@{number}",
        "contact_id": contact,
        "type": kind,
        "occurred_at": at,
        **({"properties": properties} if properties else {}),
    }


class Story:
    """What happened to two contacts, given to a partition over Redis event by event."""

    def __init__(self, server: RedisServer, connect: OpenRedis) -> None:
        self._server = server
        self._events: list[dict[str, Any]] = []
        self.store = connect(server)
        self.store.open(0)
        self._partition = StoredPartition([parse_model(MODEL)], options_for())
        self._partition.store = self.store  # type: ignore[assignment]  # as any store
        self.tell(happened(NEIGHBOUR, "form.submitted", 0, form="other"))
        self.tell(
            happened(JANE, "contact.updated", 1, seniority="c-level of canaries", email="jane@canary.example"),
            happened(JANE, "form.submitted", 2, form="hers"),
        )

    def tell(self, *events: dict[str, Any]) -> None:
        self._events += events
        self._partition.take(records_of(self._events))

    def files_that_show_her(self) -> Mapping[str, set[bytes]]:
        """Return what is shown of her by the snapshot and by the other files, the log above all; without those that show nothing."""
        found: dict[str, set[bytes]] = {}
        for path in self._server.directory.rglob("*"):
            try:
                content = path.read_bytes() if path.is_file() else b""
            except FileNotFoundError:  # the server has just removed it
                continue
            if shown := {canary for canary in CANARIES if canary in content}:
                kind = "snapshot" if path.name == "dump.rdb" else "log"
                found[kind] = found.get(kind, set()) | shown
        return found

    def assert_only_the_neighbour_is_left(self) -> None:
        assert self.store.get_many(0, [JANE.encode()]) == [None]
        assert self.store.get_many(0, [NEIGHBOUR.encode()]) != [None]
        due = [entry.key for entry in self.store.due_before(0, 2**62, 100)]
        assert JANE.encode() not in due
        content = [path.read_bytes() for path in self._server.directory.rglob("*") if path.is_file()]
        assert any(NEIGHBOUR.encode() in one for one in content)


def test_files_that_the_server_has_rewritten_show_nothing_of_who_was_erased(tmp_path: Path, connect: OpenRedis) -> None:
    """If this fails, whoever gets a disk or a backup of one reads of somebody who was promised to be forgotten."""
    with RedisServer(tmp_path / "redis", LASTING) as server:
        story = Story(server, connect)
        server.ask("SAVE")
        assert story.files_that_show_her() == {"log": set(CANARIES), "snapshot": set(CANARIES)}
        story.tell(happened(JANE, "contact.erased", 3))
        assert story.store.get_many(0, [JANE.encode()]) == [None]
        assert story.files_that_show_her() == {"log": set(CANARIES), "snapshot": set(CANARIES)}, (
            "until they are rewritten"
        )
        server.ask("BGREWRITEAOF")
        wait_until(lambda: set(story.files_that_show_her()) == {"snapshot"}, "nothing of her in the append-only files")
        server.ask("BGSAVE", "SCHEDULE")
        wait_until(lambda: not story.files_that_show_her(), "nothing of her in any file")
        story.assert_only_the_neighbour_is_left()
        server.kill()
        server.start()
        with server.client() as client:
            fields = client.hkeys(KEYS.contacts)
        assert layout.CONTACT + NEIGHBOUR.encode() in fields
        assert not [field for field in fields if JANE.encode() in field]


def test_server_that_rewrites_by_itself_forgets_as_others_go_on(tmp_path: Path, connect: OpenRedis) -> None:
    """The settings of the README, only smaller: how much has to be written until she is gone is theirs to say."""
    own = {"save": "", "auto-aof-rewrite-percentage": "100", "auto-aof-rewrite-min-size": "32kb"}
    with RedisServer(tmp_path / "redis", LASTING | own) as server:
        story = Story(server, connect)
        story.tell(happened(JANE, "contact.erased", 3))
        assert story.files_that_show_her() == {"log": set(CANARIES)}
        number = 4.0

        def is_forgotten() -> bool:
            nonlocal number
            number += 0.001
            story.tell(happened(NEIGHBOUR, "form.submitted", number, form=f"{number}"))
            return not story.files_that_show_her()

        wait_until(is_forgotten, "nothing of her in any file")
        story.assert_only_the_neighbour_is_left()
