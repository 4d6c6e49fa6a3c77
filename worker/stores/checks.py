"""What every store checks alike, so that all of them refuse with the same words."""

from __future__ import annotations

from worker.errors import RestartRequired


def check_expected(partition: int, remembered: int | None, expected: int | None) -> None:
    """
    Compare the changelog offset a store *remembered* with the one its writer *expected*.

    Raises:
        RestartRequired: they differ, so somebody else wrote, and writing on would mix two histories.
    """
    if remembered != expected:
        raise RestartRequired(
            what=f"store, partition {partition}",
            problem=f"the state stands at changelog offset {_shown(remembered)}, not at {_shown(expected)}: somebody else wrote",
        )


def check_unmoved(partition: int, remembered: int | None, expected: int | None) -> None:
    """
    Compare the changelog offset that a shared store stands at when it is read with the one its reader *expected*.

    Raises:
        RestartRequired: they differ, so what would be read belongs to another history.
    """
    if remembered != expected:
        raise RestartRequired(
            what=f"store, partition {partition}",
            problem=f"the state stands at changelog offset {_shown(remembered)}, not at {_shown(expected)}: "
            "the server lost writes, or somebody else wrote; the difference is restored from the changelog",
        )


def not_open(partition: int) -> RuntimeError:
    """Return the error for use of a partition that is not open: a bug of the caller, or a late call after a revocation."""
    return RuntimeError(f"partition {partition} is not open in this store")


def _shown(offset: int | None) -> str:
    return "none" if offset is None else str(offset)
