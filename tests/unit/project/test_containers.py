"""docker-compose.yml and Dockerfile keep what they promise: no root, nothing writable but state, only settings that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from worker.settings import VARIABLES

ROOT = Path(__file__).parents[3]
OURS = ("topics", "worker")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """Return the compose file with its anchors merged."""
    loaded = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture(scope="module")
def dockerfile() -> list[str]:
    """Return the instructions of the Dockerfile, continued lines joined, comments gone."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    return [re.sub(r"\s+", " ", line) for line in text.splitlines() if line and not line.startswith("#")]


def known_variables() -> set[str]:
    """Return every variable that a worker reads, files of secrets included."""
    return {variable.name for variable in VARIABLES} | {
        variable.file_name for variable in VARIABLES if variable.kind.is_secret
    }


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_powers(compose: dict[str, Any], name: str) -> None:
    """If this fails, a hole in a dependency is a hole in the host."""
    service = compose["services"][name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert [mount.split(":")[0] for mount in service["tmpfs"]] == ["/tmp"]


def test_state_is_in_a_named_volume_where_the_worker_looks(compose: dict[str, Any]) -> None:
    """If this fails, a new container begins with an empty state and restores for minutes."""
    worker = compose["services"]["worker"]
    volume, path = worker["volumes"][0].split(":")
    assert volume in compose["volumes"]
    assert worker["environment"]["LEADSCORE_STORE"] == f"${{LEADSCORE_STORE:-rocksdb://{path}}}"


def test_services_wait_for_what_they_need(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    assert services["topics"]["command"] == ["topics", "create", "--replication", "1"]
    assert services["topics"]["restart"] == "no"
    assert services["worker"]["depends_on"]["topics"] == {"condition": "service_completed_successfully"}


def test_every_lasting_service_has_a_health_check(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert ("test" in service["healthcheck"]) is (name != "topics"), name


def test_ports_are_open_to_this_machine_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_redis_starts_only_when_asked_for(compose: dict[str, Any]) -> None:
    assert [name for name, service in compose["services"].items() if service.get("profiles")] == ["redis"]


def test_compose_names_settings_that_exist(compose: dict[str, Any]) -> None:
    """If this fails, the worker refuses to start: it knows no such variable."""
    named = {
        name
        for service in compose["services"].values()
        for name in service.get("environment", {})
        if name.startswith("LEADSCORE_")
    }
    assert named
    assert named <= known_variables()


def test_no_secret_is_written_down(compose: dict[str, Any]) -> None:
    key = compose["services"]["worker"]["environment"]["LEADSCORE_ERASURE_KEY"]
    assert key.startswith("${LEADSCORE_ERASURE_KEY:?")


def test_image_names_settings_that_exist(dockerfile: list[str]) -> None:
    named = set(re.findall(r"\b(LEADSCORE_\w+)=", "\n".join(dockerfile)))
    assert named
    assert named <= known_variables()


def test_image_runs_as_nobody_and_without_a_shell(dockerfile: list[str]) -> None:
    final = dockerfile[max(at for at, line in enumerate(dockerfile) if line.startswith("FROM ")) :]
    assert "USER 10001:10001" in final
    assert 'ENTRYPOINT ["leadscore"]' in final
    assert 'CMD ["run"]' in final
    assert any(line.startswith("HEALTHCHECK") and 'CMD ["python"' in line and "/livez" in line for line in final)
    assert "VOLUME /var/lib/leadscore" in final


def test_image_takes_packages_from_the_lock_only(dockerfile: list[str]) -> None:
    """If this fails, two builds of one commit may differ, or carry what nobody has looked at."""
    installs = [
        step
        for line in dockerfile
        if line.startswith("RUN ")
        for step in line.split("&&")
        if " install " in step and "pip" in step
    ]
    assert len(installs) == 3
    assert all("--require-hashes --only-binary :all:" in step or "--no-deps /dist/*.whl" in step for step in installs)


def test_image_is_built_from_files_that_exist(dockerfile: list[str]) -> None:
    copied = [
        name for line in dockerfile if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]
    ]
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in ignored, name
