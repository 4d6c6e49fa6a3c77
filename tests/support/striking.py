"""When and how workers are killed: drawn from a seed, carried out at moments that the traffic sets."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

from tests.support.cluster import Cluster
from tests.support.feeding import Feed
from tests.support.kafka import wait_until

_LAST_ROUNDS_S = 5.0
Wipes = Literal["never", "always", "every other"]


class Strike(NamedTuple):
    """One kill -9, and the restart at once."""

    victim: str
    after: float  # how much of its share of the traffic is sent before the blow falls
    is_wiped: bool  # whether the state directory is gone when it starts again
    is_early: bool  # it may hit a worker that has not finished to start
    step: str = ""  # of a round that tells sales something, at which the worker kills itself; empty: from outside, at any moment


class Landed(NamedTuple):
    """Where a strike hit."""

    victim: str
    step: str  # empty: from outside


def draw_strikes(seed: int, names: Sequence[str], count: int, wipes: Wipes, steps: Sequence[str] = ()) -> list[Strike]:
    """Return *count* strikes at *names*: of each six one comes early, and two fall at one of *steps*, if there are any."""
    chance = random.Random(seed)
    return [
        Strike(
            victim=chance.choice(names),
            after=chance.uniform(0.02, 0.6),
            is_wiped=wipes == "always" or (wipes == "every other" and bool(number % 2)),
            is_early=number % 6 == 3,
            step=chance.choice(steps) if steps and number % 6 in {2, 5} else "",
        )
        for number in range(count)
    ]


async def carry_out(strikes: Sequence[Strike], cluster: Cluster, feed: Feed) -> list[Landed]:
    """
    Carry out *strikes* while *feed* runs, each within its own share of the traffic; the last share comes after them.

    While a worker starts anew the traffic goes on, up to the end of the share, so that it finds a backlog.
    """
    share = len(feed.records) // (len(strikes) + 1)
    landed = []
    for number, strike in enumerate(strikes, start=1):
        feed.gate = number * share
        if not strike.is_early:
            await cluster.wait_ready(strike.victim)
        await feed.reached(min(feed.sent + int(strike.after * share), feed.gate))
        is_inside = bool(strike.step) and await _died_inside(strike, cluster, feed)
        cluster.strike(strike.victim, wipe=strike.is_wiped)
        landed.append(Landed(strike.victim, strike.step if is_inside else ""))
    feed.gate, feed.rate = len(feed.records), 0.0
    return landed


async def _died_inside(strike: Strike, cluster: Cluster, feed: Feed) -> bool:
    """Let the victim die at the step; False when no round that tells something came within the share of the traffic."""
    victim = cluster.doom(strike.victim, strike.step)
    await feed.reached(feed.gate)
    with suppress(TimeoutError):
        await wait_until(lambda: victim.exit_code is not None, within_s=_LAST_ROUNDS_S)
    return victim.exit_code is not None
