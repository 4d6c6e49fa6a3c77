"""Redis shared by workers: a partition is of the one that opened it last, and of nobody else."""

from __future__ import annotations

import pytest

from tests.contract.stores.conftest import OpenRedis
from tests.support.redis_rounds import Changelog, fill, seen, write
from tests.support.redis_server import RedisServer
from worker.errors import RestartRequired
from worker.stores.redis import RedisStore

pytestmark = pytest.mark.usefixtures("redis_is_there")


@pytest.fixture
def store(server: RedisServer, connect: OpenRedis) -> RedisStore:
    """With partition 0 open and empty."""
    made = connect(server)
    made.open(0)
    return made


def test_former_owner_can_neither_write_nor_read_and_its_write_is_counted(
    server: RedisServer, store: RedisStore, connect: OpenRedis
) -> None:
    """If this fails, a worker that was replaced while frozen overwrites its successor's state."""
    changelog = fill(store, 3)
    before = changelog.state_at(changelog.rounds[-1].offset)
    heir = connect(server)
    heir.open(0)
    late = changelog.next_round()
    for use in (
        lambda: write(store, late, before.offset),
        lambda: store.get_many(0, [b"a"]),
        lambda: store.due_before(0, 10, 10),
        lambda: store.iterate(0),
    ):
        with pytest.raises(RestartRequired, match="another worker has taken it over"):
            use()
    assert seen(heir) == before
    assert heir.refused_writes(0) == 1
    write(heir, late, before.offset)
    assert seen(heir) == changelog.state_at(late.offset)


def test_partition_that_comes_back_is_ours_again_with_what_the_other_wrote(
    server: RedisServer, store: RedisStore, connect: OpenRedis
) -> None:
    changelog = fill(store, 2)
    store.close(0)
    other = connect(server)
    other.open(0)
    fill(other, 2, changelog)
    other.close(0)
    store.open(0)
    fill(store, 1, changelog)
    assert seen(store) == changelog.state_at(changelog.rounds[-1].offset)


def test_two_workers_share_a_server_each_with_partitions_of_its_own(
    server: RedisServer, store: RedisStore, connect: OpenRedis
) -> None:
    other, mine, others = connect(server), Changelog(1), Changelog(2)
    other.open(1)
    for _ in range(4):
        write(store, mine.next_round(), store.changelog_offset(0), 0)
        write(other, others.next_round(), other.changelog_offset(1), 1)
    assert seen(store, 0) == mine.state_at(mine.rounds[-1].offset)
    assert seen(other, 1) == others.state_at(others.rounds[-1].offset)
