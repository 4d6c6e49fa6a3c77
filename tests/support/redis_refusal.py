"""How a Redis store says that it cannot start."""

from __future__ import annotations

import traceback

import pytest

from worker.errors import ConfigError, WorkerError
from worker.stores.redis import RedisStore


def refusal(store: RedisStore, kind: type[WorkerError] = ConfigError) -> str:
    """Return the text that *store* ends its start with, and everything that a log would show of it."""
    with pytest.raises(kind) as caught:
        store.claim()
    return f"{caught.value}\n{''.join(traceback.format_exception(caught.value))}"
