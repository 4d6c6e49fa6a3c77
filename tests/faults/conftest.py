"""The broker of the fault runs, and their figures: one line of JSON a run, shown at once and again at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.broker.conftest import brokers as brokers  # noqa: PLC0414 - pytest finds a fixture by its name here
from tests.support.faults.choices import StoreNamed
from tests.support.faults.figures import append_line
from tests.support.faults.stores import ROCKSDB, RedisUnderTest, StoreUnderTest
from tests.support.needs import missing
from tests.support.redis_package import NoRedisError
from tests.support.redis_server import RedisServer

HERE = Path(__file__).parent
SMOKE = "smoke_faults"
Report = Callable[[Mapping[str, object]], None]
_figures = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of the short subset."""
    config.addinivalue_line("markers", f"{SMOKE}: the fault runs that each change must pass")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as the short subset whatever of this folder does not call itself `faults`; the folder's own mark comes later."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("faults") is None:
            item.add_marker(SMOKE)


@pytest.fixture
def report(pytestconfig: pytest.Config, capfd: pytest.CaptureFixture[str]) -> Report:
    """Return what takes the figures of a run."""
    lines = pytestconfig.stash.setdefault(_figures, [])

    def take(figures: Mapping[str, object]) -> None:
        lines.append(append_line(dict(figures)))
        with capfd.disabled():
            print(f"\n{lines[-1]}", flush=True)

    return take


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of this run's own that keeps what it was told, a second late at most."""
    try:
        server = RedisServer(tmp_path / "redis", {"appendonly": "yes", "appendfsync": "everysec"})
        server.start()
    except NoRedisError as reason:
        missing(f"no Redis: {reason}")
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def store_named(request: pytest.FixtureRequest) -> StoreNamed:
    """Return what gives a store under test by its name; a server is started for it when it needs one."""

    def named(name: str) -> StoreUnderTest:
        if name == "redis":
            return RedisUnderTest(request.getfixturevalue("redis_server").url)
        return {"rocksdb": ROCKSDB}[name]

    return named


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the figures of every run."""
    if lines := config.stash.get(_figures, []):
        terminalreporter.section("figures of the runs")
        for line in lines:
            terminalreporter.write_line(line)
