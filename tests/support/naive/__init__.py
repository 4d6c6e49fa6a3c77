"""
A second, slow reading of what a score is, written from the rules alone; it shares no line with the worker.

Reading order: `events` (what happened), `conditions` (what matches), `model` (numbers out of a model file), `fold`
(one contact's points), `cooling` (when a ready lead cools by itself), `replay` (a whole file).

It keeps every accepted event and refolds all of them at every question, so that nothing can be stale. Where it and
the worker differ, one of the two is wrong.
"""

from tests.support.naive.replay import NaiveReplay, naive_replay

__all__ = ["NaiveReplay", "naive_replay"]
