"""
What to say when a process has to end because another one has its name.

Whoever joins a group under an instance id takes the place of the one before. If that one asked to be started again, it would
take its place back, and so on for ever; so it ends with the exit code that says: mend this first.
"""

from __future__ import annotations

from collections.abc import Callable

from worker.errors import ConfigError, RestartRequired
from worker.stream.fatal import Die, exit_code_of


def name_taken(name: str) -> ConfigError:
    """Return the error of a worker whose *name* another process has joined the group with."""
    return ConfigError(
        where="LEADSCORE_INSTANCE_ID",
        problem=f"another process has joined the group as {name}, so this one, the older, ends",
        fix="give each process a name of its own (a StatefulSet pod's name); nothing is lost",
    )


def die_by_name(die: Die, name: str, has_lost_its_name: Callable[[], bool]) -> Die:
    """
    Return *die*, which asks first whether another process has taken *name* when it is about to ask for a restart.

    Args:
        die: Ends the process.
        name: Our instance id; empty: a dynamic member, nobody can take its name.
        has_lost_its_name: Asks the group, within a second or two. Nothing else of this process goes on meanwhile.
    """
    if not name:
        return die

    def ended(error: BaseException) -> None:
        if exit_code_of(error) == RestartRequired.exit_code and has_lost_its_name():
            die(name_taken(name))
        else:
            die(error)

    return ended
