"""A cases file: strict YAML to cases, every problem of it in one report; `<model>.cases.yaml` beside the model."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson

from worker.cases.case import Case, CaseEvent, Expectation, ExpectedTransition
from worker.cases.instants import EXAMPLES, format_at, parse_at, parse_start
from worker.cases.keys import CASES, DEFAULT_START, KINDS, CasesContext, Said
from worker.contracts.event_decoding import decode_event
from worker.contracts.instants import format_instant
from worker.errors import ConfigError, EventRefused
from worker.scoring.file.fields import Fields, RefusedError, read_section, whole
from worker.scoring.file.findings import EnoughError
from worker.scoring.file.tree import MappingNode, Node, read_tree

if TYPE_CHECKING:
    from worker.scoring.file.findings import Finding
    from worker.scoring.model import Model

CONTACT = "contact"
"""The id of the contact that every case is about."""

_UPDATE = "contact.updated"
_ADJUSTMENT = "score.adjusted"
_MODEL_WORD, _CASES_WORD = "model.", "cases."


def parse_cases(text: str, model: Model, where: str) -> tuple[Case, ...]:
    """
    Return the cases of *text*, which are about *model*; *where* names the file in messages.

    Raises:
        ConfigError: the text is refused; the message lists every reason with line, column, key and fix.
    """
    context = CasesContext.of(model, where)
    root, findings = read_tree(text, where)
    context.findings = findings
    cases: list[Case] = []
    if root is not None:
        with suppress(RefusedError, EnoughError):
            cases = _build_all(context, whole(read_section(context, root, "", CASES)))
    if context.findings or not cases:
        raise _refusal(context.findings, where)
    return tuple(cases)


def _refusal(findings: list[Finding], where: str) -> ConfigError:
    """Return one error for all *findings*; codes speak of cases."""
    if not findings:
        return ConfigError(
            where=f"{where}:1:1", problem="cases.not_yaml: the file is empty", fix="write `cases:` and a list"
        )
    first, *others = sorted(findings, key=lambda one: (one.line, one.column))
    more = "".join(f"\n{one.place}: {_code(one)}: {one.sentence}\n  fix: {one.fix}" for one in others)
    return ConfigError(where=first.place, problem=f"{_code(first)}: {first.sentence}", fix=first.fix + more)


def _code(finding: Finding) -> str:
    return _CASES_WORD + finding.code.removeprefix(_MODEL_WORD)


def _build_all(context: CasesContext, top: Fields) -> list[Case]:
    cases: list[Case] = []
    lines: dict[str, int] = {}
    for place, (node, fields) in enumerate(top["cases"]):
        name = fields["case"]
        if name in lines:
            problem = f'a case "{name}" stands in line {lines[name]} already'
            context.report(
                "model.duplicate_name", node, f"cases[{place}].case", problem, "give each case a name of its own"
            )
        lines[name] = node.line
        try:
            cases.append(_build(context, node, f"cases[{place}]", fields))
        except RefusedError:
            continue
    return cases


def _build(context: CasesContext, node: Node, path: str, fields: Fields) -> Case:
    start_ms = fields.get("start", parse_start(DEFAULT_START))
    events = _build_events(context, fields["events"], start_ms)
    last_ms = events[-1].at_ms if events else start_ms
    expectations: list[Expectation] = []
    at_ms = last_ms
    for number, (place, expected) in enumerate(fields["expect"]):
        where = f"{path}.expect[{number}]"
        at_ms = _instant(context, expected.get("at"), start_ms, at_ms)
        if expectations and at_ms < expectations[-1].at_ms:
            problem = f"this looks at {format_at(at_ms, start_ms)}, before the expectation above it"
            context.report("model.conflict", place, where, problem, "list expectations in the order of time")
        if len(expected) == ("at" in expected):
            fix = "add score, groups, tier, status, unscored, reasons or told"
            context.report("model.missing_key", place, where, "nothing is expected here", fix)
        expectations.append(_expectation(context, place, expected, at_ms, start_ms))
    for event in events:
        if event.at_ms > expectations[-1].at_ms:
            line = MappingNode(event.line, 1)
            problem = "this event is later than the last expectation: nothing looks at it"
            context.report("model.conflict", line, f"{path}.events", problem, "remove it, or expect something after it")
    return Case(fields["case"], node.line, start_ms, tuple(events), tuple(expectations))


def _instant(context: CasesContext, said: Said | None, start_ms: int, previous_ms: int) -> int:
    if said is None:
        return previous_ms
    try:
        return parse_at(said.text, start_ms, previous_ms)
    except ValueError:
        raise context.refusal(
            "model.bad_value", said.node, said.path, "this lies outside the years 1990 to 2099", f"write {EXAMPLES}"
        ) from None


def _build_events(context: CasesContext, read: list[tuple[Node, str, Fields]], start_ms: int) -> list[CaseEvent]:
    events = []
    at_ms = start_ms
    for number, (node, path, fields) in enumerate(read):
        at_ms = _instant(context, fields.get("at"), start_ms, at_ms)
        kind, properties = _kind(context, node, path, fields, (start_ms, at_ms))
        event = {
            "id": fields.get("id", f"event {number + 1:06}"),
            "contact_id": CONTACT,
            "type": kind,
            "occurred_at": at_ms,
            "source": fields.get("source"),
            "machine": fields.get("machine", False),
            "properties": properties,
        }
        payload = _encoded(context, node, path, event)
        events.append(CaseEvent(node.line, at_ms, payload))
    return events


def _kind(
    context: CasesContext, node: Node, path: str, fields: Fields, instants: tuple[int, int]
) -> tuple[str, dict[str, Any]]:
    """Return the type and the properties of an event; `attributes` and `adjust` stand for one each."""
    short = [name for name in ("attributes", "adjust") if name in fields]
    implied = {"attributes": _UPDATE, "adjust": _ADJUSTMENT}
    kind = fields.get("type", implied[short[0]] if short else None)
    if kind is None:
        raise context.refusal("model.missing_key", node, path, 'the key "type" is missing', "add type: what happened")
    if short and ("properties" in fields or len(short) > 1 or kind != implied[short[0]]):
        problem = f'"{short[0]}" stands for the properties of an event of type {implied[short[0]]}'
        raise context.refusal(
            "model.conflict", node, path, problem, "keep one of them, and write two events if both happened"
        )
    if "attributes" in fields:
        return kind, fields["attributes"]
    if "adjust" in fields:
        return kind, _adjustment(context, fields["adjust"], *instants)
    return kind, fields.get("properties", {})


def _adjustment(context: CasesContext, fields: Fields, start_ms: int, at_ms: int) -> dict[str, Any]:
    properties = {"points": fields["points"], "reason": fields.get("reason", "by hand")}
    if "group" in fields:
        properties["group"] = fields["group"]
    if "expires" in fields:
        properties["expires_at"] = format_instant(_instant(context, fields["expires"], start_ms, at_ms))
    return properties


def _encoded(context: CasesContext, node: Node, path: str, event: dict[str, Any]) -> bytes:
    """Return *event* as JSON, once the worker would take it."""
    try:
        payload = orjson.dumps(event)
        decode_event(payload, None)
    except (orjson.JSONEncodeError, TypeError):
        problem = "this event cannot be written as JSON"
        raise context.refusal("model.bad_value", node, path, problem, "use text, numbers, lists and mappings") from None
    except EventRefused as refused:
        problem = f"the worker would refuse this event: {refused.path}: {refused.fields['problem']}"
        raise context.refusal("model.bad_value", node, path, problem, "write an event that the worker takes") from None
    return payload


def _expectation(context: CasesContext, node: Node, fields: Fields, at_ms: int, start_ms: int) -> Expectation:
    told = fields.get("told")
    return Expectation(
        line=node.line,
        at_ms=at_ms,
        score=fields.get("score"),
        groups=fields.get("groups", {}),
        tier=fields.get("tier"),
        status=fields.get("status"),
        unscored=fields.get("unscored"),
        reasons=fields.get("reasons", {}),
        told=None if told is None else tuple(_transition(context, place, one, at_ms, start_ms) for place, one in told),
    )


def _transition(context: CasesContext, node: Node, fields: Fields, at_ms: int, start_ms: int) -> ExpectedTransition:
    return ExpectedTransition(
        line=node.line,
        kind=KINDS[fields["kind"]],
        at_ms=_instant(context, fields["at"], start_ms, at_ms) if "at" in fields else None,
        sequence=fields.get("sequence"),
        cause=fields.get("cause"),
        score=fields.get("score"),
        tier=fields.get("tier"),
        reasons=fields.get("reasons", {}),
        attributes=fields.get("attributes"),
    )
