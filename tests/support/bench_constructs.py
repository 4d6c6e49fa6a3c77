"""What scoring is measured on: the shipped models over a company's traffic, and small models with one construct each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

import orjson

from tests.support.bench_core import CoreRecord, records_of
from tests.support.bench_costs import Case
from tests.support.bench_events import kinds_with, traffic
from worker.contracts.instants import MS_PER_DAY, parse_instant
from worker.scoring.model import Model
from worker.scoring.model_file import load_model, parse_model

Json = dict[str, Any]
EVENTS = 10_000
PLAIN = "plain dicts"
BASE = "no decay"
SHIPPED = ("simple-100", "b2b-fit", "daily-fade")
_PAGE = "page.viewed"
_WHEN: Json = {"type": _PAGE}
_FIT_VALUES: dict[str, Any] = {
    "email_kind": "business",
    "seniority": ["director", "c-level"],
    "function": ["marketing", "it"],
    "country": ["de", "us"],
    "employees": {"at_least": 50},
}
_NEVER_READY: Json = {"when": {"score": {"at_least": 900_000}}, "rearm": {"score": {"less_than": 80}}}
_FADING: Json = {"half_life": "30d"}
_SEED = 20_251_102


def cases() -> list[Case]:
    """Return all cases; the first is the plain dict scorer, on the traffic of simple-100."""
    return [*_shipped_cases(), *_small_cases(), *_many_rules(), *_disordered()]


def _records(kinds: Mapping[str, float] | None = None) -> list[CoreRecord]:
    return list(records_of(list(traffic(EVENTS, kinds))))


def _shipped_cases() -> Iterator[Case]:
    usual = _records()
    company = _records(kinds_with(0.05, "contact.updated"))
    models = {name: load_model(name) for name in SHIPPED}
    simple = models["simple-100"]
    yield Case(PLAIN, (), usual)
    yield Case("simple-100", (simple,), usual)
    yield Case("simple-100, tiers published", (simple,), usual, publish_tiers=True)
    yield Case("simple-100, scores published", (simple,), usual, scores="scores")
    for name in SHIPPED[1:]:
        yield Case(f"{name}, 5 % contact.updated", (models[name],), company)
    yield Case("two models: simple-100, b2b-fit", (simple, models["b2b-fit"]), company)
    yield Case("three models: all shipped", tuple(models.values()), company)


def _small_cases() -> Iterator[Case]:
    pages = _records({_PAGE: 1.0})
    with_updates = _records({_PAGE: 95.0, "contact.updated": 5.0})

    def one(name: str, model: Model, records: Sequence[CoreRecord] = pages) -> Case:
        return Case(name, (model,), records)

    yield one("without effect: no rule of the type", _model(_rule(when={"type": "demo.requested"})))
    yield one(BASE, _model(_rule()))
    for name, decay in {
        "half-life 30d": _FADING,
        "percent 2 % a day": {"percent": {"rate": "2%", "every": "1d"}},
        "linear 90d": {"linear": "90d"},
        "expire 90d": {"expire": "90d"},
    }.items():
        yield one(name, _model(_rule(decay=decay)))
    yield one("pool, drain 1 a day", _model(groups={"engagement": {"drain": {"points": 1, "every": "1d"}}}))
    yield one("rule cap", _model(_rule(cap=20)))
    yield one("group cap and floor", _model(groups={"engagement": {"cap": 20, "floor": -20}}))
    yield one("once_per one field", _model(_rule(once_per="properties.campaign")))
    yield one("once_per two fields", _model(_rule(once_per=["properties.campaign", "properties.path"])))
    yield one("once_per contact", _model(_rule(once_per="contact")))
    yield one("limit 1 within 7d", _model(_rule(limit={"times": 1, "within": "7d"})))
    yield one("limit 1 per day, UTC", _model(_rule(limit={"times": 1, "per": "day"})))
    berlin = _model(_rule(limit={"times": 1, "per": "day"}), time_zone="Europe/Berlin")
    yield one("limit 1 per day, Europe/Berlin", berlin)
    yield one("condition: starts_with", _model(_rule(when=_WHEN | {"properties.path": {"starts_with": "/"}})))
    yield one("condition: like", _model(_rule(when=_WHEN | {"properties.path": {"like": "/*"}})))
    any_of = [{"properties.path": "/pricing"}, {"properties.campaign": "none"}, {"properties.path": {"like": "/*"}}]
    yield one("condition: any of three", _model(_rule(when=_WHEN | {"any": any_of})))
    mixed = _model(_rule(when=_WHEN | {"attributes.country": ["de", "us"]}))
    yield one("condition with an attribute, 5 % contact.updated", mixed, with_updates)
    yield one("no decay, 5 % contact.updated that no rule reads", _model(_rule()), with_updates)
    fit = [
        _rule(f"fit {name}", points=5, when={f"attributes.{name}": value}, group="fit")
        for name, value in _FIT_VALUES.items()
    ]
    yield one(
        "5 fit rules, 5 % contact.updated", _model(_rule("page"), *fit, groups={"fit": {"cap": 15}}), with_updates
    )
    yield one("10 rules for each event", _model(*(_rule(f"rule {n}", decay=_FADING) for n in range(10))))
    adjusted = _records({_PAGE: 95.0, "score.adjusted": 5.0})
    yield one("5 % score.adjusted with expiry", _model(_rule(points=10)), adjusted)
    rejected = _records({_PAGE: 95.0, "sales.rejected": 5.0})
    feedback = {"sales.rejected": {"reset": ["engagement"], "latch": "open"}}
    yield one("5 % sales.rejected with reset", _model(_rule(), feedback=feedback), rejected)
    unsubscribed = _records({_PAGE: 95.0, "email.unsubscribed": 5.0})
    resets = {"rule": "unsubscribed", "when": {"type": "email.unsubscribed"}, "reset": ["engagement"]}
    yield one("5 % reset by a rule", _model(_rule(), resets), unsubscribed)
    seen = {"rule": "page", "times": 1_000}
    yield one("seen", _model(_rule(), qualify={"when": {"seen": seen}}))
    yield one("seen within 30d", _model(_rule(), qualify={"when": {"seen": seen | {"within": "30d"}}}))
    yield one("inactivity", _model(_rule(), inactivity=[{"after": "30d", "every": "30d", "points": -20}]))
    ready = {"when": {"score": {"at_least": 1}}, "rearm": {"score": {"less_than": 0.01}}}
    yield one("always ready, half-life", _model(_rule(decay=_FADING), qualify=ready))
    near = {"when": {"score": {"at_least": 10}}, "rearm": {"score": {"less_than": 9}}}
    yield one("about the threshold, half-life", _model(_rule(decay=_FADING), qualify=near))
    required = _NEVER_READY | {"require": ["attributes.country"], "exclude": {"attributes.email_kind": "free"}}
    yield one("require and exclude, 5 % contact.updated", _model(_rule(), qualify=required), with_updates)
    tiers = _model(_rule(decay=_FADING), tiers={"cold": 0, "warm": 5, "hot": 20})
    yield Case("tiers published, half-life", (tiers,), pages, publish_tiers=True)


def _many_rules() -> Iterator[Case]:
    pages = _records({_PAGE: 1.0})
    for count in (10, 100, 1_000):
        others = [_rule(f"other {n}", when={"type": f"other.type-{n}"}) for n in range(count)]
        yield Case(f"{count:,} rules of other types", (_model(_rule(), *others),), pages)


def _disordered() -> Iterator[Case]:
    usual, model = _records(), load_model("simple-100")
    for percent in (1, 10):
        yield Case(f"simple-100, {percent} % out of order", (model,), out_of_order(usual, percent / 100))


def out_of_order(records: Sequence[CoreRecord], share: float) -> list[CoreRecord]:
    """Return *records*, *share* of which arrive after the contact's next one; none of them by more than a day."""
    random = Random(_SEED)
    times = [parse_instant(orjson.loads(record.value)["occurred_at"]) for record in records]
    following: dict[int, int] = {}
    newest: dict[bytes, int] = {}
    for place, record in enumerate(records):
        earlier = newest.get(record.key)
        if earlier is not None and 0 < times[place] - times[earlier] < MS_PER_DAY:
            following[earlier] = place
        newest[record.key] = place
    late = random.sample(sorted(following), int(share * len(records)))
    arrival: dict[int, float] = {place: following[place] + 0.5 for place in late}
    order = sorted(range(len(records)), key=lambda place: arrival.get(place, place))
    return [records[place]._replace(offset=offset) for offset, place in enumerate(order)]


def _rule(name: str = "page", *, points: float = 1, **parts: Any) -> Json:
    return {"rule": name, "when": _WHEN, "points": points} | parts


def _model(*rules: Json, **parts: Any) -> Model:
    parts = {"model": "small", "version": 1, "rules": rules or (_rule(),), "qualify": _NEVER_READY} | parts
    return parse_model(json.dumps(parts))
