"""Whether the model language can say a condition: names of properties are strangers' text, and some of it no key may hold."""

from __future__ import annotations

from functools import lru_cache

from worker.errors import ModelError
from worker.fitting.features import Condition, Feature
from worker.fitting.scorecard import Evidence, Line, Scorecard
from worker.fitting.writing import Heading, write_model
from worker.scoring.model_file import parse_model

_NO_EVIDENCE = Evidence(0, 0, 0, 0, 0)


@lru_cache(maxsize=4_096)
def can_say(condition: Condition) -> bool:
    """Return whether a model with a rule on *condition* loads: the loader itself is asked."""
    feature = Feature(condition, "holds" if condition.type is None else "once")
    scorecard = Scorecard((Line(feature, 1, 0.0, _NO_EVIDENCE),), 0.0)
    try:
        parse_model(write_model(scorecard, Heading("trial", (), 1, 86_400_000)))
    except ModelError:
        return False
    return True
