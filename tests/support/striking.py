"""When and how workers are killed: drawn from a seed, carried out at moments that the traffic sets."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal, NamedTuple

from tests.support.cluster import Cluster
from tests.support.feeding import Feed

Wipes = Literal["never", "always", "every other"]


class Strike(NamedTuple):
    """One kill -9, and the restart at once."""

    victim: str
    after: float  # how much of its share of the traffic is sent before the blow falls
    is_wiped: bool  # whether the state directory is gone when it starts again
    is_early: bool  # it may hit a worker that has not finished to start


def draw_strikes(seed: int, names: Sequence[str], count: int, wipes: Wipes) -> list[Strike]:
    """Return *count* strikes at *names*; each sixth comes early."""
    chance = random.Random(seed)
    return [
        Strike(
            victim=chance.choice(names),
            after=chance.uniform(0.02, 0.6),
            is_wiped=wipes == "always" or (wipes == "every other" and bool(number % 2)),
            is_early=number % 6 == 3,
        )
        for number in range(count)
    ]


async def carry_out(strikes: Sequence[Strike], cluster: Cluster, feed: Feed) -> None:
    """
    Carry out *strikes* while *feed* runs, each within its own share of the traffic; the last share comes after them.

    While a worker starts anew the traffic goes on, up to the end of the share, so that it finds a backlog.
    """
    share = len(feed.records) // (len(strikes) + 1)
    for number, strike in enumerate(strikes, start=1):
        feed.gate = number * share
        if not strike.is_early:
            await cluster.wait_ready(strike.victim)
        await feed.reached(min(feed.sent + int(strike.after * share), feed.gate))
        cluster.strike(strike.victim, wipe=strike.is_wiped)
    feed.gate, feed.rate = len(feed.records), 0.0
