"""What scenarios are run with: seeds, guarantees, stores."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.support.faults.stores import StoreUnderTest

SEED = int(os.environ.get("LEADSCORE_TEST_SEED", "1"))
"""LEADSCORE_TEST_SEED draws another load and another plan."""
StoreNamed = Callable[[str], StoreUnderTest]

GUARANTEES = pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
STORES = pytest.mark.parametrize("store", ["rocksdb", pytest.param("redis", marks=pytest.mark.faults)])
