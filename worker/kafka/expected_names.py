"""Private names of a library, looked for before they are used: an update must fail at start, and say which version is expected."""

from __future__ import annotations

from collections.abc import Iterable

Names = tuple[object, tuple[str, ...]]
"""An owner, a class or a module, and the names that it has to have."""


def check_expected(library: str, found: str, expected: str, names: Iterable[Names]) -> None:
    """
    Check that the version *found* of *library* begins with *expected*, and that all *names* are there.

    Raises:
        RuntimeError: it is another version than this was written and tested for.
    """
    missing = [
        f"{getattr(owner, '__name__', owner)}.{name}"
        for owner, its_names in names
        for name in its_names
        if not hasattr(owner, name)
    ]
    if missing or not found.startswith(expected):
        raise RuntimeError(
            f"{library} {expected}x is expected, found {found}"
            + (f" without {', '.join(missing)}" if missing else "")
            + "; install the pinned version"
        )
