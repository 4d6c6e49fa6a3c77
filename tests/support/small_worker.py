"""A partition together with what it has stored: rounds, restarts, timers and changes of models, one call each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.support.small import TOPICS, SmallRecord, small_partition, told
from worker.pipeline import PARTITION_KEY, Due, Output, Partition
from worker.scoring.codec import decode_contact
from worker.scoring.contact import ModelState
from worker.scoring.matching import Matcher
from worker.scoring.model import Model

_BATCH = 2


class SmallWorker:
    """
    One partition that stores what it drains; the first event it takes has *offset*.

    *options* are those of the pipeline; `start` makes the partition anew from what is stored, as a restart would.
    """

    def __init__(self, *models: Model, offset: int = 0, **options: Any) -> None:
        self.values: dict[bytes, bytes] = {}
        self.due: dict[bytes, int] = {}
        self.outputs: list[Output] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        self.models: tuple[Model, ...] = models
        self._options: dict[str, Any] = {"erasure_key": b"key"} | options
        self._offset = offset
        self.partition: Partition = self.start()

    def start(self, *models: Model, **options: Any) -> Partition:
        """Restart, with other models and options where some are given."""
        self.models = models or self.models
        self._options |= options
        row = self.values.get(PARTITION_KEY)
        self.partition = small_partition(*self.models, row=row, get_many=self.get_many, **self._options)
        return self.partition

    def change(self, *models: Model, **options: Any) -> None:
        """Restart with *models*, and carry all contacts over to them."""
        self.start(*models, **options)
        while self.scan():
            pass

    def scan(self, *, is_cut_short: bool = False) -> bool:
        """Carry some contacts over, a round of its own; whether there is more to do. One that *is_cut_short* lacks its very last round."""
        after = self.partition.carries_over_from
        if after is None:
            return False
        keys = sorted(key for key in self.values if key[0] > 1 and key > after)
        self.partition.carry_over(keys[:_BATCH], self.get_many, is_last=len(keys) <= _BATCH)
        self.close()
        if len(keys) > _BATCH:
            return True
        if not is_cut_short:
            self.close()  # what only the states before needed goes in a round of its own
        return False

    def take(self, *values: bytes) -> list[Output]:
        """Fold events, one round; return what it put out."""
        records = []
        for value in values:
            key = json.loads(value)["contact_id"].encode()
            records.append(SmallRecord(self._offset, value, key))
            self._offset += 1
        self.partition.fold(records, self.get_many)
        return self.close()

    def fire(self) -> list[Output]:
        """Handle all that is due; return what it put out."""
        put_out: list[Output] = []
        until_ms = self.partition.due_until()
        while until_ms is not None:
            entries = sorted(Due(at_ms, key) for key, at_ms in self.due.items() if at_ms <= until_ms)[:_BATCH]
            if not entries:
                break
            self.partition.fire(entries, self.get_many)
            put_out += self.close()
        return put_out

    def close(self) -> list[Output]:
        """Drain the open round and store it; return what it put out."""
        closed = self.partition.drain()
        if closed is None:
            return []
        self.values |= closed.puts
        for key in closed.deletes:
            self.values.pop(key, None)
        for key, _, new_ms in closed.due:
            self.due.pop(key, None)
            if new_ms is not None:
                self.due[key] = new_ms
        self.partition.settled()
        self.outputs += closed.outputs
        self.counts += closed.counts
        return closed.outputs

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the stored values of *keys*."""
        return [self.values.get(key) for key in keys]

    @property
    def told(self) -> list[tuple[str, int, str, float]]:
        """Kind, sequence, cause and score of everything told so far; those of an erasure have no score and are left out."""
        return told([one for one in self.outputs if b'"contact.erased"' not in (one.value or b"")])

    def state(self, contact: str = "c", model: int = 0) -> ModelState:
        """Return what is stored of *contact* under a model."""
        matchers = [Matcher(one) for one in self.models]
        state = decode_contact(self.values[contact.encode()], self.models, matchers).models[model]
        assert state is not None, "nothing is stored"
        return state


def transitions(outputs: Sequence[Output]) -> list[dict[str, Any]]:
    """Return the transitions among *outputs*, as read from their JSON."""
    return [json.loads(one.value) for one in outputs if one.topic == TOPICS.qualifications and one.value is not None]


def score_rows(outputs: Sequence[Output], model: str = "small") -> list[dict[str, Any] | None]:
    """Return what the scores topic was told of *model*, None for a tombstone."""
    values = [one.value for one in outputs if one.topic == TOPICS.scores]
    return [None if value is None else json.loads(value)["models"].get(model) for value in values]
