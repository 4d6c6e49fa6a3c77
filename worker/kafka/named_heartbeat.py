"""
A heartbeat that tells the group our name too (Heartbeat version 3).

aiokafka 0.14 sends version 1. Its answer to a static member whose name another process has taken is the same as to one
that was silent for too long, "unknown member"; version 3 tells the two apart.
"""

from __future__ import annotations

from typing import Any

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Int16, Int32, Schema, String

_API_KEY, _VERSION = 12, 3
_TEXT = String("utf-8")

FENCED_INSTANCE_ID = 82
"""Another process has joined under our name."""


class _Answer(Response):  # type: ignore[misc]
    API_KEY = _API_KEY
    API_VERSION = _VERSION
    SCHEMA = Schema(("throttle_time_ms", Int32), ("error_code", Int16))


class _Wire(RequestStruct):  # type: ignore[misc]
    API_KEY = _API_KEY
    API_VERSION = _VERSION
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(("group", _TEXT), ("generation_id", Int32), ("member_id", _TEXT), ("group_instance_id", _TEXT))


class NamedHeartbeat(Request[_Wire]):  # type: ignore[misc]
    """The request, for version 3 alone: group, generation, member id, instance id."""

    API_KEY = _API_KEY

    def __init__(self, *fields: Any) -> None:
        self._fields = fields

    def build(self, request_struct_class: type[_Wire]) -> _Wire:
        """Return the request as it goes over the wire."""
        return request_struct_class(*self._fields)
