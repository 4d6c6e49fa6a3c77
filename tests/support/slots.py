"""Which attributes an object of ours has, in both forms of its class: as Python reads it, and compiled."""

from __future__ import annotations


def slot_names(one: object) -> list[str]:
    """Return the names of the attributes of *one*. Raises TypeError for a class that says nothing of them."""
    names: list[str] = []
    for base in type(one).__mro__[:-1]:
        declared = vars(base).get("__slots__") or vars(base).get("__mypyc_attrs__")  # the latter of a compiled class
        names += declared or ()
    if not names:
        raise TypeError(f"{type(one).__name__} has neither __slots__ nor __mypyc_attrs__")
    return names
