"""The map on the first page of the package names what is there, and all that is there."""

from __future__ import annotations

import re

import worker
from tests.support.doc_blocks import ROOT


def test_every_package_and_module_has_its_sentence_in_the_map() -> None:
    """If this fails, a newcomer looks for a package that is gone, or never finds the new one."""
    sentences = dict(re.findall(r"^- `(\w+)`: (\S.*\.)$", worker.__doc__ or "", re.MULTILINE))
    lines = [line for line in (worker.__doc__ or "").splitlines() if line.startswith("- ")]
    assert len(sentences) == len(lines), "one line each, with a full stop"
    packages = {path.name for path in (ROOT / "worker").iterdir() if path.is_dir() and path.name[0] not in "._"}
    modules = {path.stem for path in (ROOT / "worker").glob("*.py")} - {"__init__"}
    assert set(sentences) == packages | modules
