"""What a worker runs with on the topics as they are, and an operator may regret: warnings, never a refusal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

_DAY_MS: Final = 86_400_000
_LEAST_RETENTION_DAYS: Final[Mapping[str, int]] = {
    "input": 3,  # a worker that ends on a Friday evening is started again on Monday
    "qualifications": 7,  # so may a connector be
    "dead letters": 7,  # somebody has to look at them first
}
"""By role of the topic: it forgets too early what may not have been read."""


def advice(role: str, configs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield problem and fix of each configuration of a topic that an operator may regret; none of those we may not see."""
    if role == "input" and configs.get("message.timestamp.type") == "CreateTime":
        problem = (
            "message.timestamp.type is CreateTime: an event from the future is moved back to its record's timestamp, "
            "which the same wrong clock of a producer has set"
        )
        yield (
            problem,
            "set message.timestamp.type=LogAppendTime, unless history is copied into it with its own timestamps",
        )
    least_ms = _LEAST_RETENTION_DAYS.get(role, 0) * _DAY_MS
    kept_ms = int(configs.get("retention.ms", "-1"))
    if 0 <= kept_ms < least_ms:
        yield (
            f"retention.ms is {kept_ms} ({kept_ms / _DAY_MS:.3g} days): what nobody has read by then is gone",
            f"set retention.ms={least_ms} or more",
        )
