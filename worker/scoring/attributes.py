"""What is known of a contact beside its acts: attributes, merged name by name, of which a model keeps those it names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from worker.scoring.state import Fold

MAX_VALUE_BYTES = 1_024
"""Of one value as compact JSON; a longer one is taken for null."""
MAX_NAMES = 64
"""Names that one model may keep."""
WINDOW_BYTES = 64 * 1_024
"""Of all values that the events of the lateness window carry, as compact JSON."""
_NULL_BYTES = 4


class Update(NamedTuple):
    """What a `contact.updated` brings, of the names that a model keeps."""

    values: dict[str, Any]  # None removes the name
    size_bytes: int  # of the values as compact JSON
    dropped: int = 0  # values that were too long


def kept_of(properties: Mapping[str, Any], names: Collection[str]) -> Update:
    """Return what is kept of *properties* under a model that keeps *names*."""
    values: dict[str, Any] = {}
    total = dropped = 0
    for name in properties:
        if name in names:
            value = properties[name]
            size = json_bytes(value)
            if size > MAX_VALUE_BYTES:
                value, size = None, _NULL_BYTES
                dropped += 1
            values[name] = value
            total += size
    return Update(values, total, dropped)


def json_bytes(value: Any) -> int:  # noqa: ANN401 - any JSON value
    """
    Return the length in UTF-8 of *value* as compact JSON, nothing escaped that need not be.

    >>> json_bytes({"a": [1, "é"]})
    14
    """
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))


def merge(fold: Fold, values: Mapping[str, Any], dated_ms: int) -> None:
    """
    Merge *values*, written at *dated_ms*, into the attributes of *fold*: the later write wins, of equals the one folded last.

    A removed name keeps its date, so that an older write cannot bring it back.
    """
    attributes, dates = dict(fold.attributes), dict(fold.attribute_dates)
    for name, value in values.items():
        if dates.get(name, dated_ms) > dated_ms:
            continue
        dates[name] = dated_ms
        if value is None:
            attributes.pop(name, None)
        else:
            attributes[name] = value
    fold.attributes, fold.attribute_dates = attributes, dates
    fold.fit = None


def forget_removed(fold: Fold, before_ms: int) -> None:
    """Forget the dates of names that were removed before *before_ms*: the window in which they matter has passed."""
    dates, attributes = fold.attribute_dates, fold.attributes
    if len(dates) != len(attributes):
        kept = {name: at_ms for name, at_ms in dates.items() if name in attributes or at_ms >= before_ms}
        if len(kept) != len(dates):
            fold.attribute_dates = kept
