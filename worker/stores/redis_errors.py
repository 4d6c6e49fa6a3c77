"""What an error of Redis means for us: wait and ask again, an operator must act, or start anew."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

from redis import exceptions

from worker.errors import ConfigError, RestartRequired, StoreUnavailable, WorkerError

_NOT_NOW = {
    "BUSY": "a script of somebody else's runs",
    "CLUSTERDOWN": "it is not in service",
    "LOADING": "it is loading its data",
    "MASTERDOWN": "it is a replica without a primary",
    "MISCONF": "it cannot save its data (is its disk full?)",
    "NOREPLICAS": "it has too few replicas to accept writes",
    "OOM": "its memory is full (maxmemory)",
    "READONLY": "it is a replica now",
    "TRYAGAIN": "it is moving its data",
    "UNKILLABLE": "a script of somebody else's runs",
}
"""By the first word of an answer: what will be over at some time, without anything being lost."""

_BY_CLASS = (
    (exceptions.BusyLoadingError, "LOADING"),
    (exceptions.ReadOnlyError, "READONLY"),
    (exceptions.OutOfMemoryError, "OOM"),
    (exceptions.MasterDownError, "MASTERDOWN"),
    (exceptions.ClusterDownError, "CLUSTERDOWN"),
    (exceptions.TryAgainError, "TRYAGAIN"),
)
"""Classes that the client gives to some of them, without the first word."""

_REFUSED = (
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
    exceptions.AuthenticationWrongNumberOfArgsError,
    exceptions.NoPermissionError,
)


def translated(error: Exception, address: str, what: str) -> WorkerError:
    """
    Return what to raise for *error*, which the client raised.

    Args:
        error: Of the client, or of the network below it.
        address: Where the server is, without user and password.
        what: Which part of the store is concerned.
    """
    if isinstance(error, _REFUSED):
        return ConfigError(
            where=f"LEADSCORE_STORE, {address}",
            problem=f"the server refuses us: {_text(error)}",
            fix="check user, LEADSCORE_REDIS_PASSWORD and the user's ACL; worker/stores/README.md lists the commands that are used",
        )
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError) and (refusal := _tls_refusal(cause, address)) is not None:
            return refusal
    if (reason := _NOT_NOW.get(_code(error))) is not None:
        return StoreUnavailable(what=f"{what} at {address}", problem=reason)
    if isinstance(error, exceptions.TimeoutError | exceptions.ConnectionError | OSError):
        return StoreUnavailable(what=f"{what} at {address}", problem=_silence(error, causes))
    return RestartRequired(what=f"{what} at {address}", problem=f"Redis answered {_text(error)}")


def _code(error: Exception) -> str:
    """Return the first word of an answer, or of the answer inside that a script of Redis 6 failed with."""
    for kind, code in _BY_CLASS:
        if isinstance(error, kind):
            return code
    text = str(error)
    inner = re.search(r"@user_script: ?\d+: -([A-Z]+) ", text)
    return inner[1] if inner is not None else text.partition(" ")[0].removeprefix("-")


def _silence(error: Exception, causes: list[BaseException]) -> str:
    """Return how there was no answer."""
    if any("handshake" in str(one) for one in causes if isinstance(one, OSError)):
        return "no answer to the start of TLS (does it speak TLS at that port?)"
    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        return "no answer in time"
    reasons = [one.strerror for one in causes if isinstance(one, OSError) and one.strerror]
    return f"no connection ({reasons[-1]})" if reasons else "no connection"


def _text(error: Exception) -> str:
    """Return the answer without the arguments that some answers repeat: they would be keys of contacts."""
    return re.split(r", with args|`|'", str(error), maxsplit=1)[0].strip()[:200] or type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and what it was raised from: the client wraps what the network raised."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _tls_refusal(error: ssl.SSLError, address: str) -> ConfigError | None:
    """Return what an operator must put right, None when it is no matter of settings."""
    where, reason = f"LEADSCORE_STORE, {address}", error.reason or ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConfigError(
            where=where,
            problem=f"the server's certificate is not accepted: {error.verify_message}",
            fix="use the name that the certificate was issued for, and name its CA in LEADSCORE_REDIS_CA_LOCATION",
        )
    if "ALERT" in reason:
        return ConfigError(
            where=where,
            problem=f"the server does not accept us: {reason.replace('_', ' ').lower()}",
            fix="set LEADSCORE_REDIS_CERTIFICATE_LOCATION and LEADSCORE_REDIS_KEY_LOCATION to a certificate that it knows",
        )
    if reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}:
        return ConfigError(
            where=where, problem="the server speaks no TLS there", fix="use redis://, or the port with TLS"
        )
    return None
