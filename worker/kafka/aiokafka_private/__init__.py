"""
The one place that touches private names of aiokafka, checked at import; Faust's are in `worker.stream.faust_private`.

It gives: a producer that shares one client with its siblings and commits offsets under the group's fencing (`producing`), where a
consumer stands and where logs really end (`positions`), what it has fetched as batches (`fetching`), what the group says of a member
(`membership`), and a limit to what batches unpack to (`batch_limit`).
"""

from worker.kafka.aiokafka_private.batch_limit import limit_batches, too_large_batches
from worker.kafka.aiokafka_private.fetching import Fetched, fetch
from worker.kafka.aiokafka_private.membership import (
    coordination_error,
    end_coordination,
    ended_parts,
    has_lost_its_name,
    member_of,
    tell_heartbeats,
)
from worker.kafka.aiokafka_private.names import EXPECTED, check_names
from worker.kafka.aiokafka_private.positions import (
    Progress,
    high_watermarks,
    partition_count,
    positions_of,
    progress_of,
)
from worker.kafka.aiokafka_private.producing import SharedClientProducer, built_size, keep_batches, packed_batch

__all__ = [
    "EXPECTED",
    "Fetched",
    "Progress",
    "SharedClientProducer",
    "built_size",
    "check_names",
    "coordination_error",
    "end_coordination",
    "ended_parts",
    "fetch",
    "has_lost_its_name",
    "high_watermarks",
    "keep_batches",
    "limit_batches",
    "member_of",
    "packed_batch",
    "partition_count",
    "positions_of",
    "progress_of",
    "tell_heartbeats",
    "too_large_batches",
]
