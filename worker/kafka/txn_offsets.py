"""
Offsets inside a transaction, refused when the group has moved on (TxnOffsetCommit version 3).

aiokafka 0.14 speaks version 0, which knows neither generation nor member: the broker then takes offsets from a worker that
lost its partitions long ago. Touches the names of aiokafka that `aiokafka_private` checks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

from aiokafka.producer.sender import Sender, TxnOffsetCommitHandler
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

_API_KEY, _VERSION = 28, 3
_TEXT = CompactString("utf-8")
_REFUSALS = {22: "illegal generation", 25: "unknown member", 82: "fenced instance id"}
"""Error codes by which the group coordinator says that the partition is no longer ours."""


class Member(NamedTuple):
    """Who a worker was in its group when it got its partitions."""

    generation: int
    member_id: str
    instance_id: str | None


class GroupFenced(Exception):
    """The group refused our offsets inside a transaction: others own the partition now."""


class _Answer(Response):  # type: ignore[misc]
    API_KEY = _API_KEY
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "errors",
            CompactArray(
                ("topic", _TEXT),
                ("partitions", CompactArray(("partition", Int32), ("error_code", Int16), ("tags", TaggedFields))),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _Wire(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION: ClassVar[bool] = True
    API_KEY = _API_KEY
    API_VERSION = _VERSION
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        ("transactional_id", _TEXT),
        ("group_id", _TEXT),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("generation_id", Int32),
        ("member_id", _TEXT),
        ("group_instance_id", _TEXT),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", _TEXT),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class TxnOffsetCommitRequest(Request[_Wire]):  # type: ignore[misc]
    """The request, for version 3 alone."""

    API_KEY = _API_KEY

    def __init__(self, *fields: Any) -> None:
        self._fields = fields

    def build(self, request_struct_class: type[_Wire]) -> _Wire:
        """Return the request as it goes over the wire."""
        return request_struct_class(*self._fields)


class FencedOffsetCommit(TxnOffsetCommitHandler):  # type: ignore[misc]
    """
    Sends *offsets* of *group* as *member* knew the group.

    A refusal fails only the future that waits for these offsets, with GroupFenced. aiokafka's own
    `error_transaction` would forget the partitions of the transaction, send no EndTxn, and the
    next commit of the same producer would publish what was meant to be aborted.
    """

    def __init__(self, sender: Sender, offsets: Mapping[Any, Any], group: str, member: Member) -> None:
        super().__init__(sender, offsets, group)
        self._member = member

    def create_request(self) -> TxnOffsetCommitRequest:
        """Return the request for all offsets."""
        transaction = self._sender._txn_manager
        topics: dict[str, list[tuple[int, int, int, str, dict[int, bytes]]]] = defaultdict(list)
        for partition, offset in sorted(self._offsets.items()):
            topics[partition.topic].append((partition.partition, offset.offset, -1, offset.metadata, {}))
        return TxnOffsetCommitRequest(
            transaction.transactional_id,
            self._group_id,
            transaction.producer_id,
            transaction.producer_epoch,
            self._member.generation,
            self._member.member_id,
            self._member.instance_id,
            [(topic, partitions, {}) for topic, partitions in topics.items()],
            {},
        )

    def handle_response(self, response: Any) -> float | None:
        """Return None when it is decided, else the seconds after which to ask again."""
        for topic, partitions, _ in response.errors:
            for partition, error_code, _ in partitions:
                if error_code in _REFUSALS:
                    self._refuse(f"{_REFUSALS[error_code]} ({error_code}) for {topic}[{partition}]")
                    return None
        flat = [
            (topic, [(partition, code) for partition, code, _ in partitions])
            for topic, partitions, _ in response.errors
        ]
        backoff: float | None = super().handle_response(SimpleNamespace(errors=flat))
        return backoff

    def _refuse(self, reason: str) -> None:
        _, _, waiting = self._sender._txn_manager._pending_txn_offsets.popleft()
        if not waiting.done():
            waiting.set_exception(GroupFenced(reason))
