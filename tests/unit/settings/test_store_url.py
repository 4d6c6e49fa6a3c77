"""URLs of Redis: what is read out of them, what is refused, and that no password in one is ever shown."""

from __future__ import annotations

import pytest

from worker.errors import ConfigError
from worker.settings import load_settings
from worker.settings.secret import Secret
from worker.settings.store_url import ServerUrl, hide_password, parse_server_url
from worker.stores import open_store

CANARY = "hunter2-canary"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", ServerUrl("redis", "cache", 6379, "", 0, "", None)),
        ("redis://cache:6380/", ServerUrl("redis", "cache", 6380, "", 0, "", None)),
        ("rediss://scorer@cache.example:1/15", ServerUrl("rediss", "cache.example", 1, "", 15, "scorer", None)),
        ("redis://:p%40ss@[::1]/2", ServerUrl("redis", "::1", 6379, "", 2, "", Secret("p@ss"))),
        ("redis+unix:///run/redis.sock", ServerUrl("redis+unix", "", 6379, "/run/redis.sock", 0, "", None)),
        ("redis+unix://a:b@/r.s?db=3", ServerUrl("redis+unix", "", 6379, "/r.s", 3, "a", Secret("b"))),
    ],
)
def test_url_is_read(url: str, expected: ServerUrl) -> None:
    assert parse_server_url(url) == expected


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://a:b@cache", "redis://cache:6379/0"),
        ("redis://[::1]:7/2", "redis://[::1]:7/2"),
        ("redis+unix://a:b@/r.s?db=3", "redis+unix:///r.s?db=3"),
    ],
)
def test_address_names_neither_user_nor_password(url: str, address: str) -> None:
    assert parse_server_url(url).address == address


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis://", "no host"),
        ("redis:///0", "no host"),
        ("redis://cache:port", "no port"),
        ("redis://cache:99999", "no port"),
        ("redis://cache:0", "no host"),
        ("redis://cache/x", "no database"),
        ("redis://cache/0/1", "no database"),
        ("redis://cache/0?db=1", "LEADSCORE_REDIS_"),
        ("redis://cache/0#x", "LEADSCORE_REDIS_"),
        ("redis+unix://cache", "three slashes"),
        ("redis+unix:///", "three slashes"),
        ("redis+unix:///a?timeout=1", "something other"),
        ("redis+unix:///a?db=1&db=2", "something other"),
        ("http://cache", "not a Redis URL"),
    ],
)
def test_url_that_cannot_be_read_is_refused_with_a_way_out(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_server_url(url)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://scorer:{CANARY}@cache/x",
        f"redis://:{CANARY}@cache:port",
        f"reddis://scorer:{CANARY}@cache",
        f"redis//scorer:{CANARY}@cache",
        f"scorer:{CANARY}@cache",
        f"redis://scorer:a@{CANARY}@cache/x",
        f"redis://scorer:a/{CANARY}@cache",
    ],
)
def test_password_in_a_url_that_is_refused_is_not_shown(url: str) -> None:
    """If this fails, a typing mistake brings the password into the logs of whoever collects them."""
    with pytest.raises(ConfigError) as refused:
        load_settings({"LEADSCORE_BROKERS": "k:9092", "LEADSCORE_STORE": url})
    assert "LEADSCORE_STORE" in str(refused.value)
    assert CANARY not in str(refused.value)
    with pytest.raises(ConfigError) as refused:
        open_store(url)
    assert CANARY not in str(refused.value)


def test_password_in_a_url_is_hidden_wherever_settings_are_shown() -> None:
    url = f"rediss://scorer:{CANARY}@cache:6380/1"
    settings = load_settings({"LEADSCORE_BROKERS": "k:9092", "LEADSCORE_STORE": url})
    shown = {variable.name: text for variable, text, _ in settings.shown()}
    assert shown["LEADSCORE_STORE"] == "rediss://scorer:****@cache:6380/1"
    assert CANARY not in repr(settings)
    assert CANARY not in repr(parse_server_url(url))
    assert CANARY not in hide_password(url)


@pytest.mark.parametrize("url", ["redis://cache:6379/0", "rocksdb://./state", "memory://", "redis://scorer@cache"])
def test_url_without_a_password_is_shown_as_it_is(url: str) -> None:
    assert hide_password(url) == url


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({"LEADSCORE_REDIS_PASSWORD": "x"}, "LEADSCORE_REDIS_PASSWORD"),
        ({"LEADSCORE_STORE": "redis://:a@cache", "LEADSCORE_REDIS_PASSWORD": "b"}, "LEADSCORE_REDIS_PASSWORD"),
        ({"LEADSCORE_STORE": "redis://cache", "LEADSCORE_REDIS_CA_LOCATION": "/ca"}, "LEADSCORE_REDIS_CA_LOCATION"),
        (
            {"LEADSCORE_STORE": "rediss://cache", "LEADSCORE_REDIS_CA_LOCATION": "/no/ca"},
            "LEADSCORE_REDIS_CA_LOCATION",
        ),
        (
            {"LEADSCORE_STORE": "rediss://cache", "LEADSCORE_REDIS_KEY_LOCATION": "/no/key"},
            "LEADSCORE_REDIS_CERTIFICATE_LOCATION",
        ),
        ({"LEADSCORE_STORE": "redis://cache", "LEADSCORE_REDIS_TIMEOUT": "10ms"}, "LEADSCORE_REDIS_TIMEOUT"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(environ: dict[str, str], variable: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings({"LEADSCORE_BROKERS": "k:9092", **environ})
    assert variable in [name for name, _ in refused.value.fields["problems"]]  # type: ignore[attr-defined]


def test_password_of_its_own_setting_is_a_secret() -> None:
    settings = load_settings(
        {"LEADSCORE_BROKERS": "k:9092", "LEADSCORE_STORE": "redis://scorer@cache", "LEADSCORE_REDIS_PASSWORD": CANARY}
    )
    assert settings.redis_password == Secret(CANARY)
    assert CANARY not in repr(settings)
