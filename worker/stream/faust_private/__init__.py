"""
The one place that touches private names of Faust, checked at import; aiokafka's are in `worker.kafka.aiokafka_private`.

Faust keeps assignment, rebalance callbacks, tables, changelog naming and timers. Replaced are: how records
are drained (in batches), what is committed, and how tables are restored. Each class here turns private hooks
into methods with plain names; what they do is written elsewhere.
"""

from worker.stream.faust_private.consumer import BatchConsumer
from worker.stream.faust_private.names import EXPECTED, check_names
from worker.stream.faust_private.recovery import RestoringRecovery, RestoringTables
from worker.stream.faust_private.thread import NOTHING, BatchThread, Polled
from worker.stream.faust_private.transports import LOGGER, register_transport

__all__ = [
    "EXPECTED",
    "LOGGER",
    "NOTHING",
    "BatchConsumer",
    "BatchThread",
    "Polled",
    "RestoringRecovery",
    "RestoringTables",
    "check_names",
    "register_transport",
]
