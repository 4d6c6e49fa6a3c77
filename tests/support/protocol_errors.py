"""
Answers that a broker gives on a bad day: error codes, answers that are lost or late, connections that break.

Production code has no hook. This is the test's half, a control file; the worker's half is `protocol_injection`, which reads it
anew whenever it changes.
An injected error means that the broker never saw the request; a lost answer, that it did what it was asked.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

FILE = "TEST_PROTOCOL_ERRORS"
"""Variable with the path of the control file; a worker without it sends as ever."""

API: Mapping[str, int] = {
    "Produce": 0,
    "Fetch": 1,
    "ListOffsets": 2,
    "Metadata": 3,
    "OffsetCommit": 8,
    "OffsetFetch": 9,
    "FindCoordinator": 10,
    "JoinGroup": 11,
    "Heartbeat": 12,
    "LeaveGroup": 13,
    "SyncGroup": 14,
    "InitProducerId": 22,
    "AddPartitionsToTxn": 24,
    "AddOffsetsToTxn": 25,
    "EndTxn": 26,
    "TxnOffsetCommit": 28,
}
CODES: Mapping[str, int] = {
    "UNKNOWN_TOPIC_OR_PARTITION": 3,
    "LEADER_NOT_AVAILABLE": 5,
    "NOT_LEADER_OR_FOLLOWER": 6,
    "REQUEST_TIMED_OUT": 7,
    "COORDINATOR_LOAD_IN_PROGRESS": 14,
    "COORDINATOR_NOT_AVAILABLE": 15,
    "NOT_COORDINATOR": 16,
    "NOT_ENOUGH_REPLICAS": 19,
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND": 20,
    "ILLEGAL_GENERATION": 22,
    "UNKNOWN_MEMBER_ID": 25,
    "REBALANCE_IN_PROGRESS": 27,
    "INVALID_PRODUCER_EPOCH": 47,
    "INVALID_TXN_STATE": 48,
    "CONCURRENT_TRANSACTIONS": 51,
    "UNKNOWN_PRODUCER_ID": 59,
    "FENCED_INSTANCE_ID": 82,
    "PRODUCER_FENCED": 90,
}
Action = Literal["error", "lose", "disconnect", "delay", "hold"]


class Mishap(NamedTuple):
    """
    What goes wrong with the next requests of one kind.

    Args:
        api: A key of `API`.
        action: Answer with an error; do it and lose the answer; break the connection instead; answer late; ask late.
        codes: Keys of `CODES`, one after the other, for ``error``.
        times: How many requests.
        topic: Only where they concern this topic; empty: any.
        seconds: For ``lose``, after how long the client gives up (0: the connection breaks at once); for ``delay`` and
            ``hold``, how late.
    """

    api: str
    action: Action = "error"
    codes: Sequence[str] = ()
    times: int = 1
    topic: str = ""
    seconds: float = 0.0


class ProtocolErrors:
    """
    The test's half.

    Args:
        file: The control file, which need not exist; beside it lies the account of what was done.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._mishaps: list[Mishap] = []
        file.parent.mkdir(parents=True, exist_ok=True)
        self._write()

    @property
    def environ(self) -> dict[str, str]:
        """What a worker needs to see in its environment."""
        return {FILE: str(self.file)}

    def push(self, *mishaps: Mishap) -> None:
        """Let *mishaps* happen, beside those pushed before, from the next request on."""
        for mishap in mishaps:
            assert mishap.api in API, f"no such request: {mishap.api}"
            assert all(code in CODES for code in mishap.codes), f"no such code among {mishap.codes}"
            assert (mishap.action == "error") == bool(mishap.codes), "an error has codes, nothing else has"
        self._mishaps += mishaps
        self._write()

    def heal(self) -> None:
        """Let nothing more happen."""
        self._mishaps = [mishap._replace(times=0) for mishap in self._mishaps]
        self._write()

    def done(self, mishap: Mishap) -> int:
        """Return how often *mishap* has happened so far, in all lives of the worker."""
        return account(self.file)[next(n for n, one in enumerate(self._mishaps) if one[:3] == mishap[:3])]

    @property
    def all_done(self) -> bool:
        """Whether everything pushed has happened."""
        happened = account(self.file)
        return all(happened[number] >= mishap.times for number, mishap in enumerate(self._mishaps))

    def _write(self) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps([mishap._asdict() for mishap in self._mishaps]), "utf-8")
        new.replace(self.file)


def account(file: Path) -> Counter[int]:
    """Return how often each mishap of the control *file* has happened, by its number."""
    try:
        lines = file.with_suffix(".done").read_text("utf-8").split()
    except FileNotFoundError:
        return Counter()
    return Counter(int(line) for line in lines)
