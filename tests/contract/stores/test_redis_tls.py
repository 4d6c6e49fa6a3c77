"""Redis behind TLS: never without, never with a certificate that cannot be checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.stores.conftest import OpenUrl
from tests.support.certificates import Authority
from tests.support.redis_refusal import refusal
from tests.support.redis_rounds import Changelog, seen, write
from tests.support.redis_server import RedisServer
from worker.errors import ConfigError, DependencyError, WorkerError

pytestmark = pytest.mark.usefixtures("redis_is_there")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def secured(directory: Path, authority: Authority, *, names: tuple[str, ...] = ("127.0.0.1",), asks: bool = False):  # type: ignore[no-untyped-def]  # noqa: ANN201
    issued = authority.issue("redis", names=names)
    files = (issued.certificate, issued.key, authority.file)
    return RedisServer(directory, tls=files, asks_for_certificates=asks)


def test_server_with_a_certificate_of_our_authority_is_trusted(
    tmp_path: Path, authority: Authority, opened: OpenUrl
) -> None:
    with secured(tmp_path, authority) as server:
        store = opened(server.url, ca_location=str(authority.file))
        store.open(0)
        changelog = Changelog(1)
        write(store, changelog.next_round(), None)
        assert seen(store) == changelog.state_at(changelog.rounds[-1].offset)


def test_server_of_another_authority_is_refused(tmp_path: Path, authority: Authority, opened: OpenUrl) -> None:
    """If this fails, whoever answers at that address reads every contact."""
    stranger = Authority(tmp_path / "stranger", "a stranger")
    with secured(tmp_path / "redis", authority) as server:
        for ca_location in (str(stranger.file), ""):
            text = refusal(opened(server.url, ca_location=ca_location))
            assert "certificate is not accepted" in text
            assert "LEADSCORE_REDIS_CA_LOCATION" in text


def test_certificate_of_another_name_is_refused(tmp_path: Path, authority: Authority, opened: OpenUrl) -> None:
    with secured(tmp_path, authority, names=("other.example",)) as server:
        text = refusal(opened(server.url, ca_location=str(authority.file)))
    assert "certificate is not accepted" in text
    assert "127.0.0.1" in text


def test_certificate_of_ours_is_shown_when_the_server_asks_for_one(
    tmp_path: Path, authority: Authority, opened: OpenUrl
) -> None:
    ours = authority.issue("worker")
    with secured(tmp_path, authority, asks=True) as server:
        text = refusal(
            opened(server.url, ca_location=str(authority.file)), WorkerError
        )  # it hangs up, or says why before
        assert "LEADSCORE_REDIS_CERTIFICATE_LOCATION" in text
        opened(
            server.url,
            ca_location=str(authority.file),
            certificate_location=str(ours.certificate),
            key_location=str(ours.key),
        ).claim()


def test_tls_is_never_given_up_for_a_server_without(tmp_path: Path, authority: Authority, opened: OpenUrl) -> None:
    with RedisServer(tmp_path) as server:
        url = server.url.replace("redis://", "rediss://")
        text = refusal(opened(url, ca_location=str(authority.file), timeout_ms=300), DependencyError)
    assert "does it speak TLS at that port?" in text


def test_files_that_are_no_certificates_are_refused_before_anything_connects(
    tmp_path: Path, authority: Authority, opened: OpenUrl
) -> None:
    locked = authority.issue("locked", password="only-for-tests")
    (tmp_path / "junk.pem").write_text("junk", "utf-8")
    for access in (
        {"ca_location": str(tmp_path / "junk.pem")},
        {"ca_location": str(tmp_path / "nothing.pem")},
        {"certificate_location": str(locked.certificate), "key_location": str(locked.key)},
    ):
        with pytest.raises(ConfigError, match="certificate or key cannot be used"):
            opened("rediss://127.0.0.1:1/0", **access)
