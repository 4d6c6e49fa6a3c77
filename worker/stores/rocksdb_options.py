"""How much memory and disk RocksDB may use, set for the process as a whole and not by partition."""

from __future__ import annotations

import rocksdict

WRITE_BUFFERS_SHARE = 3
"""One part of so many is for the memtables of all partitions, above which the fullest is written out early; the others are for blocks,
indexes and filters."""
WRITE_BUFFER_BYTES = 16 << 20
"""One partition's memtable at most."""
BLOOM_BITS = 10
"""Per key: about 1 % of look-ups of absent keys (new contacts) read a block in vain."""
OPEN_FILES = 256
"""Per partition; RocksDB's default keeps every file open."""


class Budgets:
    """The cache and the write buffer limit that all databases of one store share: *memory_bytes* together."""

    def __init__(self, memory_bytes: int) -> None:
        write_buffers = memory_bytes // WRITE_BUFFERS_SHARE
        self._cache = rocksdict.Cache(memory_bytes - write_buffers)
        self._write_buffers = rocksdict.WriteBufferManager(write_buffers, allow_stall=False)

    def options(self) -> rocksdict.Options:
        """Return the options to open one partition with."""
        blocks = rocksdict.BlockBasedOptions()
        blocks.set_block_cache(self._cache)
        blocks.set_bloom_filter(BLOOM_BITS, block_based=False)
        blocks.set_cache_index_and_filter_blocks(True)  # else they grow outside the cache's budget
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(True)
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(blocks)
        options.set_write_buffer_manager(self._write_buffers)
        options.set_write_buffer_size(WRITE_BUFFER_BYTES)
        options.set_max_write_buffer_number(2)
        options.set_max_open_files(OPEN_FILES)
        options.set_compression_type(rocksdict.DBCompressionType.lz4())
        options.set_level_compaction_dynamic_level_bytes(True)
        # After a power cut the log ends somewhere: everything before that point is kept, nothing after it. A batch
        # holds its changelog offset, so what is left is an older state that knows how old it is.
        options.set_wal_recovery_mode(rocksdict.DBRecoveryMode.point_in_time())
        options.set_max_manifest_file_size(1)  # written anew at each change: its past would name keys that are gone
        options.set_keep_log_file_num(2)
        options.set_max_log_file_size(1 << 20)
        options.set_stats_dump_period_sec(0)
        return options
