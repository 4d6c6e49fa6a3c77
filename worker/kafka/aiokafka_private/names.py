"""Every private name of aiokafka that this package touches, checked when it is imported."""

from __future__ import annotations

import aiokafka
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.consumer.fetcher import Fetcher, FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer import sender as aiokafka_sender
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator
from aiokafka.producer.producer import AIOKafkaProducer
from aiokafka.producer.sender import Sender, TxnOffsetCommitHandler
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.record._crecords import default_records as aiokafka_batches

from worker.kafka.decompression import UNPACK
from worker.kafka.expected_names import Names, check_expected

EXPECTED = "0.14."

_NAMES: tuple[Names, ...] = (
    (aiokafka_sender, ("BACKOFF_OVERRIDE",)),
    (Sender, ("_do_txn_offset_commit", "_find_coordinator", "close", "start")),
    (TxnOffsetCommitHandler, ("create_request", "handle_response", "do")),
    (AIOKafkaProducer, ("create_batch", "send_batch", "stop", "start")),
    (MessageAccumulator, ("add_batch", "create_builder")),
    (BatchBuilder, ("_build",)),
    (aiokafka_batches.DefaultRecordBatch, ("CODEC_ZSTD",)),
    (TransactionManager, ("error_transaction", "offset_committed")),
    (Fetcher, ("fetched_records", "close")),
    (PartitionRecords, ("_consume_aborted_up_to", "_contains_abort_marker")),
    (Fetcher, ("_create_fetch_waiter", "_notify")),
    (FetchResult, ("check_assignment", "getall", "has_more")),
    (FetchError, ("check_raise",)),
    (aiokafka_fetcher, ("FetchResult",)),
    (aiokafka_batches, tuple(UNPACK)),
    (GroupCoordinator, ("close", "check_errors", "_do_heartbeat", "_send_req")),
    (AIOKafkaClient, ("add_topic", "force_metadata_update")),
)


def check_names() -> None:
    """
    Check the version and every private name used here.

    Raises:
        RuntimeError: aiokafka is another version than this was written and tested for.
    """
    check_expected("aiokafka", aiokafka.__version__, EXPECTED, _NAMES)


check_names()
