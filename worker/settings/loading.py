"""From a mapping of variables to Settings, or to one report of everything that is wrong with it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from worker.errors import ConfigError
from worker.settings.declared import PREFIX, VARIABLES, Settings, Variable
from worker.settings.problem import Problem
from worker.settings.redis_gaps import redis_gaps

_NOT_OURS = re.compile(r"LEADSCORE_(TEST_.*|SERVICE_(HOST|PORT)(_.*)?|PORT(_[0-9]+_(TCP|UDP)(_.*)?)?)")
"""The test suite's variables, and those that Kubernetes adds to every pod beside a service named `leadscore`."""

_MAX_SECRET_BYTES = 65_536


def load_settings(environ: Mapping[str, str]) -> Settings:
    """
    Return the settings that *environ* gives, defaults for the rest.

    A variable that is set but empty counts as given where empty has a meaning, else as not set. Names outside
    LEADSCORE_* are ignored.

    Raises:
        ConfigError: with *all* problems in one text; secrets are never quoted. Its field `problems` lists them.
    """
    problems: list[Problem] = list(_unknown(environ))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for variable in VARIABLES:
        text, origin = _text_of(variable, environ, problems)
        if text is None:
            continue
        try:
            values[variable.field] = variable.kind.parse(text)
        except ValueError as exc:
            quoted = "" if variable.kind.is_secret else f"{variable.kind.quote(text)[:80]!r} is "
            problems.append(Problem(origin, f"{quoted}{exc}"))
        origins[variable.field] = origin
    if values.get("dlq_topic") == "" and "input_topic" in values:
        values["dlq_topic"] = f"{values['input_topic']}-dlq"
    problems += _conflicts(values)
    if problems:
        raise _report(problems)
    return Settings(**values, origins=origins)


def require_for_run(settings: Settings) -> None:
    """
    Check what only a worker needs, beyond what `load_settings` checks for every command.

    Raises:
        ConfigError: the erasure key is missing.
    """
    if settings.erasure_key is None:
        name = f"{PREFIX}ERASURE_KEY"
        raise _report(
            [
                Problem(
                    name,
                    f"not set, and a worker needs it; set it or {name}_FILE, for example to the output of `openssl rand -hex 32`",
                )
            ]
        )


def open_secret_files(environ: Mapping[str, str]) -> list[str]:
    """Return the variables whose file holds a secret and may be read by every user of the machine."""
    named = ((one.file_name, environ.get(one.file_name)) for one in VARIABLES if one.kind.is_secret)
    return [name for name, path in named if path and _is_open_to_all(Path(path))]


def _is_open_to_all(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o004)
    except OSError:
        return False


def _text_of(variable: Variable, environ: Mapping[str, str], problems: list[Problem]) -> tuple[str | None, str]:
    """Return the text and origin of *variable*; None when it has no text, which has then been reported."""
    text = environ.get(variable.name)
    if text is not None and not variable.kind.is_secret:
        text = text.strip()
    if variable.kind.is_secret:
        path = environ.get(variable.file_name)
        if path:
            if text:
                problems.append(Problem(variable.file_name, f"set together with {variable.name}; keep one of them"))
                return None, variable.file_name
            return _file_text(variable.file_name, path, problems), variable.file_name
    if text is not None and (text or _may_be_empty(variable)):
        return text, variable.name
    if variable.default is None:
        problems.append(Problem(variable.name, f"not set; write {variable.kind.name}"))
    return variable.default, "default"


def _may_be_empty(variable: Variable) -> bool:
    """Whether an empty text means something else than the default, as `not published` does for the scores topic."""
    try:
        variable.kind.parse("")
    except ValueError:
        return False
    return variable.default != ""


def _file_text(name: str, path: str, problems: list[Problem]) -> str | None:
    try:
        with Path(path).open("rb") as file:
            text = file.read(_MAX_SECRET_BYTES).decode("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        problems.append(Problem(name, f"the file {path} cannot be read: {reason}; mount it readable for this user"))
        return None
    if not text:
        problems.append(Problem(name, f"the file {path} is empty; write the secret into it"))
        return None
    return text


def _unknown(environ: Mapping[str, str]) -> Iterator[Problem]:
    names = {variable.name for variable in VARIABLES}
    names |= {variable.file_name for variable in VARIABLES if variable.kind.is_secret}
    known = {name.removeprefix(PREFIX) for name in names}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in names and _NOT_OURS.fullmatch(name) is None:
            # Without the prefix, or every name would be near every other.
            near = difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1)
            hint = f"did you mean {PREFIX}{near[0]}?" if near else "remove it"
            yield Problem(name, f"not a setting; {hint}")


def _conflicts(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong between settings that are each fine alone."""
    yield from _same_topics(values)
    yield from _security_gaps(values)
    yield from redis_gaps(values)
    low, high = values.get("round_events"), values.get("round_events_catching_up")
    if low is not None and high is not None and high < low:
        yield Problem(
            f"{PREFIX}ROUND_EVENTS_CATCHING_UP", f"below {PREFIX}ROUND_EVENTS ({low}); raise it to at least that"
        )


def _same_topics(values: Mapping[str, Any]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name in ("input_topic", "qualifications_topic", "scores_topic", "dlq_topic"):
        topic = values.get(name)
        if topic and topic in seen:
            yield Problem(
                PREFIX + name.upper(), f"{topic!r} is also {PREFIX}{seen[topic].upper()}; each needs a topic of its own"
            )
        elif topic:
            seen[topic] = name


def _security_gaps(values: Mapping[str, Any]) -> Iterator[Problem]:
    protocol = values.get("security_protocol", "PLAINTEXT")
    for name in ("sasl_mechanism", "sasl_username", "sasl_password"):
        if protocol.startswith("SASL_") and name in values and not values[name]:
            yield Problem(PREFIX + name.upper(), f"not set, and {PREFIX}SECURITY_PROTOCOL is {protocol}; set it")
        if not protocol.startswith("SASL_") and values.get(name):
            yield Problem(
                PREFIX + name.upper(),
                f"without effect with {PREFIX}SECURITY_PROTOCOL {protocol}; use SASL_SSL, or remove it",
            )
    for name in ("ssl_ca_location", "ssl_certificate_location", "ssl_key_location"):
        path = values.get(name)
        if path and not protocol.endswith("SSL"):
            yield Problem(
                PREFIX + name.upper(),
                f"without effect with {PREFIX}SECURITY_PROTOCOL {protocol}; use SSL or SASL_SSL, or remove it",
            )
        elif path and not Path(path).is_file():
            yield Problem(PREFIX + name.upper(), f"there is no file {path}; mount it, or correct the path")
    if values.get("ssl_key_location") and not values.get("ssl_certificate_location"):
        yield Problem(f"{PREFIX}SSL_CERTIFICATE_LOCATION", f"not set, but {PREFIX}SSL_KEY_LOCATION is; set both")


def _report(problems: list[Problem]) -> ConfigError:
    lines = "".join(f"\n  - {problem.variable}: {problem.text}" for problem in problems)
    count = "1 setting" if len(problems) == 1 else f"{len(problems)} settings"
    return ConfigError(
        where="environment",
        problem=f"{count} cannot be used{lines}",
        fix="correct the variables above; the settings reference lists every variable with its default",
        problems=[tuple(problem) for problem in problems],
    )
