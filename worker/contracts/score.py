"""What a contact is worth now: the value of a record of the scores topic."""

from __future__ import annotations

from typing import Final

import msgspec

from worker.contracts.json_encoding import encode_json

SCHEMA: Final = "lead-score/1"


class ScoreRow(msgspec.Struct, frozen=True, kw_only=True):
    """One model's view of a contact, as of an instant; between two rows points fade by themselves."""

    score: float  # as shown: rounded down to the model's precision
    groups: dict[str, float]
    status: str
    as_of: str  # RFC 3339
    version: int
    digest: str  # of the model: SHA-256, hex
    tier: str | None = None  # None: the model has no tiers
    next_due: str | None = None  # RFC 3339; None: nothing will happen by time alone


def encode_scores(models: dict[str, ScoreRow]) -> bytes:
    """Return the record value that holds one row a model, by model name; what is None is left out."""
    return encode_json(
        {
            "schema": SCHEMA,
            "models": {name: _present_fields(row) for name, row in models.items()},
        }
    )


def _present_fields(row: ScoreRow) -> dict[str, object]:
    fields: dict[str, object] = {
        "score": row.score,
        "groups": row.groups,
        "status": row.status,
        "as_of": row.as_of,
        "version": row.version,
        "digest": row.digest,
    }
    if row.tier is not None:
        fields["tier"] = row.tier
    if row.next_due is not None:
        fields["next_due"] = row.next_due
    return fields
