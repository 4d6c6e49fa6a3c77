"""What the demo's screen shows, kept up to date from the worker's output topics; draws nothing itself."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from dataclasses import dataclass, field

import msgspec

from worker.contracts.score import ScoreRow
from worker.contracts.transition import Transition

_LATEST = 50


class _Scores(msgspec.Struct):
    models: dict[str, ScoreRow]


_decode_scores = msgspec.json.Decoder(_Scores).decode
_decode_transition = msgspec.json.Decoder(Transition).decode


@dataclass(frozen=True, slots=True)
class Lead:
    """A contact as the scores topic shows it."""

    contact_id: str
    model: str
    row: ScoreRow


class Board:
    """Current scores and latest transitions, as readers of the two topics know them."""

    def __init__(self) -> None:
        self._leads: dict[tuple[str, str], Lead] = {}
        self._latest: deque[Transition] = deque(maxlen=_LATEST)
        self.told: Counter[str] = Counter()  # transitions by kind
        self.cooled_by: Counter[str] = Counter()  # causes of lead.cooled

    def take_scores(self, key: bytes | None, value: bytes | None) -> None:
        """
        Apply a record of the scores topic; a tombstone forgets the contact.

        Raises:
            msgspec.DecodeError: *value* is no such record.
        """
        contact_id = (key or b"").decode("utf-8", "replace")
        if value is None:
            self._leads = {place: lead for place, lead in self._leads.items() if place[0] != contact_id}
            return
        for model, row in _decode_scores(value).models.items():
            self._leads[contact_id, model] = Lead(contact_id, model, row)

    def take_transition(self, value: bytes | None) -> None:
        """
        Apply a record of the qualifications topic.

        Raises:
            msgspec.DecodeError: *value* is no such record.
        """
        if value is None:
            return
        transition = _decode_transition(value)
        self._latest.appendleft(transition)
        self.told[transition.kind] += 1
        if transition.kind == "lead.cooled":
            self.cooled_by[transition.cause] += 1

    @property
    def contacts(self) -> int:
        """How many contacts have a score."""
        return len({contact for contact, _ in self._leads})

    def hottest(self, count: int) -> list[Lead]:
        """Return the *count* leads with the highest scores, the highest first; a customer (status closed) is no lead any more."""
        leads = (lead for lead in self._leads.values() if lead.row.status != "closed")
        return heapq.nsmallest(count, leads, key=lambda lead: (-lead.row.score, lead.contact_id))

    def latest(self, count: int) -> list[Transition]:
        """Return the last *count* transitions, the newest first."""
        return list(self._latest)[:count]


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far the simulation is, and how well the worker keeps up."""

    start_ms: int
    end_ms: int
    now_ms: int = 0  # simulated
    sent: int = 0
    sent_per_s: float = 0.0
    lag_records: int | None = None  # None: not known yet
    stage: str = "starting"
    latest_sent: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=20))

    @property
    def done_ratio(self) -> float:
        """How much of the simulated time has passed, 0 to 1."""
        return min(1.0, max(0.0, (self.now_ms - self.start_ms) / max(1, self.end_ms - self.start_ms)))

    def note_sent(self, at_s: float) -> None:
        """Measure the rate over the last calls; *at_s* is a monotonic instant in seconds."""
        self.latest_sent.append((at_s, self.sent))
        first_s, first = self.latest_sent[0]
        if at_s > first_s:
            self.sent_per_s = (self.sent - first) / (at_s - first_s)
