"""Where the broker tests find their Kafka: one that is named, a container, or the embedded one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from tests.support.kafka import started_broker
from tests.support.needs import missing
from tests.support.secure_kafka import SecureBroker, secure_broker
from worker.errors import DependencyError


def _say(line: str) -> None:
    print(f"\n{line}", file=sys.__stderr__, flush=True)


@pytest.fixture(scope="session")
def brokers() -> Iterator[str]:
    """The address (`host:port,...`) of a Kafka for this run; use fresh topic and group names on it."""
    if named := os.environ.get("LEADSCORE_TEST_BROKERS"):
        yield named
        return
    started = started_broker(_say)
    try:
        address = started.__enter__()
    except DependencyError as reason:
        missing(f"no Kafka: LEADSCORE_TEST_BROKERS is not set, no container engine answers, and {reason}")
    try:
        yield address
    finally:
        started.__exit__(None, None, None)


@pytest.fixture(scope="session")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    """A Kafka of our own with TLS, log-ins and an authorizer, for all tests that are about those."""
    with secure_broker(tmp_path_factory.mktemp("certificates")) as broker:
        yield broker
