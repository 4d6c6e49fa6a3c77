"""What a broker refuses, or what we refuse of a broker, said to the operator: where, what, and how to mend it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)

from worker.errors import ConfigError
from worker.kafka.security import client_options

if TYPE_CHECKING:
    from worker.settings import Settings

_ASK_WITHIN_MS = 5_000
_WATCH_EVERY_S = 5.0
_ACLS = "`leadscore topics acls` lists what has to be allowed, and the commands that allow it"
_CA = "LEADSCORE_SSL_CA_LOCATION"
_CERTIFICATE = "LEADSCORE_SSL_CERTIFICATE_LOCATION, LEADSCORE_SSL_KEY_LOCATION"
_CHECKED = {
    10: (_CA, "the broker's certificate has run out", "have it renewed by whoever runs the brokers"),
    9: (_CA, "the broker's certificate is not valid yet", "check the clocks of this machine and of the broker's"),
    62: ("LEADSCORE_BROKERS", "its certificate is for another host name", "use the name that the certificate is for"),
    64: ("LEADSCORE_BROKERS", "its certificate is for another address", "use the name that the certificate is for"),
}
"""OpenSSL's verdicts on a broker's certificate; all others mean that no authority of ours stands behind it."""


async def watch_refusals(settings: Settings, is_silent: Callable[[], bool]) -> None:
    """
    While *is_silent* says that brokers do not answer, ask now and then whether it is that they refuse us; until cancelled.

    Raises:
        ConfigError: they do, such as after a change of passwords: ours is read at start only.
    """
    while True:
        await asyncio.sleep(_WATCH_EVERY_S)
        if is_silent():
            await raise_refusal(settings)


async def raise_refusal(settings: Settings) -> None:
    """
    Ask the brokers once more, one after the other, and say why they or we refuse; call it when a client could not connect.

    Returns quietly when one of them lets us in, or none of them answers at all: then it is not the operator's to mend.

    Raises:
        ConfigError: log-in, certificate or protocol are refused. Waiting would not help, so it is exit 78 and not 69.
    """
    options = client_options(settings)
    hosts = collect_hosts(options.pop("bootstrap_servers"))
    found: ConfigError | None = None
    for host, port, _ in hosts:
        try:
            connection = await create_conn(host, port, request_timeout_ms=_ASK_WITHIN_MS, **options)
        except (OSError, KafkaError, TimeoutError) as error:
            found = found or refusal_of(error, f"{host}:{port}", settings)
        else:
            await connection.close()
            return
    if found is not None:
        raise found


def refusal_of(error: BaseException, broker: str = "Kafka", settings: Settings | None = None) -> ConfigError | None:
    """Return what the operator has to hear of *error*, None when it is not for the operator to mend; never a secret."""
    for one in _chain(error):
        found = _certificate(one, broker, settings) or _login(one, broker, settings) or _permission(one)
        if found is not None:
            return found
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _certificate(error: BaseException, broker: str, settings: Settings | None) -> ConfigError | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        unknown = (_CA, "no authority that we trust has signed its certificate", f"put that authority's into {_CA}")
        where, problem, fix = _CHECKED.get(error.verify_code, unknown)
        return _problem(where, broker, problem, fix)
    if not isinstance(error, ssl.SSLError):
        return None
    reason = error.reason or ""
    if reason in {"WRONG_VERSION_NUMBER", "UNEXPECTED_MESSAGE", "RECORD_LAYER_FAILURE"}:
        fix = "choose SSL or SASL_SSL only for a listener with TLS, or another port"
        return _problem("LEADSCORE_SECURITY_PROTOCOL", broker, "it does not speak TLS at that port", fix)
    refuses_ours = "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason)
    if refuses_ours and settings is not None and not settings.ssl_certificate_location:
        return _problem(_CERTIFICATE, broker, "it asks for a certificate of ours", "set both, or use another listener")
    if refuses_ours:
        problem = f"it does not accept our certificate ({reason.partition('ALERT_')[2].lower().replace('_', ' ')})"
        return _problem(_CERTIFICATE, broker, problem, "renew it, signed by an authority that the brokers trust")
    return None


def _login(error: BaseException, broker: str, settings: Settings | None) -> ConfigError | None:
    if isinstance(error, SaslAuthenticationFailed):
        fix = "correct them; the user must exist for this mechanism"
        return _problem(
            "LEADSCORE_SASL_USERNAME, LEADSCORE_SASL_PASSWORD", broker, "it refuses user name or password", fix
        )
    if isinstance(error, UnsupportedSaslMechanismError):
        mechanism = settings.sasl_mechanism if settings is not None else "this mechanism"
        fix = "choose one that the listener offers"
        return _problem("LEADSCORE_SASL_MECHANISM", broker, f"it does not offer {mechanism}", fix)
    if isinstance(error, IllegalSaslStateError):
        fix = "choose PLAINTEXT or SSL, or a listener with SASL"
        return _problem("LEADSCORE_SECURITY_PROTOCOL", broker, "nobody logs in at that listener", fix)
    return None


def _permission(error: BaseException) -> ConfigError | None:
    if isinstance(error, TopicAuthorizationFailedError):
        return _forbidden(f"topic {_names(error)}", "read or write it (Read, Write)")
    if isinstance(error, GroupAuthorizationFailedError):
        return _forbidden(f"group {_names(error)}", "join it and commit its offsets (Read)")
    if isinstance(error, TransactionalIdAuthorizationFailed):
        return _forbidden(f"transactional id {_names(error)}", "write with it (Write)")
    if isinstance(error, ClusterAuthorizationFailedError):
        return _forbidden("cluster", "write to any topic (Write; before Kafka 2.8 IdempotentWrite of the cluster too)")
    return None


def _names(error: BaseException) -> str:
    """Return what the client names: a topic, a set of them, a group, or nothing."""
    named: Any = error.args[0] if error.args else ""
    return ", ".join(sorted(map(str, named))) if isinstance(named, set | frozenset | list | tuple) else str(named)


def _forbidden(where: str, what: str) -> ConfigError:
    return ConfigError(where=where.rstrip(), problem=f"this user may not {what}", fix=_ACLS)


def _problem(where: str, broker: str, problem: str, fix: str) -> ConfigError:
    return ConfigError(where=f"{where} (broker {broker})", problem=problem, fix=fix)
