"""What several processes say together: one status, ready when all are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from worker import __version__
from worker.web.status import ModelStatus, PartitionStatus, Status

if TYPE_CHECKING:
    from worker.processes.process import Member
    from worker.settings import Settings

State = Literal["starting", "running", "waiting"]
"""Imports and checks, serves its pages, has ended and starts again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """One process. None: not known, or nothing to say."""

    process: int
    state: State
    is_ready: bool
    problem: str | None = None
    pid: int | None = None
    web_port: int | None = None
    starts: int = 0
    exit_code: int | None = None  # of the last end; negative: a signal
    partitions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AllStatus(Status):
    """The status of all, with each process; `partitions` are those of all of them."""

    processes: tuple[ProcessStatus, ...] = ()


def status_of_all(
    settings: Settings, members: Iterable[Member], starts_in: Callable[[int], float | None], *, is_stopping: bool
) -> AllStatus:
    """
    Return where all processes stand by what they last said.

    Args:
        settings: Those of all.
        members: The processes.
        starts_in: Seconds until the process of a number starts again; None: it runs.
        is_stopping: Whether all are about to end.
    """
    members = list(members)
    each = tuple(_status(member, starts_in(member.number)) for member in members)
    said = [member.status for member in members if member.status is not None]
    problems = ["stopping"] if is_stopping else [f"process {one.process}: {one.problem}" for one in each if one.problem]
    partitions = [PartitionStatus(**one) for status in said for one in status["partitions"]]
    return AllStatus(
        version=__version__,
        app_id=settings.app_id,
        topic=settings.input_topic,
        guarantee=settings.guarantee,
        is_live=True,  # a process that stands still is started again, the others go on
        is_ready=not problems,
        problem="; ".join(problems),
        topic_partitions=next((status["topic_partitions"] for status in said if "topic_partitions" in status), None),
        partitions=tuple(sorted(partitions, key=lambda one: one.partition)),
        models=tuple(ModelStatus(**one) for one in said[0]["models"]) if said else (),
        processes=each,
    )


def _status(member: Member, starts_in_s: float | None) -> ProcessStatus:
    process, said = member.process, member.status
    state: State = "waiting" if process is None else "starting" if member.web_port is None else "running"
    problem = None
    if process is None:
        problem = _why_it_waits(member, starts_in_s)
    elif said is None or member.unanswered:
        problem = "starting" if said is None else "it does not answer"
    elif not (said["is_live"] and said["is_ready"]):
        problem = said.get("problem") or "not yet"
    return ProcessStatus(
        process=member.number,
        state=state,
        is_ready=problem is None,
        problem=problem,
        pid=None if process is None else process.pid,
        web_port=member.web_port,
        starts=member.starts,
        exit_code=member.exit_code,
        partitions=() if said is None else tuple(one["partition"] for one in said["partitions"]),
    )


def _why_it_waits(member: Member, starts_in_s: float | None) -> str:
    if member.exit_code is None:
        return "starting"
    ended = f"ended with {member.exit_code}" if member.exit_code >= 0 else f"killed by signal {-member.exit_code}"
    return ended if starts_in_s is None else f"{ended}, starts again in {math.ceil(starts_in_s)} s"
