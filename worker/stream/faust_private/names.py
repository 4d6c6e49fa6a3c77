"""Every private name of Faust that this package touches, checked when it is imported."""

from __future__ import annotations

import faust
from faust.app import base as faust_app
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport import drivers
from faust.transport.drivers import aiokafka as driver

from worker.kafka.expected_names import Names, check_expected

EXPECTED = "0.15."

_NAMES: tuple[Names, ...] = (
    (faust_app.App, ("_create_directories", "_on_partitions_revoked", "_on_partitions_assigned")),
    (
        driver.Consumer,
        (
            *(
                "_drain_messages",
                "_filter_tps_with_pending_acks",
                "_new_offset",
                "_new_consumer_thread",
                "commit",
                "perform_seek",
            ),
            *(
                "on_partitions_revoked",
                "on_partitions_assigned",
                "stop_flow",
                "verify_event_path",
                "consumer_stopped_errors",
            ),
        ),
    ),
    (
        driver.AIOKafkaConsumerThread,
        ("_create_worker_consumer", "_commit", "_ensure_consumer", "_fetch_records", "call_thread", "seek_wait"),
    ),
    (driver.Producer, ("_settings_extra", "_settings_auth", "_ensure_producer", "_new_producer")),
    (
        Recovery,
        (
            "_build_highwaters",
            "_build_offsets",
            "_seek_offsets",
            "_wait",
            "_restart_recovery",
            "need_recovery",
            "stats_interval",
        ),
    ),
    (TableManager, ("recovery", "_recovery", "_update_channels")),
    (drivers, ("TRANSPORTS",)),
)


def check_names() -> None:
    """
    Check the version and every private name used here.

    Raises:
        RuntimeError: Faust is another version than this was written and tested for.
    """
    check_expected("faust-streaming", faust.__version__, EXPECTED, _NAMES)


check_names()
