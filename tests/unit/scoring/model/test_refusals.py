"""Why a model is refused: one case a reason at least, with place, key and advice."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from worker.errors import ModelError
from worker.scoring.file.findings import ErrorCode
from worker.scoring.lint import lint_model
from worker.scoring.model_file import load_model, parse_model

HEAD = "model: m\nversion: 1\n"
RULES = "rules:\n  - {rule: a, when: {type: page.viewed}, points: 5}\n"
GOOD = HEAD + RULES
WHEN = "qualify: {when: {score: {at_least: 1}}, "


def rule(more: str, when: str = "{type: page.viewed}", points: str = "points: 5") -> str:
    parts = ", ".join(part for part in ("rule: a", f"when: {when}", points, more) if part)
    return f"{HEAD}rules:\n  - {{{parts}}}\n"


def when(condition: str) -> str:
    return rule("", when=condition)


def qualify(condition: str, more: str = "") -> str:
    return f"{GOOD}groups: {{fit: {{floor: -10, cap: 70}}}}\ntiers: {{cold: 0, hot: 50}}\n{more}qualify: {{when: {condition}}}\n"


CASES: list[tuple[str, str, str, str, str]] = [
    # file, code, place, key, part of the advice
    ("", "model.not_yaml", "1:1", "", "write a model"),
    ("# nothing\n", "model.not_yaml", "1:1", "", "write a model"),
    (GOOD + "tiers: {cold: 0\n", "model.not_yaml", "5:8", "", "write } where it ends"),
    (GOOD + "\tlateness: 1d\n", "model.not_yaml", "5:1", "", "spaces instead"),
    (GOOD + "lateness: *late\n", "model.anchor", "5:11", "", "quote the text"),
    ("model: \x01\n", "model.not_yaml", "1:8", "", "remove it"),
    ('model: "\\U99999999"\n', "model.not_yaml", "1:1", "", "UTF-8"),
    (GOOD + "---\n" + GOOD, "model.not_yaml", "5:1", "", "one model"),
    (GOOD + "#" * 262_144, "model.too_large", "1:1", "", "split"),
    (when("{not: " * 33 + "{type: a}" + "}" * 33), "model.too_deep", "4:195", "", "flatter"),
    ("model: m\nversion: &v 1\n" + RULES, "model.anchor", "2:10", "", "write the value out"),
    ("model: m\nversion: !!int 1\n" + RULES, "model.tag", "2:10", "", "remove the tag"),
    ("%YAML 1.1\n---\n" + GOOD, "model.tag", "2:1", "", "remove the % line"),
    (GOOD + "model: n\n", "model.duplicate_key", "5:1", "", "keep one"),
    (rule("", points="points: 5, points: 6"), "model.duplicate_key", "4:53", "", "keep one"),
    (GOOD + "3: x\n", "model.wrong_type", "5:1", "", "quotes"),
    (GOOD + "? [a]\n: x\n", "model.wrong_type", "5:3", "", "quotes"),
    ("- a\n", "model.wrong_type", "1:1", "", "key: value"),
    (HEAD + "rules: {a: 1}\n", "model.wrong_type", "3:8", "rules", "[a, b]"),
    ("model: m\nversion: '1'\n" + RULES, "model.wrong_type", "2:10", "version", "write 1, without quotes"),
    ("model: m\nversion: 1.0\n" + RULES, "model.wrong_type", "2:10", "version", "whole number"),
    ("model: m\nversion: true\n" + RULES, "model.wrong_type", "2:10", "version", "whole number"),
    ("model: 5\nversion: 1\n" + RULES, "model.wrong_type", "1:8", "model", "in quotes"),
    (rule("", points="points: yes"), "model.wrong_type", "4:50", "rules[0].points", "a number"),
    (rule("", points="points: null"), "model.wrong_type", "4:50", "rules[0].points", "a number"),
    (GOOD + "lateness: 3\n", "model.wrong_type", "5:11", "lateness", "14d"),
    (when("{type: 5}"), "model.wrong_type", "4:28", "rules[0].when.type", "in quotes"),
    (
        when("{properties.n: {at_least: '5'}}"),
        "model.wrong_type",
        "4:47",
        "rules[0].when.properties.n.at_least",
        "write 5, without quotes",
    ),
    (
        when("{properties.n: {starts_with: 5}}"),
        "model.wrong_type",
        "4:50",
        "rules[0].when.properties.n.starts_with",
        "in quotes",
    ),
    (
        when("{properties.n: {exists: yes}}"),
        "model.wrong_type",
        "4:45",
        "rules[0].when.properties.n.exists",
        "true or false",
    ),
    (
        when("{properties.n: {is: [1]}}"),
        "model.wrong_type",
        "4:41",
        "rules[0].when.properties.n.is",
        "one text, number or boolean",
    ),
    (when("{properties.n: {in: 1}}"), "model.wrong_type", "4:41", "rules[0].when.properties.n.in", "[a, b]"),
    (when("page.viewed"), "model.wrong_type", "4:21", "rules[0].when", "key: value"),
    (GOOD + "bogus: 1\n", "model.unknown_key", "5:1", "bogus", "use one of: activity"),
    (GOOD + "quailfy: {when: {score: 1}}\n", "model.unknown_key", "5:1", "quailfy", 'write "qualify"'),
    (rule("limits: {times: 1, per: day}"), "model.unknown_key", "4:53", "rules[0].limits", 'write "limit"'),
    (rule("", points="point: 5"), "model.unknown_key", "4:42", "rules[0].point", 'write "points"'),
    (
        GOOD + "feedback: {sales.recyled: {latch: open}}\n",
        "model.unknown_key",
        "5:12",
        "feedback.sales.recyled",
        '"sales.recycled"',
    ),
    (
        GOOD + "feedback: {email.opened: {latch: open}}\n",
        "model.unknown_key",
        "5:12",
        "feedback.email.opened",
        "sales.won",
    ),
    ("version: 1\n" + RULES, "model.missing_key", "1:1", "", "add model"),
    (HEAD, "model.missing_key", "1:1", "", "add rules"),
    (rule("", points=""), "model.missing_key", "4:5", "rules[0]", "add points"),
    (rule("limit: {times: 1000}"), "model.conflict", "4:60", "rules[0].limit", "within: 7d"),
    (rule("decay: {}"), "model.missing_key", "4:60", "rules[0].decay", "half_life"),
    (GOOD + "inactivity: [{after: 3d}]\n", "model.missing_key", "5:14", "inactivity[0]", "add points"),
    (GOOD + "inactivity: [{points: 3}]\n", "model.missing_key", "5:14", "inactivity[0]", "add after"),
    (GOOD + "feedback: {sales.won: {}}\n", "model.missing_key", "5:23", "feedback.sales.won", "add points"),
    ("model: Big_One\nversion: 1\n" + RULES, "model.bad_value", "1:8", "model", "small letters"),
    ("model: m\nversion: 0\n" + RULES, "model.bad_value", "2:10", "version", "from 1"),
    (HEAD + "rules: []\n", "model.bad_value", "3:8", "rules", "at least one rule"),
    (rule("", points="points: 1.2345"), "model.bad_value", "4:50", "rules[0].points", "3 decimals"),
    (rule("", points="points: -1000001"), "model.bad_value", "4:50", "rules[0].points", "1,000,000"),
    (rule("", points="points: .inf"), "model.bad_value", "4:50", "", "smaller number"),
    (rule("", points="points: 1e999"), "model.bad_value", "4:50", "", "smaller number"),
    (rule("limit: {times: 1001, per: day}"), "model.bad_value", "4:68", "rules[0].limit.times", "1 to 1000"),
    (rule("limit: {times: 0, per: day}"), "model.bad_value", "4:68", "rules[0].limit.times", "1 to 1000"),
    (rule("limit: {times: 1, per: dya}"), "model.bad_value", "4:76", "rules[0].limit.per", 'write "day"'),
    (rule("limit: {times: 1, within: 0s}"), "model.bad_value", "4:79", "rules[0].limit.within", "from 1s"),
    (rule("limit: {times: 1, within: 1 day}"), "model.bad_value", "4:79", "rules[0].limit.within", "14d"),
    (rule("decay: {half_life: 0d}"), "model.bad_value", "4:72", "rules[0].decay.half_life", "from 1s"),
    (rule("decay: nnone"), "model.bad_value", "4:60", "rules[0].decay", 'write "none"'),
    (rule("cap: -1"), "model.bad_value", "4:58", "rules[0].cap", "from 0"),
    (rule("machine: yes"), "model.bad_value", "4:62", "rules[0].machine", "true"),
    (rule("once_per: []"), "model.bad_value", "4:63", "rules[0].once_per", "at least one"),
    (rule("once_per: [contact]"), "model.bad_value", "4:64", "rules[0].once_per[0]", "once_per: contact"),
    (
        when("{properties.a: {starts_with: ''}}"),
        "model.bad_value",
        "4:50",
        "rules[0].when.properties.a.starts_with",
        "one character",
    ),
    (
        when("{properties.a: {contains: null}}"),
        "model.bad_value",
        "4:47",
        "rules[0].when.properties.a.contains",
        "to look for",
    ),
    (GOOD + "time_zone: Europe/Berln\n", "model.bad_value", "5:12", "time_zone", "Europe/Berlin"),
    (GOOD + "time_zone: ../../etc/passwd\n", "model.bad_value", "5:12", "time_zone", "Europe/Berlin"),
    (GOOD + "score: {precision: 7}\n", "model.bad_value", "5:20", "score.precision", "0 to 6"),
    (GOOD + "tiers: {}\n", "model.bad_value", "5:8", "tiers", "lowest score"),
    (GOOD + 'groups: {" fit": {cap: 1}}\n', "model.bad_value", "5:10", "groups. fit", "printable"),
    (GOOD + "activity: {types: []}\n", "model.bad_value", "5:11", "activity.types", "at least one"),
    (GOOD + "activity: {types: [sales.won]}\n", "model.bad_value", "5:11", "activity.types", "the contact does"),
    (GOOD + "inactivity: [{after: 3d, multiply: -1}]\n", "model.bad_value", "5:36", "inactivity[0].multiply", "from 0"),
    (GOOD + "feedback: {sales.won: {latch: shut}}\n", "model.bad_value", "5:31", "feedback.sales.won.latch", "closed"),
    (rule("group: fitt") + "groups: {fit: {}}\n", "model.unknown_name", "4:60", "rules[0].group", 'write "fit"'),
    (
        GOOD + "inactivity: [{after: 3d, reset: [engagment]}]\n",
        "model.unknown_name",
        "5:34",
        "inactivity[0].reset[0]",
        '"engagement"',
    ),
    (
        GOOD + "feedback: {sales.won: {points: 1, group: x}}\n",
        "model.unknown_name",
        "5:42",
        "feedback.sales.won.group",
        "engagement",
    ),
    (qualify("{groups.fti: 3}"), "model.unknown_name", "7:18", "qualify.when.groups.fti", 'write "fit"'),
    (qualify("{tier: hott}"), "model.unknown_name", "7:24", "qualify.when.tier", 'write "hot"'),
    (qualify("{tier: {at_least: [hot]}}"), "model.wrong_type", "7:35", "qualify.when.tier.at_least", "number"),
    (f"{GOOD}qualify: {{when: {{tier: hot}}}}\n", "model.unknown_name", "5:18", "qualify.when.tier", "add `tiers:`"),
    (when("{path: /x}"), "model.unknown_field", "4:22", "rules[0].when.path", "properties.<name>"),
    (when("{property.path: /x}"), "model.unknown_field", "4:22", "rules[0].when.property.path", '"properties.path"'),
    (when("{properties: /x}"), "model.unknown_field", "4:22", "rules[0].when.properties", "properties.<name>"),
    (when("{properties.a..b: /x}"), "model.unknown_field", "4:22", "rules[0].when.properties.a..b", "single dots"),
    (when("{type.x: /x}"), "model.unknown_field", "4:22", "rules[0].when.type.x", 'write "type"'),
    (rule("once_per: form_id"), "model.unknown_field", "4:63", "rules[0].once_per", "properties.<name>"),
    (qualify("{scores: 3}"), "model.unknown_field", "7:18", "qualify.when.scores", 'write "score"'),
    (qualify("{type: a}"), "model.unknown_field", "7:18", "qualify.when.type", "score"),
    (
        when("{type: {begins_with: page}}"),
        "model.unknown_operator",
        "4:29",
        "rules[0].when.type.begins_with",
        "starts_with",
    ),
    (
        when("{properties.n: {atleast: 5}}"),
        "model.unknown_operator",
        "4:37",
        "rules[0].when.properties.n.atleast",
        'write "at_least"',
    ),
    (when("{type: {at_least: 5}}"), "model.unknown_operator", "4:29", "rules[0].when.type.at_least", "use one of"),
    (qualify("{score: {like: '1*'}}"), "model.unknown_operator", "7:26", "qualify.when.score.like", "at_least"),
    (
        GOOD + "  - {rule: a, when: {type: b}, points: 1}\n",
        "model.duplicate_name",
        "5:12",
        "rules[1].rule",
        "name of its own",
    ),
    (rule("once_per: [type, source, type]"), "model.duplicate_name", "4:63", "rules[0].once_per[2]", "once"),
    (GOOD + "activity: {types: [a, a]}\n", "model.duplicate_name", "5:19", "activity.types[1]", "once"),
    (
        GOOD + "tiers: {cold: 0, warm: 50, hot: 25}\n",
        "model.unreachable_tier",
        "5:33",
        "tiers.hot",
        "lowest to the highest",
    ),
    (GOOD + "tiers: {cold: 0, warm: 25, hot: 25}\n", "model.unreachable_tier", "5:33", "tiers.hot", "of its own"),
    (
        GOOD + "tiers: {cold: 0, hot: 60}\nscore: {cap: 50}\n",
        "model.unreachable_tier",
        "5:23",
        "tiers.hot",
        "raise the cap",
    ),
    (GOOD + "tiers: {cold: -9, hot: 0}\n", "model.unreachable_tier", "5:24", "tiers.cold", "lower the floor"),
    (when("{type: a, all: [{type: b}]}"), "model.never_holds", "4:21", "rules[0].when", "each type once"),
    (when("{type: {in: [a], not: a}}"), "model.never_holds", "4:21", "rules[0].when", "each type once"),
    (
        qualify("{score: {at_least: 300}}", "score: {cap: 200}\n"),
        "model.never_holds",
        "8:17",
        "qualify.when",
        "lower the threshold",
    ),
    (qualify("{groups.fit: {more_than: 70}}"), "model.never_holds", "7:17", "qualify.when", "lower the threshold"),
    (when("{}"), "model.empty_condition", "4:21", "rules[0].when", "at least one field"),
    (when("{any: []}"), "model.empty_condition", "4:27", "rules[0].when.any", "at least one condition"),
    (when("{not: {}}"), "model.empty_condition", "4:27", "rules[0].when.not", "at least one field"),
    (when("{all: [{}]}"), "model.empty_condition", "4:28", "rules[0].when.all[0]", "at least one field"),
    (when("{type: {}}"), "model.empty_condition", "4:28", "rules[0].when.type", "an operator"),
    (when("{type: []}"), "model.empty_condition", "4:28", "rules[0].when.type", "at least one value"),
    (qualify("{}"), "model.empty_condition", "7:17", "qualify.when", "score"),
    (qualify("{any: []}"), "model.empty_condition", "7:23", "qualify.when.any", "at least one condition"),
    (rule("limit: {times: 1, within: 7d, per: day}"), "model.conflict", "4:60", "rules[0].limit", "keep one"),
    (GOOD + "groups: {fit: {floor: 5, cap: 1}}\n", "model.conflict", "5:15", "groups.fit", "lower the floor"),
    (GOOD + "score: {cap: -1}\n", "model.conflict", "5:8", "score", "lower the floor"),
    (GOOD + "activity: {types: [a], not_types: [b]}\n", "model.conflict", "5:11", "activity", "keep one"),
    (GOOD + "activity: {}\n", "model.conflict", "5:11", "activity", "not_types"),
    (
        GOOD + "inactivity: [{after: 3d, every: 3d, multiply: 2}]\n",
        "model.conflict",
        "5:14",
        "inactivity[0].multiply",
        "at most 1",
    ),
    (
        GOOD + "inactivity: [{after: 3d, reset: [engagement], group: engagement}]\n",
        "model.conflict",
        "5:14",
        "inactivity[0].group",
        "remove it",
    ),
    (
        GOOD + "feedback: {sales.won: {latch: open, group: engagement}}\n",
        "model.conflict",
        "5:23",
        "feedback.sales.won.group",
        "remove it",
    ),
    (
        GOOD + "qualify: {when: {score: 1}, again: recycle}\n",
        "model.conflict",
        "5:36",
        "qualify.again",
        "sales.recycled",
    ),
    (
        GOOD + "qualify: {when: {score: 1}, again: recycle}\nfeedback: {sales.recycled: {latch: closed}}\n",
        "model.conflict",
        "5:36",
        "qualify.again",
        "latch: open",
    ),
    # Units, and numbers in words.
    (rule("decay: {half_life: 30}"), "model.wrong_type", "4:72", "rules[0].decay.half_life", "write 30d if days"),
    (rule("decay: {half_life: 30 days}"), "model.bad_value", "4:72", "rules[0].decay.half_life", "write 30d ("),
    (rule("decay: {half_life: 2 Weeks}"), "model.bad_value", "4:72", "rules[0].decay.half_life", "write 2w ("),
    (rule("decay: {half_life: 1 month}"), "model.bad_value", "4:72", "rules[0].decay.half_life", "write 30d ("),
    (rule("decay: {half_life: 90min}"), "model.bad_value", "4:72", "rules[0].decay.half_life", "write 90m ("),
    (rule("decay: {half_life: a while}"), "model.bad_value", "4:72", "rules[0].decay.half_life", "write a whole"),
    (rule("", points="points: '15'"), "model.wrong_type", "4:50", "rules[0].points", "write 15, without"),
    (rule("", points="points: 15 points"), "model.wrong_type", "4:50", "rules[0].points", "write 15, without"),
    (rule("", points="points: '1,000'"), "model.wrong_type", "4:50", "rules[0].points", "write a number"),
    # Fading and pools.
    (rule("decay: {half_life: 1d, linear: 2d}"), "model.conflict", "4:60", "rules[0].decay", "keep one"),
    (rule("decay: {linear: 731d}"), "model.bad_value", "4:69", "rules[0].decay.linear", "730d"),
    (rule("decay: {expire: 105w}"), "model.bad_value", "4:69", "rules[0].decay.expire", "730d"),
    (rule("decay: {percent: 2%}"), "model.wrong_type", "4:70", "rules[0].decay.percent", "key: value"),
    (rule("decay: {percent: {rate: 2%}}"), "model.missing_key", "4:70", "rules[0].decay.percent", "add every"),
    (rule("decay: {percent: {every: 1d}}"), "model.missing_key", "4:70", "rules[0].decay.percent", "add rate"),
    *(
        (
            rule(f"decay: {{percent: {{rate: {rate}, every: 1d}}}}"),
            "model.bad_value",
            "4:77",
            "rules[0].decay.percent.rate",
            "2%, or 0.02",
        )
        for rate in ("0", "0%", "2", "101%", "-0.1", "-2%", "1e-400", "0.0000001%", "1e1%", "two", "true", "2 %")
    ),
    (GOOD + "groups: {b: {drain: 1d}}\n", "model.wrong_type", "5:21", "groups.b.drain", "key: value"),
    (GOOD + "groups: {b: {drain: {every: 1d}}}\n", "model.missing_key", "5:21", "groups.b.drain", "add points"),
    (
        GOOD + "groups: {b: {drain: {points: 0, every: 1d}}}\n",
        "model.bad_value",
        "5:30",
        "groups.b.drain.points",
        "without a sign",
    ),
    (
        GOOD + "groups: {b: {drain: {points: 1, every: 1d}, decay: none}}\n",
        "model.conflict",
        "5:45",
        "groups.b.decay",
        "keep one",
    ),
    *(
        (
            rule(f"group: b, {key}") + "groups: {b: {drain: {points: 1, every: 1d}}}\n",
            "model.conflict",
            "4:63",
            f"rules[0].{key.split(':')[0]}",
            "another group",
        )
        for key in ("decay: {half_life: 30d}", "decay: none", "cap: 5")
    ),
    (
        rule("group: b", when="{attributes.a: 1}") + "groups: {b: {drain: {points: 1, every: 1d}}}\n",
        "model.conflict",
        "4:15",
        "rules[0].when",
        "another group",
    ),
    # Rules that read attributes only, and rules that only reset.
    *(
        (
            rule(key, when="{attributes.a: 1}"),
            "model.conflict",
            "4:51",
            f"rules[0].{key.split(':')[0]}",
            "name an event",
        )
        for key in (
            "once_per: contact",
            "limit: {times: 1, per: day}",
            "decay: {half_life: 1d}",
            "decay: none",
            "cap: 5",
            "machine: false",
            "reset: [engagement]",
        )
    ),
    (
        rule("reset: [engagement]", when="{attributes.a: 1}", points=""),
        "model.missing_key",
        "4:5",
        "rules[0]",
        "add points",
    ),
    (
        rule("reset: [engagement], once_per: contact", points=""),
        "model.conflict",
        "4:63",
        "rules[0].once_per",
        "points: 0",
    ),
    (
        rule("reset: [engagement], limit: {times: 1, per: day}", points=""),
        "model.conflict",
        "4:63",
        "rules[0].limit",
        "points: 0",
    ),
    (rule("reset: []"), "model.bad_value", "4:60", "rules[0].reset", "at least one"),
    (rule("reset: [engagment]"), "model.unknown_name", "4:61", "rules[0].reset[0]", '"engagement"'),
    # Attributes.
    (when("{attributes: x}"), "model.unknown_field", "4:22", "rules[0].when.attributes", "attributes.<name>"),
    (when("{attribute.title: x}"), "model.unknown_field", "4:22", "rules[0].when.attribute.title", "attributes.title"),
    (when("{attributes.a.: x}"), "model.unknown_field", "4:22", "rules[0].when.attributes.a.", "single dots"),
    (rule("once_per: attributes.title"), "model.unknown_field", "4:63", "rules[0].once_per", "properties.<name>"),
    (qualify("{attributes.: nl}"), "model.unknown_field", "7:18", "qualify.when.attributes.", "single dots"),
    (
        qualify("{attributes.size: {at_least: big}}"),
        "model.wrong_type",
        "7:46",
        "qualify.when.attributes.size.at_least",
        "a number",
    ),
    (GOOD + WHEN + "require: email}\n", "model.wrong_type", "5:50", "qualify.require", "[a, b]"),
    (GOOD + WHEN + "require: [email]}\n", "model.unknown_field", "5:51", "qualify.require[0]", "attributes.email"),
    (GOOD + WHEN + "include: []}\n", "model.bad_value", "5:50", "qualify.include", "remove the key"),
    (
        GOOD + WHEN + "include: [attributes.a, attributes.a]}\n",
        "model.duplicate_name",
        "5:50",
        "qualify.include[1]",
        "once",
    ),
    (GOOD + WHEN + "exclude: {}}\n", "model.empty_condition", "5:50", "qualify.exclude", "attributes.<name>"),
    (
        GOOD + WHEN + "include: [" + ", ".join(f"attributes.a{n}" for n in range(66)) + "]}\n",
        "model.too_many",
        "5:1065",
        "qualify.include[64]",
        "fewer",
    ),
    (
        when("{any: [" + ", ".join(f"{{properties.a: {n}, attributes.b: {n}}}" for n in range(61)) + "]}"),
        "model.too_many",
        "4:21",
        "rules[0].when",
        "several rules",
    ),
    # Awards seen.
    (GOOD + "qualify: {when: {seen: {rule: b}}}\n", "model.unknown_name", "5:31", "qualify.when.seen.rule", "a"),
    (GOOD + "qualify: {when: {seen: a}}\n", "model.wrong_type", "5:24", "qualify.when.seen", "key: value"),
    (GOOD + "qualify: {when: {seen: []}}\n", "model.empty_condition", "5:24", "qualify.when.seen", "rule: <name>"),
    (
        GOOD + "qualify: {when: {seen: [{times: 2}]}}\n",
        "model.missing_key",
        "5:25",
        "qualify.when.seen[0]",
        "add rule",
    ),
    (
        GOOD + "qualify: {when: {seen: {rule: a, times: 1001}}}\n",
        "model.bad_value",
        "5:41",
        "qualify.when.seen.times",
        "1 to 1000",
    ),
    (
        GOOD + "qualify: {when: {seen: {rule: a, within: 0s}}}\n",
        "model.bad_value",
        "5:42",
        "qualify.when.seen.within",
        "from 1s",
    ),
    (
        rule("reset: [engagement]", points="") + "qualify: {when: {seen: {rule: a}}}\n",
        "model.conflict",
        "5:31",
        "qualify.when.seen.rule",
        "points: 0",
    ),
    (
        rule("", when="{attributes.b: 1}") + "qualify: {when: {seen: {rule: a}}}\n",
        "model.conflict",
        "5:31",
        "qualify.when.seen.rule",
        "attributes.<name>",
    ),
    # Names that look alike.
    (GOOD + "groups: {f\u0456t: {}}\n", "model.lookalike", "5:10", "", "one alphabet"),
    (rule("", points="p\u043eints: 5"), "model.lookalike", "4:42", "", "one alphabet"),
    (HEAD + RULES.replace("rule: a", "rule: p\u0430ge"), "model.lookalike", "4:12", "rules[0].rule", "one alphabet"),
    (GOOD + "groups: {Engagement: {}}\n", "model.lookalike", "5:10", "groups.Engagement", "one of the two"),
    (GOOD + "groups: {a: {}, \u0430: {}}\n", "model.lookalike", "5:17", "groups.\u0430", "of its own"),
    (GOOD + "groups: {\uff41b: {}, ab: {}}\n", "model.lookalike", "5:18", "groups.ab", "of its own"),
    (GOOD + "tiers: {hot: 0, HOT: 5}\n", "model.lookalike", "5:17", "tiers.HOT", "of its own"),
    (
        GOOD + "  - {rule: A, when: {type: b}, points: 1}\n",
        "model.lookalike",
        "5:12",
        "rules[1].rule",
        "of its own",
    ),
    (GOOD + "\u0441\u0430\u0440: 1\n", "model.unknown_key", "5:1", "\u0441\u0430\u0440", "use one of"),
    (rule("\u0441\u0430\u0440: 1"), "model.unknown_key", "4:53", "rules[0].\u0441\u0430\u0440", "plain letters"),
    (GOOD + "'a\u200bb': 1\n", "model.bad_value", "5:1", "", "type the key anew"),
    (GOOD + f'"{"k" * 161}": 1\n', "model.bad_value", "5:1", "", "shorter"),
]


@pytest.mark.parametrize(("text", "code", "place", "key", "advice"), CASES)
def test_model_is_refused_with_code_place_key_and_advice(
    text: str, code: str, place: str, key: str, advice: str
) -> None:
    """If this fails, a marketer looks for the mistake in the wrong line."""
    (found,) = [one for one in lint_model(text, "m.yaml") if one.code == code]
    assert f"{found.line}:{found.column}" == place
    assert found.key == key
    assert advice in found.fix
    assert "\n" not in str(found)


def test_every_code_has_a_case() -> None:
    elsewhere = {"model.unreadable", "model.state_too_large"}  # the last one in test_size.py
    tried = {case[1] for case in CASES} | elsewhere
    assert tried == set(get_args(ErrorCode))


@pytest.mark.parametrize("source", ["simpl-100", "./no-such-file.yaml", "/"])
def test_model_that_cannot_be_read_is_refused(source: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_model(source)
    assert caught.value.fields["finding"] == "model.unreadable"
    assert "simple-100" in str(caught.value)


def test_model_in_another_encoding_is_told_to_be_saved_in_ours(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_bytes(GOOD.encode() + "# für alle\n".encode("latin-1"))
    with pytest.raises(ModelError) as caught:
        load_model(str(file))
    assert caught.value.fields["finding"] == "model.unreadable"
    assert caught.value.fields["fix"] == "save it as UTF-8"


def test_good_model_has_no_findings() -> None:
    assert lint_model(GOOD, "m.yaml") == []


WRONG = """\
model: loans
version: 1
rules:
  - rule: call
    when: {type: call.completed}
    pionts: 5
  - rule: call
    when: {propertes.amount: {atleast: 5}}
    points: 5
    group: volumes
groups:
  volume: {cap: 10, flor: 3}
tiers: {cold: 0, warm: 30, hot: 30}
qualify: {when: {tier: hat}}
"""


def test_all_problems_of_a_file_come_in_one_report() -> None:
    with pytest.raises(ModelError) as caught:
        parse_model(WRONG, "loans.yaml")
    text = str(caught.value)
    places = [line.split(": ")[0] for line in text.splitlines() if line.startswith("loans.yaml:")]
    assert places == [f"loans.yaml:{place}" for place in ("6:5", "7:11", "8:12", "10:12", "12:21", "13:33", "14:24")]
    for advice in ("points", "properties.amount", "volume", "floor", "hot"):
        assert f'  fix: write "{advice}"' in text
    assert caught.value.fields["where"] == "loans.yaml:6:5"
    assert caught.value.fields["finding"] == "model.unknown_key"
    assert caught.value.exit_code == 78


def test_text_of_a_file_cannot_write_to_the_terminal() -> None:
    (found,) = lint_model(GOOD + '"\\e[2J\\a": 1\n', "m.yaml")
    assert str(found).isprintable()
    (found,) = lint_model(GOOD + f'"{"x" * 500}": 1\n', "m.yaml")
    assert len(str(found)) < 500
