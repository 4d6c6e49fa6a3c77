"""Settings from a mapping: what is given, what is assumed, and one report of everything that is wrong."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import pytest

from worker.errors import ConfigError
from worker.settings import VARIABLES, Secret, load_settings, require_for_run

LEAST = {"LEADSCORE_BROKERS": "kafka:9092"}
KEY = "0123456789abcdef0123456789abcdef"


def problems_of(**variables: str) -> list[tuple[str, str]]:
    """Return (variable, text) of each problem that loading reports; variables are given without their prefix."""
    environ = LEAST | {f"LEADSCORE_{name}": value for name, value in variables.items()}
    with pytest.raises(ConfigError) as refused:
        load_settings(environ)
    problems = refused.value.fields["problems"]
    assert isinstance(problems, list)
    for variable, text in problems:
        assert f"{variable}: {text}" in str(refused.value)
    return problems


def only_problem_of(**variables: str) -> str:
    ((variable, text),) = problems_of(**variables)
    return f"{variable}: {text}"


def test_brokers_alone_are_enough() -> None:
    settings = load_settings(LEAST)
    assert settings.brokers == ("kafka:9092",)
    assert settings.app_id == "lead-scoring"
    assert settings.input_topic == "lead-interactions"
    assert settings.qualifications_topic == "lead-qualifications"
    assert settings.scores_topic == "lead-scores"
    assert settings.dlq_topic == "lead-interactions-dlq"
    assert settings.changelog_topic == "lead-scoring-contacts-changelog"
    assert settings.store == "rocksdb://./state"
    assert settings.models == ("simple-100",)
    assert settings.guarantee == "exactly_once"
    assert settings.time == "wall"
    assert settings.max_skew_ms == 300_000
    assert (settings.emit_since_ms, settings.publish_tiers, settings.publish_model_changes) == (None, False, False)
    assert (settings.create_topics, settings.replication, settings.partitions) == (False, 3, 4)
    assert settings.instance_id == ""
    assert settings.session_timeout_ms == 10_000
    assert settings.cache_bytes == 80 << 20
    assert (settings.round_events, settings.round_events_catching_up, settings.round_bytes) == (
        2_000,
        20_000,
        8_388_608,
    )
    assert settings.low_latency is False
    assert settings.processes == 1
    assert settings.transaction_timeout_ms == 15_000
    assert settings.erasure_key is None
    assert (settings.web_bind, settings.web_port, settings.web_token) == ("127.0.0.1", 6066, None)
    assert (settings.log_format, settings.log_level) == ("json", "INFO")
    assert settings.security_protocol == "PLAINTEXT"
    assert set(settings.origins) == {variable.field for variable in VARIABLES}
    assert [field for field, origin in settings.origins.items() if origin != "default"] == ["brokers"]


def test_every_field_is_described_and_the_other_way_round() -> None:
    """If this fails, the reference lacks a setting."""
    fields = {field.name for field in dataclasses.fields(load_settings(LEAST))} - {"origins"}
    assert {variable.field for variable in VARIABLES} == fields
    assert all(variable.help.endswith((".", ".)")) and variable.section for variable in VARIABLES)


def test_values_are_read_in_their_units() -> None:
    settings = load_settings(
        {
            "LEADSCORE_BROKERS": "a:1, b:2,[::1]:9092",
            "LEADSCORE_MAX_SKEW": "90s",
            "LEADSCORE_EMIT_SINCE": "2026-03-01T01:00:00.5+01:00",
            "LEADSCORE_PUBLISH_TIERS": "yes",
            "LEADSCORE_PUBLISH_MODEL_CHANGES": "True",
            "LEADSCORE_SESSION_TIMEOUT": "1500ms",
            "LEADSCORE_ROUND_BYTES": "65536",
            "LEADSCORE_CREATE_TOPICS": "TRUE",
            "LEADSCORE_GUARANTEE": "AT_LEAST_ONCE",
            "LEADSCORE_LOG_LEVEL": "warning",
            "LEADSCORE_MODELS": "simple-100,./our-model.yaml",
            "LEADSCORE_WEB_PORT": "0",
            "LEADSCORE_STORE": " memory:// ",
        }
    )
    assert settings.brokers == ("a:1", "b:2", "[::1]:9092")
    assert (settings.max_skew_ms, settings.session_timeout_ms, settings.round_bytes) == (90_000, 1_500, 65_536)
    assert (settings.create_topics, settings.guarantee, settings.log_level) == (True, "at_least_once", "WARNING")
    assert settings.models == ("simple-100", "./our-model.yaml")
    assert settings.emit_since_ms == 1_772_323_200_500, "20,513 days after 1970 and half a second"
    assert (settings.publish_tiers, settings.publish_model_changes) == (True, True)
    assert (settings.web_port, settings.store) == (0, "memory://")


def test_empty_scores_topic_means_not_published() -> None:
    assert load_settings(LEAST | {"LEADSCORE_SCORES_TOPIC": ""}).scores_topic == ""


def test_empty_variable_is_as_good_as_none_where_empty_has_no_meaning() -> None:
    """Compose and Kubernetes files pass empty variables on."""
    settings = load_settings(LEAST | {"LEADSCORE_APP_ID": "", "LEADSCORE_WEB_PORT": " ", "LEADSCORE_ERASURE_KEY": ""})
    assert (settings.app_id, settings.web_port, settings.erasure_key) == ("lead-scoring", 6066, None)
    assert settings.origins["app_id"] == "default"


def test_dead_letter_topic_follows_the_input_topic_unless_named() -> None:
    assert load_settings(LEAST | {"LEADSCORE_INPUT_TOPIC": "x"}).dlq_topic == "x-dlq"
    assert load_settings(LEAST | {"LEADSCORE_DLQ_TOPIC": "bad"}).dlq_topic == "bad"


def test_all_problems_are_in_one_report() -> None:
    """An operator should not have to restart once for each mistake."""
    found = problems_of(BROKERS="kafka", WEB_PORT="99999", STORE="redis:x", TIME="now", LOG_LEVLE="INFO")
    assert [variable.removeprefix("LEADSCORE_") for variable, _ in found] == [
        "LOG_LEVLE",
        "BROKERS",
        "TIME",
        "STORE",
        "WEB_PORT",
    ]


def test_report_is_a_configuration_error_that_survives_pickling() -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings({})
    assert refused.value.exit_code == 78
    assert "LEADSCORE_BROKERS: not set" in str(refused.value)
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)  # noqa: S301  our own bytes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BROKER", "did you mean LEADSCORE_BROKERS?"),
        ("ERASURE_KEY_FIEL", "did you mean LEADSCORE_ERASURE_KEY_FILE?"),
        ("WEB_PROT", "did you mean LEADSCORE_WEB_PORT?"),
        ("EPOCH_OF_JAZZ_AND_BLUES", "remove it"),
        ("WEB_PORT_FILE", "did you mean LEADSCORE_WEB_PORT?"),
    ],
)
def test_unknown_variable_is_refused_with_the_nearest_name(name: str, expected: str) -> None:
    assert only_problem_of(**{name: "1"}) == f"LEADSCORE_{name}: not a setting; {expected}"


@pytest.mark.parametrize(
    "name",
    [
        "LEADSCORE_PORT",
        "LEADSCORE_SERVICE_HOST",
        "LEADSCORE_PORT_6066_TCP_ADDR",
        "LEADSCORE_TEST_BROKERS",
        "LEADSCOREX",
        "PATH",
    ],
)
def test_variables_that_are_not_ours_are_left_alone(name: str) -> None:
    """Kubernetes adds such variables to every pod beside a service named leadscore."""
    load_settings(LEAST | {name: "tcp://10.0.0.1:6066"})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("BROKERS", "kafka", "'kafka' is not a list of brokers"),
        ("BROKERS", "kafka:0", "not a list of brokers"),
        ("BROKERS", "kafka:65536", "not a list of brokers"),
        ("BROKERS", "PLAINTEXT://kafka:9092", "not a list of brokers"),
        ("BROKERS", "a:1,,b:1", "an empty entry between commas"),
        ("BROKERS", "a:1,a:1", "an entry twice"),
        ("APP_ID", "our scoring", "not a name that Kafka takes"),
        ("INPUT_TOPIC", "..", "not a name that Kafka takes"),
        ("INPUT_TOPIC", "x" * 250, "not a name that Kafka takes"),
        ("MAX_SKEW", "5", "not a duration"),
        ("MAX_SKEW", "-5m", "not a duration"),
        ("MAX_SKEW", "5 minutes", "not a duration"),
        ("SESSION_TIMEOUT", "10m", "out of range; write 1s to 5m"),
        ("ROUND_BYTES", "8MB", "not a size"),
        ("ROUND_BYTES", "1KiB", "out of range; write 64KiB to 256MiB"),
        ("ROUND_EVENTS", "2e3", "not a whole number"),
        ("ROUND_EVENTS", "0", "out of range; write 1 to 1000000"),
        ("ROUND_EVENTS", "20001", "below LEADSCORE_ROUND_EVENTS"),
        ("LOW_LATENCY", "maybe", "neither true nor false"),
        ("EMIT_SINCE", "2026-03-01", "no instant with offset; write 2026-03-01T00:00:00Z"),
        ("EMIT_SINCE", "2026-03-01T00:00:00", "no instant with offset"),
        ("EMIT_SINCE", "1772323200000", "no instant with offset"),
        ("EMIT_SINCE", "yesterday", "no instant with offset"),
        ("PUBLISH_TIERS", "hot", "neither true nor false"),
        ("PUBLISH_MODEL_CHANGES", "2", "neither true nor false"),
        ("GUARANTEE", "maybe_once", "write one of exactly_once, at_least_once"),
        ("STORE", "rocksdb://", "not a store"),
        ("STORE", "memory://x", "not a store"),
        ("SCORES_TOPIC", "lead-interactions", "is also LEADSCORE_INPUT_TOPIC"),
        ("INPUT_TOPIC", "lead-qualifications", "is also LEADSCORE_INPUT_TOPIC"),
        ("ERASURE_KEY", "short", "5 bytes long; use 16 to 64"),
        ("ERASURE_KEY", "x" * 65, "65 bytes long; use 16 to 64"),
        ("WEB_TOKEN", "short", "5 bytes long"),
        ("SASL_USERNAME", "joe", "without effect with LEADSCORE_SECURITY_PROTOCOL PLAINTEXT"),
        ("SSL_CA_LOCATION", "/ca.pem", "without effect with LEADSCORE_SECURITY_PROTOCOL PLAINTEXT"),
    ],
)
def test_value_that_cannot_be_used_is_refused_with_what_to_write(name: str, value: str, expected: str) -> None:
    assert expected in only_problem_of(**{name: value})


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, ["SASL_MECHANISM", "SASL_USERNAME", "SASL_PASSWORD"]),
        ({"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SASL_MECHANISM": "PLAIN", "SASL_USERNAME": "u"}, ["SASL_PASSWORD"]),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_CA_LOCATION": "/no/such/file"}, ["SSL_CA_LOCATION"]),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_KEY_LOCATION": __file__}, ["SSL_CERTIFICATE_LOCATION"]),
    ],
)
def test_security_that_is_half_given_is_refused(variables: dict[str, str], names: list[str]) -> None:
    assert [variable.removeprefix("LEADSCORE_") for variable, _ in problems_of(**variables)] == names


def test_security_takes_librdkafkas_names() -> None:
    variables = {
        "SECURITY_PROTOCOL": "sasl_ssl",
        "SASL_MECHANISM": "scram-sha-512",
        "SASL_USERNAME": "joe",
        "SASL_PASSWORD": "geheim",
        "SSL_CA_LOCATION": __file__,
    }
    settings = load_settings(LEAST | {f"LEADSCORE_{name}": value for name, value in variables.items()})
    assert (settings.security_protocol, settings.sasl_mechanism, settings.sasl_username) == (
        "SASL_SSL",
        "SCRAM-SHA-512",
        "joe",
    )
    assert settings.sasl_password == Secret("geheim")


def test_an_instant_is_shown_in_utc_and_an_empty_one_is_none() -> None:
    """What is shown is copied into files: another zone there would keep back an hour more, or less."""
    given = load_settings(LEAST | {"LEADSCORE_EMIT_SINCE": "2026-03-01T01:00:00+01:00"})
    shown = {variable.field: value for variable, value, _ in given.shown()}
    assert shown["emit_since_ms"] == "2026-03-01T00:00:00.000Z"
    again = load_settings(LEAST | {"LEADSCORE_EMIT_SINCE": shown["emit_since_ms"]})
    assert again.emit_since_ms == given.emit_since_ms
    assert load_settings(LEAST | {"LEADSCORE_EMIT_SINCE": " "}).emit_since_ms is None


def test_secret_is_read_from_a_file_without_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY.encode() + b"\r\n")
    settings = load_settings(LEAST | {"LEADSCORE_ERASURE_KEY_FILE": str(tmp_path / "key")})
    assert settings.erasure_key is not None
    assert settings.erasure_key.reveal() == KEY
    assert settings.origins["erasure_key"] == "LEADSCORE_ERASURE_KEY_FILE"


def test_secret_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    text = only_problem_of(ERASURE_KEY=KEY, ERASURE_KEY_FILE=str(tmp_path / "key"))
    assert text == "LEADSCORE_ERASURE_KEY_FILE: set together with LEADSCORE_ERASURE_KEY; keep one of them"


@pytest.mark.parametrize(
    ("content", "expected"), [(None, "No such file"), (b"", "is empty"), (b"\xff\xfe" * 10, "not UTF-8")]
)
def test_secret_file_that_cannot_be_used_is_refused(tmp_path: Path, content: bytes | None, expected: str) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    assert expected in only_problem_of(ERASURE_KEY_FILE=str(tmp_path / "key"))


def test_secrets_are_seen_nowhere() -> None:
    """If this fails, a password lies in somebody's log search."""
    secrets = {
        variable.name: f"canary-{variable.field}-{'x' * 20}" for variable in VARIABLES if variable.kind.is_secret
    }
    protocol = {
        "LEADSCORE_SECURITY_PROTOCOL": "SASL_SSL",
        "LEADSCORE_SASL_MECHANISM": "PLAIN",
        "LEADSCORE_SASL_USERNAME": "u",
        "LEADSCORE_STORE": "redis://u@cache",
    }
    settings = load_settings(LEAST | protocol | secrets)
    shown = "".join(value for _, value, _ in settings.shown())
    assert "canary" not in repr(settings) + str(settings) + shown
    assert shown.count("****") == len(secrets)
    with pytest.raises(ConfigError) as refused:
        load_settings(secrets | {"LEADSCORE_ERASURE_KEY": "canary" * 20})
    assert "canary" not in str(refused.value) + repr(refused.value.fields)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_settings(LEAST).app_id = "other"  # type: ignore[misc]


def test_run_demands_the_erasure_key_and_other_commands_do_not() -> None:
    with pytest.raises(ConfigError, match="LEADSCORE_ERASURE_KEY: not set") as refused:
        require_for_run(load_settings(LEAST))
    assert refused.value.exit_code == 78
    require_for_run(load_settings(LEAST | {"LEADSCORE_ERASURE_KEY": KEY}))


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_what_is_shown_can_be_given_again(variable: object) -> None:
    """`leadscore settings` is copied into files; every default shown must parse to the same value."""
    settings = load_settings(LEAST)
    for described, shown, _ in settings.shown():
        if described == variable:
            assert described.kind.parse(shown) == getattr(settings, described.field)


@pytest.mark.parametrize(
    ("text", "value", "shown"), [("1", 1, "1"), ("256", 256, "256"), ("auto", 0, "auto"), ("0", 0, "auto")]
)
def test_processes_are_a_number_or_as_many_as_there_are_cores(text: str, value: int, shown: str) -> None:
    settings = load_settings(LEAST | {"LEADSCORE_PROCESSES": text})
    assert settings.processes == value
    assert {variable.field: shown for variable, shown, _ in settings.shown()}["processes"] == shown


@pytest.mark.parametrize("text", ["-1", "257", "two", "1.5"])
def test_no_number_of_processes_is_refused(text: str) -> None:
    assert "write 1 to 256, or auto" in only_problem_of(PROCESSES=text)
