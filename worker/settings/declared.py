"""
Every setting of the worker, once: field, default, kind and what it is for.

The variable of a field is LEADSCORE_ and its name in capitals, without the unit that ends the name of a duration.
The loader, `leadscore settings` and the generated reference all read this one class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, NamedTuple

from worker.settings import kinds
from worker.settings.kinds import Kind
from worker.settings.secret import Secret

PREFIX = "LEADSCORE_"


class Variable(NamedTuple):
    """One setting as it is described to people and to the loader."""

    field: str  # attribute of Settings
    name: str  # environment variable
    kind: Kind
    default: str | None  # as text; None: it must be given
    section: str
    help: str

    @property
    def file_name(self) -> str:
        """The variable that names a file to read a secret from."""
        return f"{self.name}_FILE"


def _setting(section: str, kind: Kind, default: str | None, text: str) -> Any:  # noqa: ANN401
    described = {"section": section, "kind": kind, "default": default, "help": text}
    return field(
        metadata=described, repr=kind.quote is str
    )  # what must not be quoted as it is, must not be printed either


def _kafka(kind: Kind, default: str | None, text: str) -> Any:  # noqa: ANN401
    return _setting("Kafka", kind, default, text)


def _topics(kind: Kind, default: str | None, text: str) -> Any:  # noqa: ANN401
    return _setting("Topics", kind, default, text)


def _scoring(kind: Kind, default: str | None, text: str) -> Any:  # noqa: ANN401
    return _setting("Scoring and state", kind, default, text)


def _delivery(kind: Kind, default: str | None, text: str) -> Any:  # noqa: ANN401
    return _setting("Delivery", kind, default, text)


def _redis(kind: Kind, default: str | None, text: str) -> Any:  # noqa: ANN401
    return _setting("Redis", kind, default, text)


def _operations(kind: Kind, default: str | None, text: str) -> Any:  # noqa: ANN401
    return _setting("Operations", kind, default, text)


def _security(kind: Kind, default: str | None, text: str) -> Any:  # noqa: ANN401
    return _setting("Kafka security", kind, default, text)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where and how to run, read once at start. What a lead is worth is not here but in the model file."""

    brokers: tuple[str, ...] = _kafka(kinds.BROKERS, None, "Kafka brokers to start from.")
    app_id: str = _kafka(
        kinds.NAME,
        "lead-scoring",
        "Name of the consumer group; transactional ids and the changelog topic begin with it. Another name starts from nothing.",
    )
    instance_id: str = _kafka(
        kinds.optional(kinds.NAME),
        "",
        "Stable name of this process (a StatefulSet pod's name): a restart within the session timeout then moves no partition.",
    )
    session_timeout_ms: int = _kafka(
        kinds.between(kinds.DURATION, 1_000, 300_000),
        "10s",
        "Silence after which the group gives our partitions to others.",
    )
    stop_timeout_ms: int = _kafka(
        kinds.between(kinds.DURATION, 1_000, 600_000),
        "25s",
        "How long open rounds may take to end after SIGTERM; stay below what the platform gives before it kills (often 30 s).",
    )

    input_topic: str = _topics(kinds.NAME, "lead-interactions", "Interaction events to score.")
    qualifications_topic: str = _topics(
        kinds.NAME, "lead-qualifications", "Where `lead became sales-ready` and `cooled` go."
    )
    scores_topic: str = _topics(
        kinds.optional(kinds.NAME), "lead-scores", "Current score of each contact; empty: not published."
    )
    dlq_topic: str = _topics(kinds.optional(kinds.NAME), "", "Dead letters; empty: the input topic's name and `-dlq`.")
    create_topics: bool = _topics(kinds.FLAG, "false", "Create missing topics at start instead of refusing to start.")
    partitions: int = _topics(kinds.between(kinds.INTEGER, 1, 10_000), "4", "Partitions of topics that are created.")
    replication: int = _topics(kinds.between(kinds.INTEGER, 1, 10), "3", "Replicas of topics that are created.")

    models: tuple[str, ...] = _scoring(
        kinds.comma_list(kinds.TEXT), "simple-100", "Scoring models: shipped names or paths of model files."
    )
    time: Literal["wall", "stream"] = _scoring(
        kinds.choice("wall", "stream"),
        "wall",
        "What moves time on when no event comes: the clock, or only the newest event (for history that is played again).",
    )
    max_skew_ms: int = _scoring(
        kinds.DURATION, "5m", "How far an event may lie after its record's timestamp before it is moved back to that."
    )
    emit_since_ms: int | None = _scoring(
        kinds.OPTIONAL_INSTANT,
        "",
        "Transitions before this instant are kept back, so that a replayed history floods nobody; empty: all are told.",
    )
    publish_tiers: bool = _scoring(
        kinds.FLAG,
        "false",
        "Whether `lead.tier_changed` is told too; of contacts that are known already, from their next event on.",
    )
    publish_model_changes: bool = _scoring(
        kinds.FLAG,
        "false",
        "Whether sales is told at once whom a new version of a model makes ready, or no longer ready.",
    )
    store: str = _scoring(
        kinds.STORE,
        "rocksdb://./state",
        "Where state is kept between restarts: a directory of each process's own, or a Redis that all of them share.",
    )
    cache_bytes: int = _scoring(
        kinds.between(kinds.SIZE, 0, 1 << 40),
        "80MiB",
        "Memory for decoded contacts, of all partitions of this process together; rounds end early where they need more.",
    )
    rocksdb_bytes: int = _scoring(
        kinds.between(kinds.SIZE, 8 << 20, 1 << 40),
        "96MiB",
        "Memory of RocksDB, of all partitions of this process together: a third for what is not written out yet, the rest caches files.",
    )
    erasure_key: Secret | None = _scoring(
        kinds.secret(16, 64),
        "",
        "Key of the hashes that erased contacts leave behind; needed by `run`, the same for all workers.",
    )

    guarantee: Literal["exactly_once", "at_least_once"] = _delivery(
        kinds.choice("exactly_once", "at_least_once"),
        "exactly_once",
        "exactly_once needs transactional ids; at_least_once may repeat a transition, with the same id and bytes.",
    )
    transaction_timeout_ms: int = _delivery(
        kinds.between(kinds.DURATION, 1_000, 900_000),
        "15s",
        "How long a dead worker's open transaction may hold readers up.",
    )
    round_events: int = _delivery(
        kinds.between(kinds.INTEGER, 1, 1_000_000), "2000", "Events of a partition that end a round."
    )
    round_events_catching_up: int = _delivery(
        kinds.between(kinds.INTEGER, 1, 1_000_000), "20000", "The same while lag is worked off."
    )
    round_bytes: int = _delivery(
        kinds.between(kinds.SIZE, 65_536, 1 << 28), "8MiB", "Bytes of changed state that end a round."
    )
    batch_bytes: int = _delivery(
        kinds.between(kinds.SIZE, 1 << 20, 1 << 30),
        "64MiB",
        "Bytes that one batch of records may unpack to; a partition stops before a larger one.",
    )
    dlq_limit: int = _delivery(
        kinds.between(kinds.INTEGER, 0, 1_000),
        "200",
        "Refused records among 1,000 in a row at which a partition still goes on; above, it stops. 1000: no limit.",
    )
    fetch_bytes: int = _delivery(
        kinds.between(kinds.SIZE, 65_536, 1 << 30),
        "16MiB",
        "Bytes of records, as the brokers hold them, that one answer of a broker may bring.",
    )
    low_latency: bool = _delivery(
        kinds.FLAG, "false", "End a round 20 ms after its first transition; costs CPU, halves the delay of transitions."
    )

    redis_password: Secret | None = _redis(
        kinds.secret(), "", "Password of the store's user, who is named in LEADSCORE_STORE (redis://user@host)."
    )
    redis_timeout_ms: int = _redis(
        kinds.between(kinds.DURATION, 100, 30_000),
        "5s",
        "How long one answer may take before it is asked for again; nothing is scored meanwhile.",
    )
    redis_ca_location: str = _redis(
        kinds.PATH, "", "CA certificates (PEM) that may sign the server's, with rediss://; empty: the system's."
    )
    redis_certificate_location: str = _redis(kinds.PATH, "", "Our certificate (PEM), when the server asks for one.")
    redis_key_location: str = _redis(kinds.PATH, "", "The private key (PEM) of our certificate, without a password.")

    processes: int = _operations(
        kinds.PROCESSES,
        "1",
        "Worker processes of `run` on this host, under one supervisor; auto: one for each core that affinity and cgroup leave us.",
    )
    web_bind: str = _operations(
        kinds.TEXT, "127.0.0.1", "Address for probes, metrics and status; 0.0.0.0 opens them to the network."
    )
    web_port: int = _operations(
        kinds.between(kinds.INTEGER, 0, 65_535), "6066", "Port for the same; 0: any free one, logged at start."
    )
    web_token: Secret | None = _operations(
        kinds.secret(16), "", "Bearer token for pages with contact data; empty: no such pages."
    )
    log_format: Literal["json", "text"] = _operations(
        kinds.choice("json", "text"), "json", "JSON lines, or text for people."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _operations(
        kinds.choice("DEBUG", "INFO", "WARNING", "ERROR"),
        "INFO",
        "Least level that is logged; INFO is silent per event.",
    )

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = _security(
        kinds.choice("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"), "PLAINTEXT", "How brokers are spoken to."
    )
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = _security(
        kinds.choice("", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"), "", "How we log in; needed with SASL_*."
    )
    sasl_username: str = _security(kinds.TEXT, "", "User name for SASL.")
    sasl_password: Secret | None = _security(kinds.secret(), "", "Password for SASL.")
    ssl_ca_location: str = _security(
        kinds.PATH, "", "CA certificates (PEM) that may sign brokers; empty: the system's."
    )
    ssl_certificate_location: str = _security(kinds.PATH, "", "Our certificate (PEM), when brokers ask for one.")
    ssl_key_location: str = _security(kinds.PATH, "", "The private key (PEM) of our certificate.")
    ssl_key_password: Secret | None = _security(kinds.secret(), "", "Password of that private key.")

    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """By field: `default`, or the variable that gave the value (LEADSCORE_..., LEADSCORE_..._FILE)."""

    @property
    def changelog_topic(self) -> str:
        """Topic that every change of state is written to, and read back from when the local state is gone."""
        return f"{self.app_id}-contacts-changelog"

    def shown(self) -> Iterator[tuple[Variable, str, str]]:
        """Yield each setting, its value as text (secrets hidden), and its origin."""
        for variable in VARIABLES:
            yield variable, variable.kind.show(getattr(self, variable.field)), self.origins.get(variable.field, "code")


def _declared() -> Iterator[Variable]:
    for one in fields(Settings):
        if one.default_factory is MISSING:
            described = one.metadata
            yield Variable(
                field=one.name,
                name=PREFIX + one.name.removesuffix("_ms").upper(),
                kind=described["kind"],
                default=described["default"],
                section=described["section"],
                help=described["help"],
            )


VARIABLES: tuple[Variable, ...] = tuple(_declared())
"""All settings in the order of the reference."""
