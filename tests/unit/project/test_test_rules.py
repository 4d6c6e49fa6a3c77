"""The rules of tests/conftest.py, shown on a small suite that is run once as on a laptop and once as in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[3]
COPIED = (
    "tests/conftest.py",
    "tests/support/needs.py",
    "tests/support/leftovers.py",
    "tests/support/sockets.py",
    "pyproject.toml",
)

SUITE = {
    "unit/test_skips.py": """
        import pytest
        from tests.support.needs import need

        def test_missing_part(): need("LEADSCORE_TEST_PART")
        def test_present_part(): assert need("LEADSCORE_TEST_BROKERS") == "kafka:9092"
        def test_skip_inside(): pytest.skip("no reason")
        @pytest.mark.skip(reason="no reason")
        def test_skip_mark(): pass
        @pytest.mark.xfail(reason="known")
        def test_known_failure(): assert False
        """,
    "unit/test_skipped_module.py": "import pytest\npytest.importorskip('no_such_module')\ndef test_never(): pass",
    "unit/test_leaves.py": """
        import asyncio, threading
        kept = []
        stop = threading.Event()

        async def forgotten(): await asyncio.sleep(60)

        def test_leaves_thread(): threading.Thread(target=stop.wait, name="forgotten", daemon=True).start()
        def test_leaves_loop(): kept.append(asyncio.new_event_loop())
        def test_leaves_task():
            loop = asyncio.new_event_loop()
            kept.append(loop.create_task(forgotten()))
            loop.close()
        def test_leaves_nothing():
            thread = threading.Thread(target=print)
            thread.start()
            asyncio.run(asyncio.sleep(0))
        """,
    "unit/test_sockets.py": """
        import asyncio, pytest, socket

        def connect():
            with socket.create_server(("127.0.0.1", 0)) as server:
                socket.create_connection(server.getsockname()).close()

        def test_connects(): connect()
        def test_looks_up(): socket.getaddrinfo("example.org", 80)
        @pytest.mark.loopback
        def test_connects_on_loopback(): connect()
        @pytest.mark.loopback
        def test_opens_to_all(): socket.create_server(("0.0.0.0", 0)).close()
        """,
    "contract/test_sockets.py": """
        import socket
        def test_connects(): socket.create_server(("127.0.0.1", 0)).close()
        """,
    "unit/test_environment.py": """
        import os, warnings
        def test_sees_no_setting(): assert not [n for n in os.environ if n.startswith("LEADSCORE_") and "_TEST_" not in n]
        def test_keeps_test_variable(): assert os.environ["LEADSCORE_TEST_BROKERS"] == "kafka:9092"
        def test_warns(): warnings.warn("old", stacklevel=1)
        """,
    "property/test_profile.py": """
        import pytest
        from hypothesis import settings
        def test_dev(): assert settings().max_examples == 50
        def test_ci(): assert settings().max_examples == 500
        def test_is_marked(request): assert request.node.get_closest_marker("property")
        """,
}


class Ran:
    """What one run of the suite said: an outcome and a message by test, and the exit code."""

    def __init__(self, folder: Path, **environ: str) -> None:
        dropped = {"CI", "HYPOTHESIS_PROFILE"}
        keep = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("LEADSCORE_") and name not in dropped
        }
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--junit-xml=result.xml",
            "--continue-on-collection-errors",
            "tests",
        ]
        environ = keep | {"LEADSCORE_BROKERS": "live:9092", "LEADSCORE_TEST_BROKERS": "kafka:9092"} | environ
        subprocess.run(command, cwd=folder, env=environ, capture_output=True, timeout=60, check=False)
        self.cases: dict[str, tuple[str, str]] = {}
        for case in ET.parse(folder / "result.xml").iter("testcase"):  # noqa: S314  written by the line above
            name = f"{case.get('classname', '').removeprefix('tests.')}.{case.get('name')}".lstrip(".")
            said = [(one.tag, (one.get("message") or "") + (one.text or "")) for one in case]
            self.cases[name] = said[0] if said else ("passed", "")

    def outcome(self, name: str) -> str:
        """Return ``passed``, ``failure``, ``error`` or ``skipped``."""
        return self.cases[name][0]

    def message(self, name: str) -> str:
        """Return what pytest said of the test."""
        return self.cases[name][1]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the suite and a copy of our rules."""
    folder = tmp_path_factory.mktemp("suite")
    files = {name: (ROOT / name).read_text("utf-8") for name in COPIED}
    files |= {f"tests/{name}": dedent(body) for name, body in SUITE.items()}
    for name, body in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(body, "utf-8")
    (folder / "worker").mkdir()
    return folder


@pytest.fixture(scope="module")
def laptop(suite: Path) -> Ran:
    """Run the suite as a developer does."""
    return Ran(suite)


@pytest.fixture(scope="module")
def ci(suite: Path) -> Ran:
    """Run the suite as CI does."""
    return Ran(suite, CI="true", LEADSCORE_TEST_STRICT="1")


def test_missing_part_skips_and_names_itself_on_a_laptop(laptop: Ran) -> None:
    assert laptop.outcome("unit.test_skips.test_missing_part") == "skipped"
    assert "LEADSCORE_TEST_PART is not set" in laptop.message("unit.test_skips.test_missing_part")


def test_missing_part_fails_where_it_is_demanded(ci: Ran) -> None:
    assert ci.outcome("unit.test_skips.test_missing_part") == "failure"
    assert "LEADSCORE_TEST_PART is not set" in ci.message("unit.test_skips.test_missing_part")


def test_present_part_is_used(laptop: Ran, ci: Ran) -> None:
    assert laptop.outcome("unit.test_skips.test_present_part") == "passed"
    assert ci.outcome("unit.test_skips.test_present_part") == "passed"


@pytest.mark.parametrize(
    "name", ["unit.test_skips.test_skip_inside", "unit.test_skips.test_skip_mark", "tests.unit.test_skipped_module"]
)
def test_any_skip_fails_where_parts_are_demanded(laptop: Ran, ci: Ran, name: str) -> None:
    """If this fails, CI may be green without having tested anything."""
    assert laptop.outcome(name) == "skipped"
    assert ci.outcome(name) in {"failure", "error"}


def test_known_failure_is_no_skip(ci: Ran) -> None:
    assert ci.outcome("unit.test_skips.test_known_failure") == "skipped"  # JUnit has no word of its own for it


@pytest.mark.parametrize(
    ("name", "left"), [("thread", "thread forgotten"), ("loop", "event loop"), ("task", "task Task-")]
)
def test_leftover_fails_the_test_that_left_it(laptop: Ran, name: str, left: str) -> None:
    """If this fails, a hung worker is blamed on whichever test runs next."""
    assert laptop.outcome(f"unit.test_leaves.test_leaves_{name}") == "error"
    assert f"left behind: {left}" in laptop.message(f"unit.test_leaves.test_leaves_{name}")


def test_ended_thread_and_loop_are_no_leftovers(laptop: Ran) -> None:
    assert laptop.outcome("unit.test_leaves.test_leaves_nothing") == "passed"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("unit.test_sockets.test_connects", "failure"),
        ("unit.test_sockets.test_looks_up", "failure"),
        ("unit.test_sockets.test_connects_on_loopback", "passed"),
        ("unit.test_sockets.test_opens_to_all", "failure"),
        ("contract.test_sockets.test_connects", "passed"),
    ],
)
def test_sockets_are_refused_to_unit_tests(laptop: Ran, name: str, expected: str) -> None:
    assert laptop.outcome(name) == expected


def test_settings_of_the_shell_do_not_reach_a_test(laptop: Ran) -> None:
    assert laptop.outcome("unit.test_environment.test_sees_no_setting") == "passed"
    assert laptop.outcome("unit.test_environment.test_keeps_test_variable") == "passed"


def test_warning_is_an_error(laptop: Ran) -> None:
    assert laptop.outcome("unit.test_environment.test_warns") == "failure"


def test_laws_are_tried_on_more_examples_in_ci(laptop: Ran, ci: Ran) -> None:
    assert laptop.outcome("property.test_profile.test_dev") == "passed"
    assert ci.outcome("property.test_profile.test_ci") == "passed"


def test_folder_gives_the_mark(laptop: Ran) -> None:
    assert laptop.outcome("property.test_profile.test_is_marked") == "passed"
