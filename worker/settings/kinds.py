"""
How the text of a setting becomes a value and a value becomes text: one kind a concept.

Every parser raises ValueError with a text that says what is wrong and how to put it right. A parser never
quotes the text itself, since it may be a secret; whoever reports the problem quotes it where that is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from worker.contracts.instants import format_instant, parse_instant
from worker.settings.secret import Secret
from worker.settings.store_url import SERVER_SCHEMES, hide_password, parse_server_url

_DURATION_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE_UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
_BROKER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,/@]+):([0-9]{1,5})")
_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
_MAX_PORT = 65_535
_MOST_PROCESSES = 256
AUTO = 0
"""As many processes as there are usable cores."""


class Kind(NamedTuple):
    """A kind of value: its name in the reference, text to value, value to text, and a text that is wrong to one that may be quoted."""

    name: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str
    is_secret: bool = False
    quote: Callable[[str], str] = str


def parse_duration_ms(text: str) -> int:
    """
    Return the milliseconds of *text*: a whole number and one of ms, s, m, h, d.

    >>> parse_duration_ms("10s")
    10000
    """
    match = re.fullmatch(r"([0-9]{1,12})(ms|s|m|h|d)", text)
    if match is None:
        raise ValueError("not a duration; write a whole number and a unit: 500ms, 10s, 5m, 2h, 1d")
    return int(match[1]) * _DURATION_UNITS_MS[match[2]]


def show_duration_ms(value_ms: int) -> str:
    """
    Return *value_ms* in the largest unit that fits exactly.

    >>> show_duration_ms(300_000)
    '5m'
    """
    unit = max((u for u, ms in _DURATION_UNITS_MS.items() if value_ms % ms == 0), key=_DURATION_UNITS_MS.__getitem__)
    return f"{value_ms // _DURATION_UNITS_MS[unit]}{unit}" if value_ms else "0s"


def parse_size_bytes(text: str) -> int:
    """
    Return the bytes of *text*: a whole number, bare or with KiB, MiB or GiB.

    >>> parse_size_bytes("8MiB")
    8388608
    """
    match = re.fullmatch(r"([0-9]{1,15}) ?(B|KiB|MiB|GiB|)", text)
    if match is None:
        raise ValueError("not a size; write bytes or a unit of 1024: 8388608, 512KiB, 8MiB, 1GiB")
    return int(match[1]) * _SIZE_UNITS[match[2]]


def show_size_bytes(value: int) -> str:
    """
    Return *value* in the largest unit that fits exactly.

    >>> show_size_bytes(8_388_608)
    '8MiB'
    """
    unit = max((u for u, size in _SIZE_UNITS.items() if u != "B" and value % size == 0), key=_SIZE_UNITS.__getitem__)
    return f"{value // _SIZE_UNITS[unit]}{unit}" if value else "0"


def _parse_integer(text: str) -> int:
    if re.fullmatch(r"-?[0-9]{1,15}", text) is None:
        raise ValueError("not a whole number; write digits only")
    return int(text)


def _parse_flag(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("neither true nor false; write true or false")


def _parse_name(text: str) -> str:
    if text in {"", ".", ".."} or _NAME.fullmatch(text) is None:
        raise ValueError("not a name that Kafka takes; use 1 to 249 of the characters a-z A-Z 0-9 . _ -")
    return text


def _parse_broker(text: str) -> str:
    match = _BROKER.fullmatch(text)
    if match is None or not 0 < int(match[2]) <= _MAX_PORT:
        raise ValueError("not a list of brokers; write host:port, several with commas: kafka-1:9092,kafka-2:9092")
    return text


def _parse_store(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if separator and scheme in SERVER_SCHEMES:
        parse_server_url(text)
        return text
    if text == "memory://" or (separator and scheme == "rocksdb" and rest):
        return text
    raise ValueError(
        "not a store; write rocksdb://./state, rocksdb:///var/lib/leadscore, redis://host:6379/0, rediss://host:6379/0 or memory://"
    )


def _parse_text(text: str) -> str:
    return text


def _show_optional(value: Any) -> str:  # noqa: ANN401
    return "" if value is None else str(value)


def parse_instant_ms(text: str) -> int:
    """
    Return the instant that *text* names in RFC 3339, as UTC ms.

    >>> parse_instant_ms("2026-03-01T00:00:00Z")
    1772323200000
    """
    try:
        return parse_instant(text)
    except ValueError:
        raise ValueError("no instant with offset; write 2026-03-01T00:00:00Z") from None


def between(kind: Kind, low: int, high: int) -> Kind:
    """Return *kind* restricted to *low*..*high*, both included; the name says so."""

    def parse(text: str) -> int:
        value: int = kind.parse(text)
        if not low <= value <= high:
            raise ValueError(f"out of range; write {kind.show(low)} to {kind.show(high)}")
        return value

    return Kind(f"{kind.name} {kind.show(low)} to {kind.show(high)}", parse, kind.show)


def choice(*values: str) -> Kind:
    """Return a kind that takes one of *values*, in any case, and gives it as written here."""
    canonical = {value.casefold(): value for value in values}

    def parse(text: str) -> str:
        value = canonical.get(text.casefold())
        if value is None:
            raise ValueError(f"not known here; write one of {', '.join(v for v in values if v)}")
        return value

    return Kind(" or ".join(value for value in values if value), parse)


def comma_list(of: Kind) -> Kind:
    """Return a kind that takes one or more of *of* with commas between; a repeat is refused."""

    def parse(text: str) -> tuple[Any, ...]:
        parts = [part.strip() for part in text.split(",")]
        if not all(parts):
            raise ValueError("an empty entry between commas; remove it")
        if len(set(parts)) < len(parts):
            raise ValueError("an entry twice; remove one")
        return tuple(of.parse(part) for part in parts)

    return Kind(f"{of.name}, ...", parse, lambda value: ",".join(of.show(part) for part in value))


def secret(shortest: int = 1, longest: int = 4096) -> Kind:
    """Return a kind of hidden text of *shortest* to *longest* bytes in UTF-8; empty means not set (None)."""

    def parse(text: str) -> Secret | None:
        if text and not shortest <= len(text.encode()) <= longest:
            raise ValueError(
                f"{len(text.encode())} bytes long; use {shortest} to {longest}, for example of `openssl rand -hex 32`"
            )
        return Secret(text) if text else None

    return Kind("secret", parse, _show_optional, is_secret=True)


def optional(kind: Kind) -> Kind:
    """Return *kind* that also takes the empty text and gives it back: not set."""
    return Kind(
        kind.name, lambda text: kind.parse(text) if text else "", lambda value: kind.show(value) if value else ""
    )


def _parse_processes(text: str) -> int:
    if text.casefold() == "auto":
        return AUTO
    value = int(text) if re.fullmatch(r"[0-9]{1,4}", text) else -1
    if not 0 <= value <= _MOST_PROCESSES:
        raise ValueError(f"not a number of processes; write 1 to {_MOST_PROCESSES}, or auto (one for each usable core)")
    return value


INTEGER = Kind("integer", _parse_integer)
FLAG = Kind("true or false", _parse_flag, lambda value: "true" if value else "false")
TEXT = Kind("text", _parse_text)
PATH = Kind("file", _parse_text)
NAME = Kind("name", _parse_name)
BROKERS = comma_list(Kind("host:port", _parse_broker))
STORE = Kind("store URL", _parse_store, hide_password, quote=hide_password)
OPTIONAL_INSTANT = Kind(
    "instant",
    lambda text: parse_instant_ms(text) if text else None,
    lambda value: "" if value is None else format_instant(value),
)
DURATION = Kind("duration", parse_duration_ms, show_duration_ms)
PROCESSES = Kind(
    f"1 to {_MOST_PROCESSES}, or auto", _parse_processes, lambda value: "auto" if value == AUTO else str(value)
)
SIZE = Kind("size", parse_size_bytes, show_size_bytes)
