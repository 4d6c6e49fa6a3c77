"""The connection to Redis: answers and questions stay together."""

from __future__ import annotations

import pytest
import redis

from tests.support.redis_server import RedisServer
from worker.settings.store_url import parse_server_url
from worker.stores.redis_access import RedisAccess
from worker.stores.redis_connection import connect

pytestmark = pytest.mark.usefixtures("redis_is_there")


def test_answers_stay_with_their_questions_after_an_error(server: RedisServer) -> None:
    """If this fails, a contact is given the state of another."""
    client = connect(parse_server_url(server.url), RedisAccess())
    server.ask("SET", "text", "x")
    try:
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            client.call_all([("HGET", "text", "a"), ("ECHO", "left"), ("ECHO", "over")])
        assert client.call("ECHO", "mine") == b"mine"
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            client.call_all([("ECHO", "first"), ("HGET", "text", "a")])
        assert client.call_all([("ECHO", "a"), ("ECHO", "b")]) == [b"a", b"b"]
    finally:
        client.disconnect()
        server.ask("DEL", "text")


def test_answers_behind_an_error_are_lost_and_known_to_be(server: RedisServer) -> None:
    """What was sent in between is asked for again; if this fails, it is answered with something else."""
    client = connect(parse_server_url(server.url), RedisAccess())
    server.ask("SET", "text", "x")
    lost = client.lost
    try:
        client.send([("HGET", "text", "a")])
        client.send([("ECHO", "behind")], behind=True)
        assert client.unanswered == 2
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            client.receive()
        assert (client.unanswered, client.lost) == (0, lost + 1)
        with pytest.raises(redis.ConnectionError, match="lost"):
            client.receive()
        assert client.call("ECHO", "mine") == b"mine"
    finally:
        client.disconnect()


def test_answers_that_nobody_took_are_nobodys(server: RedisServer) -> None:
    client = connect(parse_server_url(server.url), RedisAccess())
    try:
        client.send([("ECHO", "left"), ("ECHO", "over")])
        assert client.receive() == b"left"
        assert client.call("ECHO", "mine") == b"mine"
    finally:
        client.disconnect()
