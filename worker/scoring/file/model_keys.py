"""The top of a model file: its keys, and how a checked model is put together from them."""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from worker.scoring.file import values
from worker.scoring.file.durations import duration_from
from worker.scoring.file.fields import (
    Fields,
    Key,
    RefusedError,
    defined,
    describes,
    join,
    mapping,
    read_section,
    value_of,
    whole,
)
from worker.scoring.file.findings import shown
from worker.scoring.file.idleness import activity, inactivity
from worker.scoring.file.rules import build_rule, check_bounds, groups, name_groups, rules
from worker.scoring.file.sales import check_can_hold, check_can_return, feedback, qualify
from worker.scoring.file.tree import MAX_BYTES, MappingNode, Node, plain
from worker.scoring.model import DEFAULT_ACTIVITY, Group, Model, Tier

if TYPE_CHECKING:
    from worker.scoring.decay import Decay
    from worker.scoring.file.fields import Context

DEFAULT_LATENESS = "3d"
_LATENESS_MS = 3 * 86_400_000

SCORE = (
    Key("floor", values.number, "number", "the score is at least this", "0"),
    Key("cap", values.number, "number", "the score is at most this"),
    Key("precision", values.integer_between(0, 6), "0 to 6", "decimals of the shown score, rounded down", "1"),
)


@describes({"type": "string", "pattern": "^[a-z0-9-]+$", "maxLength": values.MAX_NAME})
def _model_name(context: Context, node: Node, path: str) -> str:
    value = values.name(context, node, path)
    if not set(value) <= set("abcdefghijklmnopqrstuvwxyz0123456789-"):
        raise context.refusal(
            "model.bad_value",
            node,
            path,
            "this is no name of a model",
            "use small letters, digits and hyphens: loan-leads",
        )
    return value


@describes({"type": "string", "minLength": 1})
def _time_zone(context: Context, node: Node, path: str) -> str:
    context.time_zone = values.time_zone(context, node, path)
    return context.time_zone


@describes(defined("score"))
def _score(context: Context, node: Node, path: str) -> Fields:
    fields = whole(read_section(context, node, path, SCORE))
    check_bounds(context, node, path, fields.get("floor", 0.0), fields.get("cap"))
    return fields


def _threshold(named: tuple[Tier, Node]) -> float:
    return named[0].threshold


@describes({"type": "object", "minProperties": 1, "additionalProperties": {"type": "number"}})
def _tiers(context: Context, node: Node, path: str) -> tuple[Tier, ...]:
    entries = mapping(context, node, path).entries
    if not entries:
        raise context.refusal(
            "model.bad_value", node, path, "there are no tiers", "write `name: lowest score` lines, or remove the key"
        )
    tiers = []
    looks: dict[str, str] = {}
    for name, (key_node, value) in entries.items():
        try:
            values.check_name(context, key_node, join(path, name), name)
            values.check_apart(context, key_node, join(path, name), name, looks)
            tiers.append((Tier(name, values.number(context, value, join(path, name))), value))
        except RefusedError:
            continue
    for (before, _), (tier, value) in pairwise(tiers):
        if tier.threshold <= before.threshold:
            problem = f'"{tier.name}" begins at {tier.threshold:g}, not above "{before.name}" at {before.threshold:g}'
            order = ", ".join(f"{one.name}: {one.threshold:g}" for one, _ in sorted(tiers, key=_threshold))
            fix = f"list tiers from the lowest to the highest, each with a threshold of its own: {{{shown(order)}}}"
            context.report("model.unreachable_tier", value, join(path, tier.name), problem, fix)
    if len(tiers) < len(entries):
        raise RefusedError
    return tuple(tier for tier, _ in tiers)


MODEL = (
    Key(
        "model",
        _model_name,
        "small letters, digits, hyphens",
        "its name; scores and transitions carry it",
        is_required=True,
    ),
    Key(
        "version",
        values.integer_between(1, 2**31 - 1),
        "whole number from 1",
        "raise it at every change of the file",
        is_required=True,
    ),
    Key("time_zone", _time_zone, "IANA time zone", "where a civil day, week or month begins", "UTC"),
    Key(
        "lateness",
        duration_from(0),
        "duration",
        "events this late still count at their own place in time",
        DEFAULT_LATENESS,
    ),
    Key("groups", groups, "name: group", "rules whose points are bounded together; `engagement` always exists"),
    Key("score", _score, "score", "bounds and precision of the score"),
    Key("tiers", _tiers, "name: lowest score", "named ranges of the score, from the lowest up"),
    Key("rules", rules, "list of rules", "what gives points", is_required=True),
    Key("activity", activity, "activity", "which events are a sign of life"),
    Key("inactivity", inactivity, "list of steps", "what happens when there is no sign of life"),
    Key("qualify", qualify, "qualify", "when sales is told"),
    Key("feedback", feedback, "sales type: feedback", "what follows from what sales does"),
)


def read_model(context: Context, root: Node) -> Model | None:
    """Return the model of the tree *root*; None when it was refused, with every reason in the report of *context*."""
    entries = root.entries if isinstance(root, MappingNode) else {}
    name_groups(context, entries["groups"][1] if "groups" in entries else None)
    if "tiers" in entries and isinstance(entries["tiers"][1], MappingNode):
        context.tiers.update({name: rank for rank, name in enumerate(entries["tiers"][1].entries)})
    try:
        fields = whole(read_section(context, root, "", MODEL))
    except RefusedError:
        return None
    if len(content := compact(root)) > MAX_BYTES // 4 and len(content.encode()) > MAX_BYTES:
        problem = f"written without spaces as JSON, this has more than {MAX_BYTES} bytes"
        context.report("model.too_large", root, "", problem, "split it into several models")
        return None
    model = _build(context, fields, digest(root), content)
    _check_whole(context, model, entries)
    return None if context.findings else model


def digest(root: Node) -> str:
    """Return the SHA-256 (hex) of the compact JSON with sorted keys of the file as it was parsed, no defaults filled in."""
    content = json.dumps(plain(root), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(content.encode()).hexdigest()


def compact(root: Node) -> str:
    """
    Return the file as parsed as compact JSON, in the order of the file: it is itself a model file, of the same content.

    Characters that YAML takes for line ends or does not take at all are escaped.
    """
    content = json.dumps(plain(root), separators=(",", ":"), ensure_ascii=False)
    if content.isprintable():
        return content
    return "".join(char if char.isprintable() or ord(char) > 0xFFFF else f"\\u{ord(char):04x}" for char in content)


def _build(context: Context, fields: Fields, content_digest: str, content: str) -> Model:
    described = fields.get("groups", {})
    decays: dict[int, Decay | None] = {group.index: decay for group, decay in described.values()}
    score: dict[str, Any] = fields.get("score", {})
    return Model(
        name=fields["model"],
        version=fields["version"],
        digest=content_digest,
        groups=tuple(
            described[name][0] if name in described else Group(name, index) for name, index in context.groups.items()
        ),
        rules=tuple(build_rule(rule, index, decays) for index, rule in enumerate(fields["rules"])),
        time_zone=context.time_zone,
        lateness_ms=fields.get("lateness", _LATENESS_MS),
        floor=score.get("floor", 0.0),
        cap=score.get("cap"),
        precision=score.get("precision", 1),
        activity=fields.get("activity", DEFAULT_ACTIVITY),
        inactivity=fields.get("inactivity", ()),
        tiers=fields.get("tiers", ()),
        qualify=fields.get("qualify"),
        feedback=fields.get("feedback", {}),
        attributes=frozenset(context.attributes),
        seen=tuple(context.seen),
        content=content,
    )


def _check_whole(context: Context, model: Model, entries: dict[str, tuple[Node, Node]]) -> None:
    """Report what only the whole shows: tiers that no score reaches, conditions that never hold, leads that never return."""
    if model.tiers:
        _check_tiers(context, model, entries["tiers"][1])
    if "qualify" in entries:
        check_can_hold(context, model, entries["qualify"][1])
        check_can_return(context, model, entries["qualify"][1])


def _check_tiers(context: Context, model: Model, node: Node) -> None:
    for tier in model.tiers[1:]:
        if model.cap is not None and tier.threshold > model.cap:
            problem = (
                f'no score reaches "{tier.name}": it begins at {tier.threshold:g}, scores end at the cap {model.cap:g}'
            )
            context.report(
                "model.unreachable_tier",
                value_of(node, tier.name),
                join("tiers", tier.name),
                problem,
                "lower the threshold or raise the cap",
            )
    for lower, tier in pairwise(model.tiers):
        if tier.threshold <= model.floor:
            problem = f'no score is in "{lower.name}": "{tier.name}" begins at {tier.threshold:g}, the floor is {model.floor:g}'
            context.report(
                "model.unreachable_tier",
                value_of(node, tier.name),
                join("tiers", lower.name),
                problem,
                "raise the threshold or lower the floor",
            )
