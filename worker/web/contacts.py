"""The page of one contact: for who has the token only, slow to flood, and named in no log, header or metric."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_to_bytes

import orjson
from aiohttp import web

from worker.cases.standing import key_of_contact

if TYPE_CHECKING:
    from worker.settings.secret import Secret

PREFIX = "/contacts/"
_SCHEME = "bearer"
_A_SECOND = 20.0  # look-ups; each is some ms of the loop that scores
_REFUSED_A_SECOND = 5.0  # guesses at the token


class Answer(NamedTuple):
    """What is known of a contact, or why nothing is said of it here."""

    status: int  # of HTTP
    document: dict[str, Any]


LookUp = Callable[[bytes], Answer]
"""Gives the answer for the key of a contact; must not block, and must not raise."""


class _Allowance:
    """Lets so many through a second, as many at once."""

    def __init__(self, a_second: float, clock: Callable[[], float]) -> None:
        self._a_second = a_second
        self._clock = clock
        self._left = a_second
        self._seen_at = clock()

    def takes(self) -> bool:
        """Whether one more may pass now."""
        now = self._clock()
        self._left = min(self._a_second, self._left + (now - self._seen_at) * self._a_second)
        self._seen_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class ContactPage:
    """
    Answers GET /contacts/{id}; it is not even there where no token is set.

    Args:
        token: What `Authorization: Bearer` has to say.
        look_up: Asked for a contact.
        count: Hears of the status of each answer.
        clock: Seconds that never go back.
    """

    def __init__(
        self, token: Secret, look_up: LookUp, count: Callable[[int], None], clock: Callable[[], float]
    ) -> None:
        self._token = token
        self._look_up = look_up
        self._count = count
        self._asked = _Allowance(_A_SECOND, clock)
        self._refused = _Allowance(_REFUSED_A_SECOND, clock)

    async def get(self, request: web.Request) -> web.Response:
        """Answer *request*."""
        answer = self._answer(request)
        self._count(answer.status)
        response = web.Response(
            status=answer.status, body=orjson.dumps(answer.document, option=orjson.OPT_INDENT_2),
            content_type="application/json",
        )  # fmt: skip
        if answer.status == 401:
            response.headers["WWW-Authenticate"] = 'Bearer realm="leadscore"'
        elif answer.status in {429, 503}:
            response.headers["Retry-After"] = "1"
        return response

    def _answer(self, request: web.Request) -> Answer:
        if not self._is_allowed(request.headers.getall("Authorization", [])):
            if not self._refused.takes():
                return _refusal(429, "too many requests without the token")
            return _refusal(401, "send the token of LEADSCORE_WEB_TOKEN as `Authorization: Bearer`")
        if not self._asked.takes():
            return _refusal(429, f"more than {_A_SECOND:g} requests a second")
        try:
            # The client's own bytes, decoded once: what a framework makes of them may be another contact.
            key = key_of_contact(unquote_to_bytes(request.rel_url.raw_path.removeprefix(PREFIX)).decode())
        except UnicodeDecodeError:
            return _refusal(400, "no contact has such an id: it is not UTF-8 text")
        except ValueError as error:
            return _refusal(400, f"no contact has such an id: {error}")
        return self._look_up(key)

    def _is_allowed(self, headers: list[str]) -> bool:
        """Whether the one Authorization header has the token; it takes as long for a wrong one, wherever it is wrong."""
        scheme, _, given = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
        token = self._token.reveal().encode()
        return (
            hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token) and scheme.lower() == _SCHEME
        )


def _refusal(status: int, problem: str) -> Answer:
    return Answer(status, {"problem": problem})
