"""All are ready when each is; else it is said which is not, and why."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from worker.processes.process import ChildProcess, Member
from worker.processes.standing import AllStatus, status_of_all
from worker.settings import load_settings
from worker.web import ModelStatus, PartitionStatus, Status

SETTINGS = load_settings({"LEADSCORE_BROKERS": "kafka:9092"})


def said(*partitions: int, is_ready: bool = True, problem: str = "") -> dict[str, Any]:
    return Status(
        version="1",
        app_id="a",
        topic="in",
        guarantee="exactly_once",
        is_live=True,
        is_ready=is_ready,
        problem=problem,
        topic_partitions=3,
        partitions=tuple(PartitionStatus(partition=number, phase="running", position=5) for number in partitions),
        models=(ModelStatus(name="m", version=1, digest="ab"),),
    ).as_document()


def member(number: int, status: dict[str, Any] | None, **more: Any) -> Member:
    process = cast("ChildProcess", SimpleNamespace(pid=100 + number))
    return Member(number, starts=1, process=process, web_port=6066 + number, status=status, **more)


def standing(
    *members: Member, starts_in: Callable[[int], float | None] = lambda _: None, is_stopping: bool = False
) -> AllStatus:
    return status_of_all(SETTINGS, members, starts_in, is_stopping=is_stopping)


def test_all_are_ready_when_each_is_and_partitions_are_those_of_all() -> None:
    status = standing(member(1, said(2, 0)), member(2, said(1)), member(3, said()))
    assert (status.is_live, status.is_ready, status.problem) == (True, True, "")
    assert [one.partition for one in status.partitions] == [0, 1, 2]
    assert [one.partitions for one in status.processes] == [(2, 0), (1,), ()]
    assert status.topic_partitions == 3
    document = status.as_document()
    assert document["models"] == ({"name": "m", "version": 1, "digest": "ab"},)
    assert document["processes"][1] == {
        "process": 2, "state": "running", "is_ready": True, "pid": 102, "web_port": 6068, "starts": 1, "partitions": (1,),
    }  # fmt: skip


def test_one_that_is_not_ready_is_named_with_its_reason() -> None:
    status = standing(member(1, said(0)), member(2, said(1, is_ready=False, problem="restoring")))
    assert (status.is_live, status.is_ready, status.problem) == (True, False, "process 2: restoring")


def test_one_that_has_ended_says_how_and_when_it_comes_back() -> None:
    ended = Member(1, starts=2, exit_code=70)
    killed = Member(2, starts=1, exit_code=-9)
    status = standing(ended, killed, starts_in=lambda _: 3.6)
    assert status.problem == (
        "process 1: ended with 70, starts again in 4 s; process 2: killed by signal 9, starts again in 4 s"
    )
    assert [one.state for one in status.processes] == ["waiting", "waiting"]


def test_one_that_has_never_answered_or_no_longer_does_is_not_ready() -> None:
    """If this fails, a frozen process counts as ready by what it said before."""
    status = standing(member(1, None), member(2, said(0), unanswered=1))
    assert status.problem == "process 1: starting; process 2: it does not answer"


def test_none_is_ready_while_all_stop() -> None:
    status = standing(member(1, said(0)), is_stopping=True)
    assert (status.is_ready, status.problem) == (False, "stopping")
