from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from worker.stores import ContactStore, open_store

OpenStore = Callable[[], ContactStore]


@pytest.fixture(params=["memory", "rocksdb"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Makes stores of each kind in turn, each empty and apart from the others."""
    numbers = count()
    with ExitStack() as at_end:

        def make() -> ContactStore:
            url = "memory://" if request.param == "memory" else f"rocksdb://{tmp_path}/{next(numbers)}"
            store = open_store(url)
            at_end.callback(store.close_all)
            return store

        yield make


@pytest.fixture
def store(new_store: OpenStore) -> ContactStore:
    """Each kind of store in turn, with partition 0 open and empty."""
    made = new_store()
    made.open(0)
    return made
