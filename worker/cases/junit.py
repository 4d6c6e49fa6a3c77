"""Verdicts as JUnit XML, as build servers read it: valid under the strict schema of Ant's JUnit reports and under that of Jenkins."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from worker.cases.report import failure_lines
from worker.contracts.instants import format_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.cases.judging import Verdict
    from worker.cases.report import Suite

_NO_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write, not even escaped."""

_DATE_AND_TIME: Final = len("2026-01-01T00:00:00")


def junit_xml(suites: Sequence[Suite], at_ms: int) -> bytes:
    """
    Return *suites* as one document, a test suite for each model; *at_ms* is when they were judged.

    Times are 0: a case takes no time worth a chart. What XML cannot hold becomes a question mark.
    """
    root = Element("testsuites")
    for number, suite in enumerate(suites):
        root.append(_suite(suite, number, at_ms))
    indent(root)
    body: str = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'.encode()


def _suite(suite: Suite, number: int, at_ms: int) -> Element:
    element = Element(
        "testsuite",
        name=_text(suite.model.name),
        package=_text(suite.where),
        id=str(number),
        timestamp=format_instant(at_ms)[:_DATE_AND_TIME],
        hostname="localhost",
        tests=str(len(suite.verdicts)),
        failures=str(suite.failed),
        errors="0",
        time="0",
    )
    properties = SubElement(element, "properties")
    for name, value in (("version", str(suite.model.version)), ("digest", suite.model.digest)):
        SubElement(properties, "property", name=name, value=value)
    for verdict in suite.verdicts:
        element.append(_case(suite, verdict))
    SubElement(element, "system-out")
    SubElement(element, "system-err")
    return element


def _case(suite: Suite, verdict: Verdict) -> Element:
    element = Element("testcase", name=_text(verdict.case.name), classname=_text(suite.model.name), time="0")
    if verdict.failures:
        # One failure a case is all that the strict schema allows; it tells of every instant that differs.
        first = verdict.failures[0].differences[0]
        message = f"{first.what}: expected {first.expected}, was {first.was}"
        failure = SubElement(element, "failure", type="difference", message=_text(message))
        lines = [line for one in verdict.failures for line in failure_lines(suite, one)]
        failure.text = _text("\n" + "\n".join(lines) + "\n")
    return element


def _text(text: str) -> str:
    return _NO_XML.sub("?", text)
