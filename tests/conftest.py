"""Rules that hold for every test: its tier's limits, a clean environment, and nothing left running."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

from tests.support.leftovers import Leftovers, watch_loops
from tests.support.needs import STRICT, is_strict
from tests.support.sockets import refuse_sockets

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

TESTS = Path(__file__).parent
MARKED_BY_FOLDER = ("bench", "broker", "faults", "property")
MAY_LEAVE_THINGS = ("bench", "broker", "faults")  # they share a broker between tests, and look after it themselves

# Shared runners are slow at times; a law that fails by the clock has said nothing about scores.
settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "brief", max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "ci", max_examples=500, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("nightly", max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


def tier_of(path: Path) -> str:
    """Return the folder below tests/ that *path* lies in; empty for an example in a docstring of worker/."""
    return path.relative_to(TESTS).parts[0] if path.is_relative_to(TESTS) else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the folder that it lies in, so that `-m` and the folders never disagree."""
    for item in items:
        tier = tier_of(item.path)
        if tier in MARKED_BY_FOLDER:
            item.add_marker(tier)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """See `fail_if_skipped`."""
    return fail_if_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """See `fail_if_skipped`; this one sees modules that skip themselves as a whole."""
    return fail_if_skipped((yield))


def fail_if_skipped(report: Report) -> Report:
    """Turn a skip into a failure where CI demands every part, whichever way the skip was asked for."""
    if is_strict() and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: {reason}; {STRICT} demands it"
    return report


@pytest.fixture(scope="session", autouse=True)
def _loops_are_watched() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        watch_loops(patch)
        yield


@pytest.fixture(autouse=True)
def _environment_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the developer's shell must not decide a test; the run's own LEADSCORE_TEST_* stay for subprocesses."""
    for name in list(os.environ):
        if name.startswith("LEADSCORE_") and not name.startswith("LEADSCORE_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _sockets_are_refused(request: pytest.FixtureRequest) -> Iterator[None]:
    if tier_of(request.path) not in {"unit", ""}:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        refuse_sockets(patch, may_use_loopback=request.node.get_closest_marker("loopback") is not None)
        yield


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test that forgot to stop something, not the one that trips over it."""
    before = Leftovers()
    yield
    if tier_of(request.path) not in MAY_LEAVE_THINGS and (left := before.found()):
        pytest.fail("left behind: " + "; ".join(left), pytrace=False)
