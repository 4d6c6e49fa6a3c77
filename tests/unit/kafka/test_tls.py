"""TLS contexts in memory: what is verified, and which certificate a new connection shows."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.certificates import Authority, Issued
from worker.errors import ConfigError
from worker.kafka.security import client_options
from worker.kafka.tls import RenewingContext
from worker.settings import Settings, load_settings
from worker.stream.exposure import is_in_clear, warn_of_exposure


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def settings_of(authority: Authority, client: Issued | None = None, **changed: str) -> Settings:
    given = {
        "LEADSCORE_BROKERS": "kafka.example:9093",
        "LEADSCORE_SECURITY_PROTOCOL": "SSL",
        "LEADSCORE_SSL_CA_LOCATION": str(authority.file),
    }
    if client is not None:
        given["LEADSCORE_SSL_CERTIFICATE_LOCATION"] = str(client.certificate)
        given["LEADSCORE_SSL_KEY_LOCATION"] = str(client.key)
    return load_settings(given | changed)


def shake_hands(context: ssl.SSLContext, authority: Authority, broker: Issued, host: str = "localhost") -> int:
    """Let *context* connect to *broker*, and return the serial number of the certificate that the broker gets to see."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(broker.certificate, broker.key)
    server.load_verify_locations(authority.file)
    server.verify_mode = ssl.CERT_REQUIRED
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = context.wrap_bio(down, up, server_hostname=host)
    theirs = server.wrap_bio(up, down, server_side=True)
    for side in (ours, theirs) * 3:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    seen = theirs.getpeercert(binary_form=True)
    assert seen is not None
    return x509.load_der_x509_certificate(seen).serial_number


def serial(one: Issued) -> int:
    return x509.load_pem_x509_certificate(one.certificate.read_bytes()).serial_number


def test_a_new_connection_shows_the_certificate_that_is_there_by_then(authority: Authority) -> None:
    broker, client = authority.issue("broker"), authority.issue("client")
    context = RenewingContext(settings_of(authority, client))
    first = serial(client)
    assert shake_hands(context, authority, broker) == first
    renewed = authority.issue("client")
    assert shake_hands(context, authority, broker) == serial(renewed) != first


def test_files_that_do_not_fit_leave_the_ones_before_in_use(authority: Authority) -> None:
    """Certificate and key are two files: between the two replacements they do not belong together."""
    broker, client = authority.issue("broker"), authority.issue("client")
    context = RenewingContext(settings_of(authority, client))
    first, key = serial(client), client.key.read_bytes()
    authority.issue("client")
    fitting = client.key.read_bytes()
    client.key.write_bytes(key)
    assert shake_hands(context, authority, broker) == first
    client.key.write_bytes(fitting)
    assert shake_hands(context, authority, broker) == serial(client) != first


def test_clients_that_are_made_while_files_are_replaced_use_the_ones_before(authority: Authority) -> None:
    """If this fails, a rebalance in the moment of a renewal ends a worker."""
    broker, client = authority.issue("broker"), authority.issue("client")
    settings = settings_of(authority, client)
    client_options(settings)
    client.key.write_text("half written")
    assert shake_hands(client_options(settings)["ssl_context"], authority, broker) == serial(client)


@pytest.mark.parametrize(("host", "code"), [("elsewhere.example", 62), ("127.0.0.2", 64)])
def test_the_host_name_is_verified(authority: Authority, host: str, code: int) -> None:
    broker, client = authority.issue("broker"), authority.issue("client")
    with pytest.raises(ssl.SSLCertVerificationError) as refused:
        shake_hands(RenewingContext(settings_of(authority, client)), authority, broker, host)
    assert refused.value.verify_code == code


def test_authorities_are_verified_and_may_be_renewed(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    broker, client = other.issue("broker"), other.issue("client")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(authority.file.read_bytes())
    context = RenewingContext(settings_of(authority, client, LEADSCORE_SSL_CA_LOCATION=str(trusted)))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, other, broker)
    trusted.write_bytes(other.file.read_bytes())
    assert shake_hands(context, other, broker) == serial(client)


def test_a_key_without_its_password_is_refused_and_not_asked_for(authority: Authority) -> None:
    locked = authority.issue("locked", password="canary-sesame")
    with pytest.raises(ConfigError, match="LEADSCORE_SSL_KEY_PASSWORD"):
        RenewingContext(settings_of(authority, locked))
    RenewingContext(settings_of(authority, locked, LEADSCORE_SSL_KEY_PASSWORD="canary-sesame"))


@pytest.mark.parametrize(
    ("brokers", "protocol", "is_clear"),
    [
        ("127.0.0.1:9092,localhost:9092,[::1]:9092", "PLAINTEXT", False),
        ("127.0.0.1:9092,kafka:9092", "PLAINTEXT", True),
        ("10.0.0.1:9092", "PLAINTEXT", True),
        ("kafka:9092", "SSL", False),
    ],
)
def test_a_network_in_the_clear_is_noticed(brokers: str, protocol: str, is_clear: bool) -> None:
    given = {"LEADSCORE_BROKERS": brokers, "LEADSCORE_SECURITY_PROTOCOL": protocol}
    assert is_in_clear(load_settings(given)) is is_clear


def test_a_secret_that_everybody_may_read_is_warned_of_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "token"
    secret.write_text("canary-token-0123456789")
    environ = {"LEADSCORE_BROKERS": "localhost:9092", "LEADSCORE_WEB_TOKEN_FILE": str(secret)}
    for mode, expected in ((0o644, ["LEADSCORE_WEB_TOKEN_FILE"]), (0o640, []), (0o400, [])):
        secret.chmod(mode)
        caplog.clear()
        warn_of_exposure(load_settings(environ), environ)
        assert [one.__dict__["fields"]["variable"] for one in caplog.records] == expected
        assert "canary" not in caplog.text
