"""What is right for each contender, and what of its output is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Protocol

import orjson

from tests.support.beside.contenders import Contender
from tests.support.beside.events import Backlog
from tests.support.beside.oracle import Cooled, Ready, Truth, truth_of
from tests.support.beside.reading import Told
from worker.contracts.instants import parse_instant
from worker.export import transition_line
from worker.replay import replay_lines
from worker.scoring.model_file import load_model

_NEARLY = 2e-6  # the worker rounds a score down to six decimals
_NAMED = 3


class Verdict(Protocol):
    """What a contender must have told in the end."""

    count: int

    def faults(self, told: Sequence[Told]) -> list[str]:
        """Return what is wrong with *told*; nothing when it is right."""
        ...


class OracleVerdict:
    """
    By the oracle: who became ready, at which event, with which score; of the worker also who cooled, when and why.

    Args:
        truth: What the oracle says.
        tells_transitions: Whether both are told, in the worker's own form.
    """

    def __init__(self, truth: Truth, *, tells_transitions: bool) -> None:
        self._truth = truth
        self._tells_transitions = tells_transitions
        self.count = len(truth.ready) + (truth.cooled.total() if tells_transitions else 0)

    def faults(self, told: Sequence[Told]) -> list[str]:
        ready: Counter[Ready] = Counter()
        cooled: Counter[Cooled] = Counter()
        wrong = []
        for one in told:
            said = orjson.loads(one.value)
            contact = said["contact_id"]
            if one.key.decode() != contact:
                wrong.append(f"a record of {contact} has the key {one.key!r}")
            if said.get("kind") == "lead.cooled":
                cooled[Cooled(contact, parse_instant(said["at"]), said["cause"])] += 1
                continue
            found = _ready(said)
            ready[found] += 1
            score = self._truth.ready.get(found)
            if score is not None and abs(score - said["score"]) > _NEARLY:
                wrong.append(f"{found} with {said['score']} instead of {score}")
        wrong += _differences("ready", Counter(self._truth.ready.keys()), ready)
        if self._tells_transitions:
            wrong += _differences("cooled", self._truth.cooled, cooled)
        return wrong


def _ready(said: dict[str, Any]) -> Ready:
    """Return who became ready in the worker's form or in the plain one."""
    if "event" in said:
        return Ready(said["contact_id"], said["event"]["id"], parse_instant(said["at"]))
    return Ready(said["contact_id"], said["event_id"], said["at"])


class ReplayVerdict:
    """By a replay with a shipped model: every transition, as `transitions.jsonl` has it."""

    def __init__(self, transitions: Iterable[bytes]) -> None:
        self._expected = Counter(map(_comparable, transitions))
        self.count = self._expected.total()

    def faults(self, told: Sequence[Told]) -> list[str]:
        return _differences("transition", self._expected, Counter(_comparable(one.value) for one in told))


def _comparable(transition: bytes) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(transition_line(transition).items()))


def _differences(what: str, expected: Counter[Any], found: Counter[Any]) -> list[str]:
    missing, extra = expected - found, found - expected
    wrong = []
    for kind, different in (("missing", missing), ("too many", extra)):
        if different:
            some = ", ".join(map(str, list(different)[:_NAMED]))
            wrong.append(f"{what}: {different.total()} {kind}, such as {some}")
    return wrong


class Verdicts:
    """The verdicts over one backlog, each made when it is first asked for."""

    def __init__(self, backlog: Backlog, lateness_ms: int) -> None:
        self._backlog = backlog
        self._lateness_ms = lateness_ms
        self._truth: Truth | None = None
        self._replayed: dict[str, ReplayVerdict] = {}

    @property
    def truth(self) -> Truth:
        """What the oracle says of the backlog."""
        if self._truth is None:
            self._truth = truth_of(self._backlog.lines(), self._backlog.until_ms - self._lateness_ms)
        return self._truth

    def of(self, contender: Contender) -> Verdict:
        """Return what *contender* is judged by."""
        if contender.model == "bare":
            return OracleVerdict(self.truth, tells_transitions=contender.tells == "transitions")
        if contender.model not in self._replayed:
            model = load_model(contender.model)
            lines = chain(self._backlog.lines(), (closing.value for closing in self._backlog.closing))
            self._replayed[contender.model] = ReplayVerdict(replay_lines([model], lines).transitions[model.name])
        return self._replayed[contender.model]
