"""The table's storage on RocksDB (rocksdict), one database for all partitions of a worker.

Keys: one letter (`l`atest, `r`emovals, `a`ccounts, `p`osition), the partition in two bytes, then the selector; for
accounts the name's length in four bytes, the name, the selector. Every write of a partition is one write batch with its
position, so the copy and the position it claims cannot part, however the process ends. The write-ahead log is not
synced: what a power failure takes from its end, the changelog gives back.
"""

import errno
import logging
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, cast

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
    WriteOptions,
)

from processors.compactor.store import Position, StoreError, StoreFullError, Write, decode_position, encode_position

logger: Final = logging.getLogger(__name__)

# Memory is bounded here, however many partitions there are: 96 MiB of blocks (index and filters included) and six
# write buffers, of the 600 MB that issue 4 allows a worker at 1,000,000 selectors. Small ones: inserting into one of
# 32 MiB costs twice as much (3.7 against 1.8 µs measured: its skip list leaves the processor's cache).
BLOCK_CACHE_BYTES: Final = 96 * 1024 * 1024
WRITE_BUFFER_BYTES: Final = 8 * 1024 * 1024
WRITE_BUFFERS: Final = 6
MERGED_BUFFERS: Final = 3  # flushed as one file: a quarter less work for compaction, in the background
LEVEL_BYTES: Final = 256 * 1024 * 1024  # of the first level: fewer levels for tables of some millions
# Of a write buffer, for a filter over its keys: a new selector then costs 0.7 µs to look for, not 2.
BUFFER_FILTER: Final = 0.1
OPEN_FILES: Final = 256
BLOOM_BITS: Final = 10  # RocksDB's usual choice: 1 % false positives, so a new selector costs no disk read

_PREFIX: Final = struct.Struct(">cH")
_LENGTH: Final = struct.Struct(">I")
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# RocksDB's Status texts: the system's error within `IO error`, and its own after the first one (`Space limit`).
_REFUSED: Final = (*(os.strerror(number) for number in _FULL), "Space limit reached")


class RocksStore:
    """A `Store` on disk. One process at a time can open a directory."""

    def __init__(self, directory: Path, share: int = 1) -> None:
        """Open or make the database in `directory`.

        Args:
            directory: of this process alone.
            share: how many processes share what memory a worker may use for blocks and write buffers.

        Raises:
            StoreError: the directory cannot be written, or another worker has it.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._db = Rdict(str(directory), options=_options(share))
        except OSError as error:
            kind = StoreFullError if error.errno in _FULL else StoreError
            raise kind(f"{directory} cannot be written: {error.strerror}") from error
        except Exception as error:
            self._full_or(error, directory)
            raise StoreError(
                f"the store in {directory} cannot be opened ({error}); does another worker use it? Every worker needs "
                "a PUSHTOKENS_DATA_DIR or PUSHTOKENS_COMPACT_INSTANCE_ID of its own. A damaged store may be deleted: "
                "it is read again."
            ) from error
        self._directory = directory
        self._write_options = WriteOptions()
        self._write_options.sync = False

    def latest(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """As `Store.latest`."""
        return self._values(_PREFIX.pack(b"l", partition), keys)

    def removals(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """As `Store.removals`."""
        return self._values(_PREFIX.pack(b"r", partition), keys)

    def _values(self, prefix: bytes, keys: Sequence[bytes]) -> list[bytes | None]:
        return cast(list[bytes | None], self._db.get([prefix + key for key in keys])) if keys else []

    def selectors(self, partition: int, username: str) -> list[bytes]:
        """As `Store.selectors`."""
        prefix = _PREFIX.pack(b"a", partition) + _name(username)
        found = []
        for key in self._db.keys(from_key=prefix):
            if not isinstance(key, bytes) or not key.startswith(prefix):
                break
            found.append(key[len(prefix) :])
        return found

    def scan(self, partition: int, count: int) -> Iterator[list[tuple[bytes, bytes]]]:
        """As `Store.scan`."""
        prefix = _PREFIX.pack(b"l", partition)
        start, skip = prefix, len(prefix)
        while True:
            items = cast(Iterator[tuple[bytes, bytes]], self._db.items(from_key=start))
            found = [pair for pair in islice(items, count) if pair[0].startswith(prefix)]
            if not found:
                return
            yield [(key[skip:], value) for key, value in found]
            start = found[-1][0] + b"\0"

    def position(self, partition: int) -> Position | None:
        """As `Store.position`."""
        return decode_position(self._db.get(_PREFIX.pack(b"p", partition)))

    def write(self, partition: int, write: Write) -> None:
        """As `Store.write`."""
        batch = WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        for letter, values in ((b"l", write.latest), (b"r", write.removals)):
            prefix = _PREFIX.pack(letter, partition)
            for key, value in values:
                if value is None:
                    delete(prefix + key)
                else:
                    put(prefix + key, value)
        prefix = _PREFIX.pack(b"a", partition)
        for username, key in write.dropped:
            delete(prefix + _name(username) + key)
        for username, key in write.added:
            put(prefix + _name(username) + key, b"")
        batch.put(_PREFIX.pack(b"p", partition), encode_position(write.position))
        with self._writing():
            self._db.write(batch, self._write_options)

    def drop(self, partition: int) -> None:
        """As `Store.drop`. The position goes first: a crash in between leaves a copy that is made anew."""
        with self._writing():
            self._db.delete(_PREFIX.pack(b"p", partition))
            for letter in (b"l", b"r", b"a"):
                prefix = _PREFIX.pack(letter, partition)
                self._db.delete_range(prefix, (int.from_bytes(prefix, "big") + 1).to_bytes(len(prefix), "big"))

    def held(self) -> list[int]:
        """As `Store.held`."""
        found = []
        for key in self._db.keys(from_key=b"p"):
            if not isinstance(key, bytes) or not key.startswith(b"p"):
                break
            found.append(_PREFIX.unpack(key)[1])
        return found

    def close(self) -> None:
        """As `Store.close`. What a full disk does not take is on the changelog."""
        try:
            with self._writing():
                self._db.flush()
                self._db.close()
        except StoreFullError as error:  # open until the process ends, which is about to happen
            logger.error("%s", error)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._full_or(error, self._directory)
            raise

    @staticmethod
    def _full_or(error: Exception, directory: Path) -> None:
        """Raises StoreFullError if that is what RocksDB's text says (its binding has one class for all)."""
        if any(text in str(error) for text in _REFUSED):
            raise StoreFullError(
                f"the disk does not take what is written to {directory} ({error}): make room. This worker ends, and "
                "goes on where it was when it is started again; nothing is lost, the table is on topic latest."
            ) from None


def _name(username: str) -> bytes:
    name = username.encode()
    return _LENGTH.pack(len(name)) + name


def _options(share: int) -> Options:
    table = BlockBasedOptions()
    table.set_block_cache(Cache(BLOCK_CACHE_BYTES // share))
    table.set_bloom_filter(BLOOM_BITS, block_based=False)
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(table)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(max(MERGED_BUFFERS + 1, WRITE_BUFFERS // share))
    options.set_min_write_buffer_number_to_merge(MERGED_BUFFERS)
    options.set_max_bytes_for_level_base(LEVEL_BYTES)
    options.set_memtable_prefix_bloom_ratio(BUFFER_FILTER)
    options.set_memtable_whole_key_filtering(True)
    options.set_max_open_files(OPEN_FILES)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_keep_log_file_num(2)
    options.set_max_background_jobs(2)
    return options
