"""What the open round has caused so far; nothing of it is visible to anybody yet."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from worker.contracts.dead_letter import dead_letter_headers
from worker.contracts.transition import Transition, encode_transition, transition_headers
from worker.pipeline.round import Count, DueChange, Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.pipeline.inputs import Record, Topics

FORWARDED_HEADER = "leadscore.forwarded"
"""On a record that came from another partition: `<partition>:<offset>:<record time in ms>` of where it lay."""


EffectsMark = tuple[int, Counter[Count]]
"""How many outputs there were, and the counts."""


class Effects:
    """Outputs, counts and stale due entries of the open round."""

    __slots__ = ("_models", "_partition", "_topics", "counts", "effective", "has_transitions", "outputs", "stale_due")

    def __init__(self, topics: Topics, partition: int, models: Sequence[str]) -> None:
        self._topics = topics
        self._partition = partition
        self._models = tuple(models)
        self.outputs: list[Output] = []
        self.counts: Counter[Count] = Counter()
        # By the model's place; apart from the other counts, for almost every event is counted here.
        self.effective = [0] * len(self._models)
        self.stale_due: list[DueChange] = []
        self.has_transitions = False

    def mark(self) -> EffectsMark:
        """Return where the effects stand, for `back_to`."""
        return len(self.outputs), self.counts.copy()

    def back_to(self, mark: EffectsMark) -> None:
        """Forget what records have caused since *mark* without being folded: dead letters, forwards and counts."""
        outputs, self.counts = mark
        del self.outputs[outputs:]

    def count(self, what: str, n: int = 1, label: str = "") -> None:
        """Count *n* of *what* for the model, code or kind *label*."""
        self.counts[what, label] += n

    def publish(self, key: bytes, told: Transition) -> None:
        """Tell sales."""
        self.count("transitions", 1, f"{told.model} {told.kind}")
        self.has_transitions = True
        topic = self._topics.qualifications
        if topic:
            headers = transition_headers(told)
            self.outputs.append(Output(topic, self._partition, key, encode_transition(told), headers))

    def dead_letter(self, record: Record, code: str, path: str, problem: str) -> None:
        """Put *record* aside, bytes and headers untouched, with what is wrong and where it lay."""
        headers = dead_letter_headers(
            record.headers,
            code=code,
            path=path,
            problem=problem,
            topic=self._topics.source,
            partition=self._partition,
            offset=record.offset,
            timestamp_ms=record.timestamp,
        )
        self.outputs.append(Output(self._topics.dlq, self._partition, record.key, record.value, headers))
        self.count("dead_lettered", 1, code)

    def forward(self, record: Record, key: bytes, target: int) -> None:
        """Send *record* to the partition it belongs to, marked with where it lay."""
        mark = f"{self._partition}:{record.offset}:{record.timestamp}".encode()
        headers = [*record.headers, (FORWARDED_HEADER, mark)]
        self.outputs.append(Output(self._topics.source, target, key, record.value, headers))
        self.count("forwarded")

    def take(self) -> tuple[list[Output], Counter[Count], list[DueChange]]:
        """Return everything and begin anew."""
        for place, events in enumerate(self.effective):
            if events:
                self.counts["effective", self._models[place]] += events
                self.effective[place] = 0
        taken = self.outputs, self.counts, self.stale_due
        self.outputs, self.counts, self.stale_due = [], Counter(), []
        self.has_transitions = False
        return taken
