"""Several models in one worker: what they may need together."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.errors import ModelError
from worker.scoring.model_file import load_models

RULES = "\n".join(
    f"  - {{rule: r{n}, when: {{type: t{n}}}, points: 1, once_per: properties.key, decay: {{linear: 730d}}}}"
    for n in range(20)
)


def test_models_that_one_record_could_not_hold_together_are_refused(tmp_path: Path) -> None:
    """If this fails, the state of one busy contact is too large for the changelog, and its partition stops."""
    files = []
    for number in range(6):
        files.append(tmp_path / f"m{number}.yaml")
        files[-1].write_text(f"model: m{number}\nversion: 1\nrules:\n{RULES}\n")
    assert len(load_models(files[:2])) == 2
    with pytest.raises(ModelError, match="under all models together"):
        load_models(files)
