"""Why nothing can be proposed: always the history or the question, never a bug."""

from __future__ import annotations


class NothingToLearnError(ValueError):
    """The history can't answer the question; the message says why and what to ask instead."""


class MissingExtraError(ImportError):
    """scikit-learn is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "fitting a model needs scikit-learn, which is not installed: pip install 'lead-scoring-worker[fit]'"
        )
