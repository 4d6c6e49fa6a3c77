"""
A partition's records + stored values + models -> new values, outputs, dead letters, due instants; purely.

In the order in which a record meets them: `intake` (decode, dead-letter, forward), `cache` (bring the contact into memory, as far as
`budget` allows), `steps` and `dues` (time, fold, latch, evaluation), `told` (what is said), `effects` (what waits), `closing` and `rows`
(the round's end). `partition` holds them together.
"""

from worker.pipeline import partition
from worker.pipeline.budget import CacheBudget
from worker.pipeline.inputs import PipelineOptions, Record, Topics
from worker.pipeline.partition import Partition
from worker.pipeline.readable import due_of
from worker.pipeline.round import Due, DueChange, Output, Round
from worker.pipeline.rows import PARTITION_KEY, PartitionRow, decode_partition_row
from worker.scoring.codec import fence_fields, fence_of, fire_of

__all__ = [
    "IS_COMPILED",
    "PARTITION_KEY",
    "CacheBudget",
    "Due",
    "DueChange",
    "Output",
    "Partition",
    "PartitionRow",
    "PipelineOptions",
    "Record",
    "Round",
    "Topics",
    "decode_partition_row",
    "due_of",
    "fence_fields",
    "fence_of",
    "fire_of",
]

IS_COMPILED = not partition.__file__.endswith(".py")
"""Whether the hot modules run as mypyc has compiled them; they mean the same in both forms."""
