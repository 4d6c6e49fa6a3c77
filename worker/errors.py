"""
Every error this worker raises on purpose, in one tree; never raised for a bug.

.. code-block:: text

    WorkerError
    ├── ConfigError          config.invalid         operator: exit 78
    ├── ModelError           model.invalid          operator: exit 78, before anything connects
    ├── StateError           state.unreadable       operator: exit 78
    ├── DependencyError      dependency.unreachable time: retried, then exit 69
    ├── StoreUnavailable     store.unavailable      time: waited for while running, at start retried, then exit 69
    ├── RestartRequired      worker.restart         us: exit 70, the supervisor starts us again
    └── EventRefused         event.*                producer: dead letter
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar


class WorkerError(Exception):
    """Base. *code* is stable and documented; the wording may improve at any time."""

    code: ClassVar[str] = "worker.error"
    text: ClassVar[str] = "{problem}"
    exit_code: ClassVar[int] = 70

    def __init__(self, **fields: object) -> None:
        self.fields = fields
        super().__init__(self.text.format_map(fields))

    def __reduce__(self) -> tuple[Any, ...]:  # plain pickling would lose the fields
        return partial(type(self), **self.fields), ()


class ConfigError(WorkerError):
    """A setting or a file cannot be used as it stands. Fields: where, problem, fix."""

    code = "config.invalid"
    text = "{where}: {problem}\n  fix: {fix}"
    exit_code = 78


class ModelError(WorkerError):
    """A scoring model is refused. Fields: where (file:line:column), problem, fix, finding (its `model.*` code)."""

    code = "model.invalid"
    text = "{where}: {finding}: {problem}\n  fix: {fix}"
    exit_code = 78


class StateError(WorkerError):
    """Stored state cannot be used with this model or version. Fields: where, problem, fix."""

    code = "state.unreadable"
    text = "{where}: {problem}\n  fix: {fix}"
    exit_code = 78


class DependencyError(WorkerError):
    """Something we need does not answer. Fields: what, problem, fix."""

    code = "dependency.unreachable"
    text = "{what}: {problem}\n  fix: {fix}"
    exit_code = 69


class StoreUnavailable(WorkerError):
    """
    The store's server does not answer, or says "not now". Fields: what, problem.

    The call may be repeated with the same arguments, and then takes effect exactly once.
    """

    code = "store.unavailable"
    text = "{what}: {problem}; nothing is lost, the call is repeated"
    exit_code = 69


class RestartRequired(WorkerError):
    """The process must not go on (fenced, foreign write, failed acknowledgement, watchdog). Fields: what, problem."""

    code = "worker.restart"
    text = "{what}: {problem}; restart the worker, nothing is lost"
    exit_code = 70


class EventRefused(WorkerError):
    """
    A record that holds no event: it goes to the dead-letter topic.

    Fields: event_code (`event.*`), path (JSON path at fault, never a value; `$` is the event itself), problem.
    """

    code = "event.refused"
    text = "{event_code} at {path}: {problem}"

    @property
    def event_code(self) -> str:
        """The stable code, `event.not_json` and the like."""
        return str(self.fields["event_code"])

    @property
    def path(self) -> str:
        """The JSON path at fault."""
        return str(self.fields["path"])
