"""The people in the simulated company's funnel: who they are and how they behave. Numbers are invented, the seed decides the rest."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import NamedTuple

_FIRST = (
    "ada", "amir", "anna", "bruno", "carla", "chen", "clara", "david", "elif", "emma", "farid", "finn", "grace", "hana", "hugo",
    "ines", "ivan", "jana", "jonas", "kofi", "lena", "liam", "lucia", "maja", "marco", "mei", "mila", "nadia", "nils", "noor",
    "olga", "omar", "paula", "pedro", "rosa", "ravi", "sara", "sven", "tara", "tom", "uma", "victor", "wanda", "yara", "zoe",
)  # fmt: skip
_LAST = (
    "adler", "berg", "costa", "diaz", "eriksen", "fischer", "garcia", "hoffmann", "ito", "jansen", "keller", "lopez", "martin",
    "novak", "okafor", "patel", "quinn", "rossi", "schmidt", "tanaka", "ueda", "vogel", "weber", "xu", "young", "zimmer",
)  # fmt: skip
_COMPANIES = (
    "alpinewind", "brightmill", "coastline", "deltaworks", "eastgate", "fernhill", "greybridge", "harborlight", "ironleaf",
    "junipero", "kestrel", "lakeside", "moonrise", "northfield", "oakridge", "pinecone", "quarry", "riverbend", "stonegate",
)  # fmt: skip


class Persona(NamedTuple):
    """One kind of contact; chances are 0 to 1."""

    name: str
    share: int  # parts of all contacts
    visits_a_day: float  # chance of a visit on a working day
    fades_after_days: float  # mean of how long the interest lasts; then visits stop
    pages: tuple[str, ...]  # what they look at, repeated where likelier
    subscribes: float  # chance to be on the newsletter's list
    opens: float  # chance to open a mail, and then
    clicks: float  # to click in it
    replies: float
    leaves: float  # chance to unsubscribe at a mail
    acts: float  # chance that a visit ends with a download or a form
    attends: float  # chance to register for a webinar
    asks_for_demo: float  # chance that a visit to /pricing ends with a demo request


PERSONAS = (
    Persona(
        "buyer", 8, 0.30, 25, ("/", "/product", "/pricing", "/pricing/enterprise", "/customers"),
        0.8, 0.5, 0.35, 0.03, 0.002, 0.22, 0.5, 0.10,
    ),
    Persona(
        "researcher", 20, 0.12, 40, ("/", "/product", "/docs", "/docs/api", "/blog/benchmarks", "/pricing"),
        0.7, 0.4, 0.25, 0.01, 0.005, 0.15, 0.3, 0.01,
    ),
    Persona(
        "reader", 42, 0.03, 90, ("/", "/blog/benchmarks", "/blog/stories", "/product"),
        1.0, 0.35, 0.10, 0.002, 0.01, 0.03, 0.05, 0.0,
    ),
    Persona(
        "job seeker", 10, 0.10, 20, ("/", "/careers", "/careers/engineering", "/about"),
        0.2, 0.2, 0.05, 0.0, 0.02, 0.02, 0.02, 0.0,
    ),
    Persona(
        "passer-by", 14, 0.20, 4, ("/", "/product", "/blog/stories", "/pricing"),
        0.3, 0.15, 0.05, 0.0, 0.05, 0.05, 0.02, 0.0,
    ),
    Persona(
        "stale address", 6, 0.0, 1, ("/",),
        1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    ),
)  # fmt: skip
"""Every kind there is."""


@dataclass(slots=True)
class Contact:
    """One person and what the simulation has to remember about them."""

    contact_id: str
    persona: Persona
    joins_on: int  # day of the simulation
    interested_until: int  # day, may lie beyond the end
    mail_prefetches: bool  # their mail program opens every mail by itself
    is_listed: bool = False  # on the newsletter's list
    points: float = 0.0  # roughly what a scoring model would say; sales calls those with many
    told_sales: bool = False


def contacts_of(random: Random, count: int, days: int) -> list[Contact]:
    """Return *count* different people; most know the company from the start, the others find it over *days* days."""
    kinds = random.choices(PERSONAS, weights=[persona.share for persona in PERSONAS], k=count)
    people = []
    for number, persona in enumerate(kinds):
        name = f"{random.choice(_FIRST)}.{random.choice(_LAST)}"
        joins_on = 0 if random.random() < 0.6 else random.randrange(max(days, 1))
        lasts = max(1, round(random.expovariate(1 / persona.fades_after_days)))
        people.append(
            Contact(
                f"{name}.{number}@{random.choice(_COMPANIES)}.example",
                persona,
                joins_on,
                joins_on + lasts,
                random.random() < 0.3,
            )
        )
    return people
