"""JUnit XML that strict readers take, whatever stands in the names."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from worker.cases.file import parse_cases
from worker.cases.judging import judge
from worker.cases.junit import junit_xml
from worker.cases.report import Suite
from worker.scoring.model_file import parse_model

MODEL = parse_model(
    'model: m\nversion: 2\nrules:\n  - {rule: "<b>&\\"", when: {type: a}, points: 5}\n  - {rule: b, when: {type: b}, points: 1}\n'
)
CASES = """\
cases:
  - case: 'holds & <more> than "that"'
    events: [{type: a}]
    expect: [{score: 5}]
  - case: 'does not hold: <b>&amp;</b>'
    events: [{type: a}]
    expect: [{score: 6, reasons: {'<b>&"': 6}}, {at: day 9, score: 7}]
"""
AT = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""


def suite() -> Suite:
    return Suite(MODEL, "m.cases.yaml", [judge(MODEL, case) for case in parse_cases(CASES, MODEL, "m.cases.yaml")])


def parsed(xml: bytes) -> ET.Element:
    return ET.fromstring(xml)  # noqa: S314 - our own output


def test_a_suite_counts_its_cases_and_says_what_the_strict_schema_asks_for() -> None:
    root = parsed(junit_xml([suite(), suite()], AT))
    assert root.tag == "testsuites"
    first, second = root
    assert first.attrib == {
        "name": "m",
        "package": "m.cases.yaml",
        "id": "0",
        "timestamp": "2026-01-01T00:00:00",
        "hostname": "localhost",
        "tests": "2",
        "failures": "1",
        "errors": "0",
        "time": "0",
    }
    assert second.attrib["id"] == "1"
    assert [child.tag for child in first] == ["properties", "testcase", "testcase", "system-out", "system-err"]
    assert first[0][0].attrib == {"name": "version", "value": "2"}


def test_names_and_texts_are_escaped() -> None:
    root = parsed(junit_xml([suite()], AT))
    good, bad = root.iter("testcase")
    assert good.attrib == {"name": 'holds & <more> than "that"', "classname": "m", "time": "0"}
    assert list(good) == []
    (failure,) = bad
    assert failure.attrib == {"type": "difference", "message": "score: expected 6, was 5"}
    assert bad.attrib["name"] == "does not hold: <b>&amp;</b>"
    assert '<b>&"' in (failure.text or "")


def test_one_failure_tells_of_every_instant() -> None:
    root = parsed(junit_xml([suite()], AT))
    (text,) = [failure.text or "" for failure in root.iter("failure")]
    assert "at day 0" in text
    assert "at day 9" in text


def test_what_xml_cannot_hold_becomes_a_question_mark() -> None:
    cases = parse_cases(
        'cases:\n  - {case: a, events: [{type: "a\\u0001\\uffff"}], expect: [{score: 1}]}\n', MODEL, "a\x01b"
    )
    told = junit_xml([Suite(MODEL, "a\x01b", [judge(MODEL, case) for case in cases])], AT)
    assert b'package="a?b"' in told
    parsed(told)
