"""Faust may ask where the state stands and hand partitions over; it may not touch a row."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import faust
import pytest
from faust.stores.base import Store
from faust.types import TP
from faust.types.stores import StoreT

from worker.errors import ConfigError
from worker.stores import ContactStore, open_store
from worker.stores.faust_store import TABLE_STORE, FaustContactStore, register, table_options

CHANGELOG = "lead-scoring-contacts-changelog"


@pytest.fixture
def contacts() -> ContactStore:
    return open_store("memory://")


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The current loop of the test: Faust asks for one where it could have been given one."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield made
    asyncio.set_event_loop(None)
    made.close()


@pytest.fixture
def app(loop: asyncio.AbstractEventLoop) -> faust.App:
    return faust.App("lead-scoring", broker="kafka://nowhere:9092", loop=loop)


@pytest.fixture
def adapter(app: faust.App, contacts: ContactStore) -> FaustContactStore:
    table = app.Table("contacts", **table_options(contacts), partitions=4)
    made = table.data
    assert isinstance(made, FaustContactStore)
    return made


def test_table_gets_the_contact_store_and_faust_names_its_changelog(
    adapter: FaustContactStore, contacts: ContactStore
) -> None:
    assert adapter.contacts is contacts
    assert adapter.table.changelog_topic.topics == (CHANGELOG,)


def test_store_without_a_contact_store_is_refused(app: faust.App) -> None:
    register()
    with pytest.raises(ConfigError, match="no contact store"):
        _ = app.Table("contacts", store=TABLE_STORE).data


def test_persisted_offset_is_that_of_the_contact_store(adapter: FaustContactStore, contacts: ContactStore) -> None:
    place = TP(CHANGELOG, 2)
    assert adapter.persisted_offset(place) is None
    contacts.open(2)
    assert adapter.persisted_offset(place) is None
    contacts.write(2, {}, [], [], None, 41)
    assert adapter.persisted_offset(place) == 41


def test_offset_that_faust_sets_is_ignored(adapter: FaustContactStore, contacts: ContactStore) -> None:
    """An offset written apart from its rows makes a later restore skip rows."""
    contacts.open(2)
    adapter.set_persisted_offset(TP(CHANGELOG, 2), 99)
    assert adapter.persisted_offset(TP(CHANGELOG, 2)) is None


def test_only_partitions_of_the_changelog_that_went_to_others_are_closed(
    adapter: FaustContactStore, contacts: ContactStore, loop: asyncio.AbstractEventLoop
) -> None:
    for partition in range(4):
        contacts.open(partition)
    kept = TP(CHANGELOG, 1)
    revoked = {TP(CHANGELOG, 0), kept, TP("another-topic", 2)}
    loop.run_until_complete(adapter.on_rebalance({kept}, revoked, set(), 7))
    with pytest.raises(RuntimeError, match="not open"):
        contacts.changelog_offset(0)
    for partition in (1, 2, 3):
        assert contacts.changelog_offset(partition) is None


def test_assignment_opens_nothing(
    adapter: FaustContactStore, contacts: ContactStore, loop: asyncio.AbstractEventLoop
) -> None:
    """No heartbeats run during it, and opening a database may take long."""
    new = {TP(CHANGELOG, 0)}
    loop.run_until_complete(adapter.on_rebalance(new, set(), new, 1))
    with pytest.raises(RuntimeError, match="not open"):
        contacts.changelog_offset(0)


def test_there_are_no_standbys(adapter: FaustContactStore, loop: asyncio.AbstractEventLoop) -> None:
    assert loop.run_until_complete(adapter.need_active_standby_for(TP(CHANGELOG, 0))) is False


@pytest.mark.parametrize(
    "use",
    [
        lambda data: data[b"a"],
        lambda data: data.__setitem__(b"a", b"1"),
        lambda data: data.__delitem__(b"a"),
        lambda data: data.get(b"a"),
        lambda data: data.setdefault(b"a", b"1"),
        lambda data: data.update({b"a": b"1"}),
        lambda data: data.pop(b"a"),
        lambda data: b"a" in data,
        list,
        len,
        lambda data: data.keys(),
        lambda data: data.values(),
        lambda data: data.items(),
        lambda data: data.clear(),
        lambda data: data.reset_state(),
        lambda data: data.restore_backup(0),
        lambda data: data.backup_partition(0).send(None),
        lambda data: data.apply_changelog_batch([object()], bytes, bytes),
    ],
)
def test_rows_are_out_of_reach(adapter: FaustContactStore, use: Callable[[Any], object]) -> None:
    """A row written beside a round is in no changelog and gone at the next restore."""
    with pytest.raises(RuntimeError, match="by rounds only"):
        use(adapter)


def test_empty_batch_of_the_changelog_is_nothing_to_refuse(adapter: FaustContactStore) -> None:
    adapter.apply_changelog_batch([], bytes, bytes)
    assert bool(adapter)


def test_faust_still_asks_what_we_answer() -> None:
    """A new release of Faust may add a method or a parameter that the adapter would silently lack."""
    assert set(StoreT.__abstractmethods__) <= set(dir(FaustContactStore))
    assert not FaustContactStore.__abstractmethods__
    for name in (
        "persisted_offset",
        "set_persisted_offset",
        "need_active_standby_for",
        "on_rebalance",
        "backup_partition",
    ):
        theirs = inspect.signature(getattr(StoreT, name)).parameters
        assert list(inspect.signature(getattr(FaustContactStore, name)).parameters) == list(theirs)
    init = inspect.signature(Store.__init__).parameters
    assert list(inspect.signature(FaustContactStore.__init__).parameters) == list(init)
