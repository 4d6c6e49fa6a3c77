"""
What a user may do with topics, as the broker itself says it (Metadata version 8).

aiokafka 0.14 speaks up to version 5, which does not tell. Touches the names of aiokafka that `aiokafka_private` checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

_API_KEY, _VERSION = 3, 8
_TEXT = String("utf-8")
_BITS: Mapping[str, int] = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}


class _Answer(Response):  # type: ignore[misc]
    API_KEY = _API_KEY
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT))),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", _TEXT),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
        ("cluster_operations", Int32),
    )


class _Wire(RequestStruct):  # type: ignore[misc]
    API_KEY = _API_KEY
    API_VERSION = _VERSION
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        ("topics", Array(_TEXT)),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_operations", Boolean),
        ("include_topic_operations", Boolean),
    )


class _Question(Request[_Wire]):  # type: ignore[misc]
    API_KEY: ClassVar[int] = _API_KEY

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = list(topics)

    def build(self, request_struct_class: Any) -> Any:
        """Return the request on the wire."""
        return request_struct_class(self._topics, False, False, True)


async def allowed_operations(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> dict[str, frozenset[str]]:
    """
    Return what *admin*'s user may do with each of *topics* that exists and that it may see, by the names of `kafka-acls`.

    Empty where the brokers are too old to say (before Kafka 2.3).
    """
    try:
        answer = await admin._client.send(admin._client.get_random_node(), _Question(topics))
    except (IncompatibleBrokerVersion, NotImplementedError):
        return {}
    return {
        name: frozenset(operation for operation, bit in _BITS.items() if bits >> bit & 1)
        for error_code, name, _, _, bits in answer.topics
        if not error_code
    }
