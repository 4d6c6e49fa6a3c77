"""How much memory decoded contacts may take: one budget for all partitions of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.pipeline.cache import ContactCache

_UNLIMITED = 1 << 62
_LOT = 32
"""When it is exceeded, so many parts of it are one too many: contacts then leave in lots, and not a few after each fold."""


class CacheBudget:
    """
    Bytes that the contacts in memory may take, of all partitions that share it; about, see `worker.scoring.footprint`.

    When they take more, contacts leave: of the partitions that have more than an equal share first, so that a quiet partition keeps its
    share and leaves the rest to busy ones. What an open round has changed, or what is not in the store yet, stays; where that is more
    than the budget, nothing else does.
    """

    __slots__ = ("_caches", "limit", "used")

    def __init__(self, limit: int = _UNLIMITED) -> None:
        self.limit = limit
        self.used = 0
        self._caches: dict[ContactCache, None] = {}

    @property
    def is_exceeded(self) -> bool:
        """Whether contacts take more than they may: after `reclaim`, only rounds that end can free memory."""
        return self.used > self.limit

    def count(self, cache: ContactCache, more: int) -> None:
        """Note that contacts of *cache* take *more* bytes, or fewer."""
        self._caches[cache] = None
        self.used += more

    def leave(self, cache: ContactCache, its_bytes: int) -> None:
        """Give back the *its_bytes* of *cache*, which is used no more."""
        self._caches.pop(cache, None)
        self.used -= its_bytes

    def reclaim(self) -> None:
        """Let contacts leave memory until the budget holds, or no more can."""
        if self.used <= self.limit:
            return
        target = self.limit - self.limit // _LOT
        share = target // len(self._caches)
        for kept in (share, 0):
            for cache in sorted(self._caches, key=_bytes_of, reverse=True):
                excess = self.used - target
                if excess <= 0:
                    return
                if cache.bytes > kept:
                    cache.shed(min(excess, cache.bytes - kept))


def _bytes_of(cache: ContactCache) -> int:
    return cache.bytes
