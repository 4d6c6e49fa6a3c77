"""
One partition's scoring: records in, a round of effects out; it never touches a broker, a store or a clock.

Records are folded as they come, in offset order. What they cause is collected until `drain` closes the round.
"""

from __future__ import annotations

from operator import length_hint
from typing import TYPE_CHECKING

from worker.contracts.event_rules import ERASURE_TYPE, UPDATE_TYPE
from worker.errors import StateError
from worker.pipeline.cache import ContactCache
from worker.pipeline.closing import Closing
from worker.pipeline.effects import Effects, EffectsMark
from worker.pipeline.inputs import GetMany, PipelineOptions, Place, Record, Topics
from worker.pipeline.intake import Intake, IntakeMark, Matched
from worker.pipeline.leftovers import forget, left_behind, rows_of, scanned_for, to_drop
from worker.pipeline.round import Count, Due, DueChange, Output, Round
from worker.pipeline.rows import (
    GRAVES_KEY,
    PARTITION_KEY,
    PartitionRow,
    decode_partition_row,
    encode_partition_row,
    load_lineage,
    mark_of,
    model_key,
    model_row,
)
from worker.pipeline.steps import Steps
from worker.pipeline.terms import check_terms, older_versions
from worker.scoring.codec import pack_header
from worker.scoring.contact import Contact, Fence
from worker.scoring.matching import Matcher

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence

    from worker.scoring.model import Model


class Partition:
    """
    One owned source partition. Not for threads; its calls never wait.

    `fold` and `fire` add to the open round, `drain` closes it, `settled` says that the drained round is durable and in the store.
    Until then its contacts stay in memory, so that nothing is read back stale.
    """

    def __init__(
        self,
        *,
        topics: Topics,
        partition: int,
        partitions: int,
        models: Sequence[Model],
        options: PipelineOptions,
        row: bytes | None,
        get_many: GetMany | None = None,
    ) -> None:
        """
        Go on from *row*, or begin anew without one.

        *get_many* reads stored values: whether any contact was ever erased, and the content of earlier versions of the
        models, whose states are then carried over.

        Raises:
            StateError: The state was written under other terms.
        """
        self._models = tuple(models)
        self._options = options
        self._is_wall = options.time == "wall"
        self._where = f"{topics.source}[{partition}]"
        self.is_new = row is None
        stored = None if row is None else decode_partition_row(row)
        if stored is not None:
            check_terms(stored, self._models, options, self._where)
        self.next_offset = 0 if stored is None else stored.next_offset
        self._epoch = options.epoch if stored is None else stored.epoch
        self.pending = 0
        self.failed_at: int | None = None
        """Offset of the record at which `fold` has failed, for whoever has to name it."""
        self._unneeded: list[
            bytes
        ] = []  # rows of older models, once the open round says that nothing is written under them
        self._left_behind = left_behind(stored, self._models)  # those of which a durable round has said so
        self._is_first_grave = False
        self._time_ms = None if stored is None else stored.time_ms
        self._revision = 0 if stored is None else stored.revision
        self._marks = {} if stored is None else stored.models
        self._older, self._set_aside = ({}, {}) if stored is None else older_versions(stored, self._models)
        self._dropped = to_drop(stored, self._models)
        is_resumed = stored is not None and (stored.older, stored.carried_for) == (
            {**self._set_aside, **self._older},
            scanned_for(self._older, self._dropped),
        )
        self._carried_to = stored.carried_to if stored is not None and is_resumed else b""
        matchers = self._matchers = tuple(Matcher(model) for model in models)
        self._effects = Effects(topics, partition, [model.name for model in models])
        self._cache = ContactCache(
            self._models,
            matchers,
            options.budget,
            erasure_key=options.erasure_key,
            has_graves=get_many is not None and get_many([GRAVES_KEY])[0] is not None,
            where=self._where,
        )
        if self._older and get_many is not None:
            self._cache.lineage = load_lineage(self._older, get_many, self._where)
        self._steps = [
            Steps(model, index, topics.source, partition, self._effects, options) for index, model in enumerate(models)
        ]
        self._closing = Closing(self._steps, topics.scores, partition, options)
        newest_ms = None if stored is None else stored.newest_ms
        self._intake = Intake(Place(partition, partitions), self._models, matchers, options, self._effects, newest_ms)
        self._passed_over = frozenset(() if stored is None else stored.passed_over)
        self._is_stop_stored = False
        if stored is not None and stored.stopped_limit is not None and options.dlq_limit <= stored.stopped_limit:
            self._intake.stopped_at = stored.next_offset
            self._is_stop_stored = True

    @property
    def newest_ms(self) -> int | None:
        """The newest event time of the records handled, accepted or not; None before the first."""
        return self._intake.newest_ms

    @property
    def has_transitions(self) -> bool:
        """Whether a transition waits in the open round."""
        return self._effects.has_transitions

    @property
    def dirty_bytes(self) -> int:
        """Estimate of the bytes that the open round will write."""
        waiting = sum(len(output.value or b"") for output in self._effects.outputs)
        return self._cache.dirty_bytes + waiting

    @property
    def stopped_at(self) -> int | None:
        """
        Offset of the first record that is not taken, since too many before it were refused; None: all are.

        It is stored with the round, so that only a higher limit (or skipping the record) lets the partition go on.
        """
        return self._intake.stopped_at

    @property
    def cached_contacts(self) -> int:
        """Contacts whose decoded state is in memory."""
        return len(self._cache.contacts)

    @property
    def cached_bytes(self) -> int:
        """Estimate of the memory that they take."""
        return self._cache.bytes

    @property
    def is_short_of_memory(self) -> bool:
        """Whether the open round had better end, since what rounds hold in memory is more than the budget."""
        return self.pending > 0 and self._options.budget.is_exceeded

    # ---- records

    def fold(self, records: Sequence[Record], get_many: GetMany) -> None:
        """
        Fold *records*, in offset order, into the open round: all of them, or those before `stopped_at`.

        Where *get_many* raises, it is as if they had never been given.

        Raises:
            StateError: A stored value cannot be used.
        """
        given = records
        if self._passed_over:
            records = [record for record in records if record.offset not in self._passed_over]
        decode, known = self._intake.decode, self._cache.contacts
        before = self._effects.mark(), self._intake.mark()
        matched = [found for record in records if (found := decode(record, known)) is not None]
        try:
            self._cache.load([found.key for found in matched], get_many)
        except Exception:
            self._forget_decoded(*before)
            raise
        stopped_at = self._intake.stopped_at
        if stopped_at is not None:
            records = [record for record in records if record.offset < stopped_at]
            given = [record for record in given if record.offset < stopped_at]
            self.next_offset = stopped_at  # what lies between the last of them and it is no record
        if not given:
            return
        self._take_all(matched)
        self.pending += len(given)
        self._effects.count("received", len(records))
        if len(given) > len(records):
            self._effects.count("passed_over", len(given) - len(records))
        self._count_null_keys()
        if stopped_at is None:
            self.next_offset = given[-1].offset + 1
        if self._options.time == "wall":
            self._advance_time(self._intake.record_ms - self._options.grace_ms)
        self._options.budget.reclaim()

    def _take_all(self, matched: Sequence[Matched]) -> None:
        taken = iter(matched)
        try:
            for found in taken:
                self._take(found)
        except Exception:
            self.failed_at = matched[len(matched) - length_hint(taken) - 1].record.offset
            raise

    def _count_null_keys(self) -> None:
        for matcher, model in zip(self._matchers, self._models, strict=True):
            if matcher.null_keys:
                self._effects.count("once_keys_null", matcher.null_keys, model.name)
                matcher.null_keys = 0

    def _forget_decoded(self, effects: EffectsMark, intake: IntakeMark) -> None:
        """Go back to before records were decoded that could not be folded."""
        self._effects.back_to(effects)
        self._intake.back_to(intake)
        for matcher in self._matchers:
            matcher.null_keys = 0

    def _take(self, found: Matched) -> None:
        """Fold one event under each model that keeps it, unless its contact's value has it already."""
        offset = found.record.offset
        contact = self._cache.contacts[found.key]
        if contact.offset >= offset and contact.epoch == self._epoch:
            self._effects.count("replayed")
            return
        if self._is_wall:
            self._advance_time(found.record_ms - self._options.grace_ms)
        if self._fold_event(found, contact):
            if found.at_ms != found.event.occurred_at:
                self._effects.count("clamped")
            contact.epoch, contact.offset, contact.revision = self._epoch, offset, 0
            if not contact.is_dirty:
                self._cache.touch(found.key, contact)
            if found.event.type == UPDATE_TYPE and found.record.value is not None:
                self._cache.dirty_bytes += len(found.record.value)

    def _fold_event(self, found: Matched, contact: Contact) -> bool:
        """Fold one event under each model that keeps it; whether anything of *contact* changed."""
        if contact.erased_ms is not None and found.at_ms <= contact.erased_ms:
            for model in self._models:
                self._effects.count("without_effect", 1, model.name)
            return False
        if found.event.type == ERASURE_TYPE:
            self._erase(found, contact)
            return True
        is_changed = False
        for steps, trace in zip(self._steps, found.traces):  # noqa: B905 - one a model, and it runs once an event
            if trace is None:
                self._effects.count("without_effect", 1, steps.model.name)
                continue
            time_ms = self._time_ms if self._is_wall else found.newest_ms - steps.model.lateness_ms
            if steps.take(contact, found, trace, time_ms):
                is_changed = True
        return is_changed

    def _erase(self, found: Matched, contact: Contact) -> None:
        """Forget everything of *contact* that is not newer than its erasure, under models that are not loaded too."""
        self._effects.count("erased")
        for steps in self._steps:
            steps.erase(contact, found, self._handled_until(steps.model, found.newest_ms))
        contact.others = {}
        contact.erased_ms = found.at_ms
        contact.is_buried = True
        self._is_first_grave = self._is_first_grave or not self._cache.has_graves
        self._cache.has_graves = True

    # ---- time

    def note_present(self, now_ms: int) -> None:
        """It is *now_ms*: records that claim a later time do not move the partition's time beyond it."""
        self._intake.present_ms = now_ms

    def advance_wall(self, now_ms: int) -> None:
        """By the wall clock only: the position has reached the last stable offset, and it is *now_ms*."""
        if self._options.time == "wall":
            self._advance_time(now_ms - self._options.grace_ms)

    def _advance_time(self, time_ms: int) -> None:
        if self._time_ms is None or time_ms > self._time_ms:
            self._time_ms = time_ms

    def _handled_until(self, model: Model, newest_ms: int | None) -> int | None:
        """Return the partition time of *model*: due instants up to it are handled."""
        if self._options.time == "wall":
            return self._time_ms
        return None if newest_ms is None else newest_ms - model.lateness_ms

    def due_until(self) -> int | None:
        """Return the instant to ask the due index for; None while no time is known."""
        return self._time_ms if self._options.time == "wall" else self.newest_ms

    def fire(self, entries: Sequence[Due], get_many: GetMany) -> None:
        """
        Handle the contacts of *entries*, soonest first, up to the partition time.

        An entry that differs from the contact's own is stale and dropped.
        """
        self._cache.load([entry.key for entry in entries], get_many)
        for entry in entries:
            contact = self._cache.contacts[entry.key]
            is_stale = contact.stored_fire_ms != entry.at_ms
            if is_stale:
                self._effects.stale_due.append(DueChange(entry.key, entry.at_ms, None))
            self._fire_contact(entry.key, contact, None, is_woken=not is_stale)
        self._options.budget.reclaim()

    def _fire_contact(self, key: bytes, contact: Contact, until_ms: int | None, *, is_woken: bool) -> None:
        """Handle what is due for *contact*; one that was woken is written again, so that its place in the due index moves on."""
        is_changed = is_woken and not contact.is_dirty
        for steps, state in zip(self._steps, contact.models, strict=True):
            if state is None:
                continue
            limit_ms = self._handled_until(steps.model, self.newest_ms) if until_ms is None else until_ms
            if limit_ms is not None and steps.pass_time(key, state, limit_ms):
                is_changed = True
        if is_changed:
            contact.revision += 1
            self._cache.touch(key, contact)

    # ---- a new version of a model

    @property
    def carries_over_from(self) -> bytes | None:
        """
        The key after which stored contacts have still to be carried over to a new version of a model; None: all have been.

        States of models that are to be dropped go in the same scan.
        """
        return self._carried_to if self._older or self._dropped else None

    def carry_over(self, keys: Sequence[bytes], get_many: GetMany, *, is_last: bool) -> None:
        """
        Carry the contacts of *keys*, ascending, over into the open round; *is_last* says that none are left.

        Nothing else may be folded or fired before the last of them.
        """
        self._cache.load(keys, get_many)
        for key in keys:
            contact = self._cache.contacts[key]
            for index in contact.carried:
                state = contact.models[index]
                if state is not None:
                    steps = self._steps[index]
                    steps.change_model(key, state, self._handled_until(steps.model, self.newest_ms))
                self._effects.count("carried_over", 1, self._models[index].name)
            if forget(contact, self._dropped):
                self._effects.count("dropped")
                is_changed = True
            else:
                is_changed = bool(contact.carried)
            if is_changed:
                contact.carried = ()
                contact.revision += 1
                self._cache.touch(key, contact)
            elif not contact.is_dirty:
                self._cache.drop(key)  # a million of them would fill the memory
        if keys:
            self._carried_to = keys[-1]
        if is_last:
            self._carried_to = b""
            self._unneeded = [
                model_key(name, version) for name, versions in self._older.items() for version in versions
            ]
            self._unneeded += rows_of(self._dropped, self._marks, self._set_aside)
            self._marks = {name: mark for name, mark in self._marks.items() if name not in self._dropped}
            self._set_aside = {name: old for name, old in self._set_aside.items() if name not in self._dropped}
            self._dropped = frozenset()
            self._older = {}
            self._cache.lineage = None

    # ---- a history that stays in memory

    def finish(self, until_ms: int) -> None:
        """Handle what is due up to *until_ms* for every contact in memory: the end of a history, where no record comes after."""
        for key, contact in self._cache.contacts.items():
            self._fire_contact(key, contact, until_ms, is_woken=False)

    def contacts(self) -> Iterator[tuple[bytes, Contact]]:
        """Yield every contact in memory with its key; callers must not change them."""
        yield from self._cache.contacts.items()

    def take_told(self) -> tuple[list[Output], Counter[Count]]:
        """Take outputs and counts out of the open round, for a history that is kept in memory and never drained."""
        outputs, counts, _ = self._effects.take()
        return outputs, counts

    # ---- the round

    def drain(self, position: int | None = None) -> Round | None:
        """
        Close the open round and return it; None when there is nothing to write.

        Args:
            position: The consumer's position, where it lies beyond the last record (control and aborted records).

        Raises:
            StateError: The round before it is not settled: a bug of the caller.
        """
        has_moved = position is not None and position > self.next_offset
        effects = self._effects
        if not (
            self.pending
            or self._cache.dirty
            or effects.outputs
            or effects.stale_due
            or has_moved
            or self._unneeded
            or self._left_behind
            or (self._intake.stopped_at is not None and not self._is_stop_stored)
        ):
            return None
        if self._cache.in_flight:
            raise StateError(
                where=self._where, problem="a round was drained before the one before it was durable", fix="report this"
            )
        if has_moved and position is not None:
            self.next_offset = position
        outputs, counts, stale_due = effects.take()
        closed = Round(self.next_offset, events=self.pending, outputs=outputs, counts=counts, due=stale_due)
        if self._is_first_grave:
            self._is_first_grave = False
            closed.puts[GRAVES_KEY] = pack_header(Fence(self._epoch, self.next_offset, self._revision), None)
        for key, contact in self._cache.close_round().items():
            self._closing.write(key, contact, closed)
            self._cache.weigh(contact)
        self._write_rows(closed)
        closed.deletes += self._left_behind
        self._left_behind = []
        self.pending = 0
        return closed

    def _write_rows(self, closed: Round) -> None:
        """Add the model rows when they are news, and the partition row, always and last."""
        options = self._options
        self._revision += 1
        for model in self._models:
            mark = mark_of(model)
            if self._marks.get(model.name) != mark:
                fence = Fence(self._epoch, self.next_offset, self._revision)
                closed.puts[model_key(model.name, model.version)] = model_row(model, fence)
                self._marks = {**self._marks, model.name: mark}
        row = PartitionRow(
            self.next_offset,
            self._epoch,
            self.newest_ms,
            self._time_ms,
            options.time,
            options.erasure_check,
            self._revision,
            self._marks,
            {**self._set_aside, **self._older},
            self._carried_to,
            scanned_for(self._older, self._dropped),
            None if self.stopped_at is None else options.dlq_limit,
            sorted(self._dropped),
            sorted(offset for offset in self._passed_over if offset >= self.next_offset),
            self._unneeded,
        )
        self._is_stop_stored = self.stopped_at is not None
        closed.puts[PARTITION_KEY] = encode_partition_row(row)

    def settled(self) -> None:
        """Take note that the drained round is durable and in the store: its contacts may leave memory again."""
        self._left_behind += self._unneeded
        self._unneeded = []
        self._cache.settle()

    def close(self) -> None:
        """Let go of everything in memory; the partition is used no more."""
        self._cache.close()
