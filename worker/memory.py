"""How the cyclic garbage collector is set for a process that keeps many small objects for long."""

from __future__ import annotations

import gc


def calm_garbage_collector() -> None:
    """
    Let the collector leave alone what is here to stay, and look at the whole heap seldom.

    Contacts in memory are trees of plain objects, freed by their reference counts; the collector finds nothing in them, but by its
    defaults walks all of them again and again: a fifth of the CPU of scoring with 7,000 contacts, and more with more
    (`pytest -m bench tests/bench/test_core.py`). Call once, when models are loaded.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)


def leave_memory_to_the_end() -> None:
    """
    Let the interpreter end without a last look through the whole heap.

    It looks more than once, which takes seconds of CPU where a million contacts lie in memory, after everything is stored, while
    whoever restarts this worker waits. Call it last.
    """
    gc.freeze()
