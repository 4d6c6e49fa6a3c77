"""A partition's records + stored values + models -> new values, outputs, dead letters, due instants; purely."""

from worker.pipeline.partition import Partition, PipelineOptions, Record, Topics
from worker.pipeline.round import Output, Round
from worker.pipeline.rows import PARTITION_KEY, PartitionRow, decode_partition_row
from worker.scoring.codec import fence_of, fire_of

__all__ = [
    "PARTITION_KEY",
    "Output",
    "Partition",
    "PartitionRow",
    "PipelineOptions",
    "Record",
    "Round",
    "Topics",
    "decode_partition_row",
    "fence_of",
    "fire_of",
]
