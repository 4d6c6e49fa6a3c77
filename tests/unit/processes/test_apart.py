"""Nothing that two processes would fight over is the same for them."""

from __future__ import annotations

import pytest

from worker.errors import ConfigError
from worker.processes.apart import environ_of, require_ports
from worker.settings import load_settings

GIVEN = {
    "LEADSCORE_BROKERS": "kafka:9092",
    "LEADSCORE_STORE": "rocksdb:///var/lib/leadscore",
    "LEADSCORE_INSTANCE_ID": "pod-0",
    "LEADSCORE_WEB_PORT": "7000",
    "LEADSCORE_PROCESSES": "3",
    "LEADSCORE_LOG_FORMAT": "text",
    "HOME": "/home/somebody",
}


def environ(number: int, **changed: str) -> dict[str, str]:
    given = {**GIVEN, **changed}
    return environ_of(number, load_settings(given), given)


def test_each_process_has_its_own_name_port_and_directory_and_all_else_in_common() -> None:
    own = environ(2)
    assert own["LEADSCORE_STORE"] == "rocksdb:///var/lib/leadscore/process-2"
    assert own["LEADSCORE_INSTANCE_ID"] == "pod-0-2"
    assert own["LEADSCORE_WEB_PORT"] == "7002"
    assert (own["LEADSCORE_BROKERS"], own["HOME"]) == (GIVEN["LEADSCORE_BROKERS"], GIVEN["HOME"])
    settings = load_settings(own)
    assert (settings.processes, settings.log_format) == (1, "json")


def test_a_relative_directory_stays_relative() -> None:
    assert environ(1, LEADSCORE_STORE="rocksdb://./state")["LEADSCORE_STORE"] == "rocksdb://state/process-1"


@pytest.mark.parametrize("store", ["redis://redis:6379/0", "memory://"])
def test_a_store_that_is_no_directory_is_shared_or_of_the_process_anyway(store: str) -> None:
    assert environ(2, LEADSCORE_STORE=store)["LEADSCORE_STORE"] == store


def test_without_a_name_nobody_gets_one() -> None:
    """If this fails, two hosts without names have the same names."""
    assert environ(2, LEADSCORE_INSTANCE_ID="")["LEADSCORE_INSTANCE_ID"] == ""


def test_any_free_port_stays_any_free_port() -> None:
    assert environ(2, LEADSCORE_WEB_PORT="0")["LEADSCORE_WEB_PORT"] == "0"


def test_ports_that_do_not_exist_are_refused_before_anything_starts() -> None:
    settings = load_settings({**GIVEN, "LEADSCORE_WEB_PORT": "65533"})
    require_ports(settings, 2)
    with pytest.raises(ConfigError, match="65532"):
        require_ports(settings, 3)
