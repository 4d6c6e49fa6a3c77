"""
A second, slow reading of what a score is, written from the rules alone; it shares no line with the worker.

Reading order: `events` (what happened), `conditions` (what matches an event), `model` (numbers out of a model file),
`decay` (what is left of points), `state` (one contact's points, and what they come to), `attributes` (what is known of
the contact), `fold` (time passes, an event happens), `spans` (conditions on numbers that move), `qualify` (conditions on
a score), `due` (what time changes by itself), `contact` (one contact's events and what sales was told), `replay` (a
whole file).

It keeps every accepted event and refolds all of them at every question, so that nothing can be stale. Where it and
the worker differ, one of the two is wrong.
"""

from tests.support.naive.replay import NaiveReplay, naive_replay

__all__ = ["NaiveReplay", "naive_replay"]
