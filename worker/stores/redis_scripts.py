"""
What has to happen in Redis in one step, as scripts. Redis runs a script alone and logs its writes as one transaction: a crash in the
middle leaves nothing, a replica or an append-only file holds all of it or nothing.

Each script looks before it writes, keys of the wrong kind included: an error after the first write would not be undone.
"""

from __future__ import annotations

import hashlib
from typing import Any

from redis.exceptions import NoScriptError

from worker.stores.redis_connection import Client


class Script:
    """One script, called by its digest and loaded when the server does not know it: at first, and after a restart or failover."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()  # the name that Redis gives it

    def load(self, client: Client) -> None:
        """Make the server of *client* know it."""
        client.call("SCRIPT", "LOAD", self._text)

    def call(self, client: Client, keys: tuple[str, ...], arguments: list[Any]) -> Any:  # noqa: ANN401
        """Return the script's answer."""
        command = self.command(keys, arguments)
        try:
            return client.call(*command)
        except NoScriptError:
            self.load(client)
            return client.call(*command)

    def command(self, keys: tuple[str, ...], arguments: list[Any]) -> tuple[Any, ...]:
        """Return the command that calls it, where the server knows it."""
        return ("EVALSHA", self._digest, len(keys), *keys, *arguments)


OPEN = Script(
    """
-- KEYS: contacts, due. ARGV: owner, anchor. Takes the partition over; what is not complete is thrown away whole.
local has_contacts = redis.call('HEXISTS', KEYS[1], 'm:owner') == 1
local has_due = redis.call('ZSCORE', KEYS[2], ARGV[2])
local answer = 'kept'
if not (has_contacts and has_due) then
  answer = redis.call('UNLINK', KEYS[1], KEYS[2]) > 0 and 'rebuilt' or 'new'
  redis.call('ZADD', KEYS[2], 0, ARGV[2])
end
redis.call('HSET', KEYS[1], 'm:owner', ARGV[1])
return {answer, redis.call('HEXISTS', KEYS[1], 'm:loading'), redis.call('HGET', KEYS[1], 'm:offset')}
"""
)
"""Answers ``kept``, ``new`` or ``rebuilt``, whether a load has not ended, and the changelog offset."""

WRITE = Script(
    """
-- KEYS: contacts, due. ARGV: owner, anchor, expected offset, new offset, the numbers of arguments for puts, deletes and removed due
-- entries, then these, then the added due entries.
local at = redis.call('HMGET', KEYS[1], 'm:owner', 'm:offset')
if not at[1] or not redis.call('ZSCORE', KEYS[2], ARGV[2]) then return {'gone'} end
if at[1] ~= ARGV[1] then
  redis.call('HINCRBY', KEYS[1], 'm:refused', 1)
  return {'taken'}
end
if (at[2] or '') ~= ARGV[3] then return {'moved', at[2]} end
local first = 8
local function each(command, key, count)
  local last = first + count - 1
  for from = first, last, 4000 do -- unpack takes fewer than 8,000; even, for pairs
    redis.call(command, key, unpack(ARGV, from, math.min(from + 3999, last)))
  end
  first = last + 1
end
each('HSET', KEYS[1], tonumber(ARGV[5]))
each('HDEL', KEYS[1], tonumber(ARGV[6]))
each('ZREM', KEYS[2], tonumber(ARGV[7]))
each('ZADD', KEYS[2], #ARGV - first + 1)
redis.call('HSET', KEYS[1], 'm:offset', ARGV[4])
return {'done'}
"""
)
"""Answers ``done``; or ``gone``, ``taken``, or ``moved`` and the offset found, and has then written nothing but a count of the taken."""

DUE = Script(
    """
-- KEYS: contacts, due. ARGV: end, how many at most, the anchor among them.
local at = redis.call('HMGET', KEYS[1], 'm:owner', 'm:offset')
return {at[1], at[2], redis.call('ZRANGEBYLEX', KEYS[2], '-', ARGV[1], 'LIMIT', 0, ARGV[2])}
"""
)
"""Answers owner, offset and members, soonest first. No transaction: those are refused whole when memory is full, reads too."""

SCAN = Script(
    """
-- KEYS: contacts. ARGV: cursor, how many at least. The fields alone: HSCAN would send the values too.
local found = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local answer = {redis.call('HGET', KEYS[1], 'm:owner'), found[1]}
for at = 1, #found[2], 2 do answer[#answer + 1] = found[2][at] end
return answer
"""
)
"""Answers owner, next cursor and fields, each at least once over all calls."""

MARK = Script(
    """
-- KEYS: contacts, due. ARGV: owner, anchor, offset, mark of the load expected, new mark: none ends the load, any other one begins a
-- pass over what was loaded and empties the due index.
local at = redis.call('HMGET', KEYS[1], 'm:owner', 'm:offset', 'm:loading')
if not at[1] or not redis.call('ZSCORE', KEYS[2], ARGV[2]) then return {'gone'} end
if at[1] ~= ARGV[1] then return {'taken'} end
if (at[2] or '') ~= ARGV[3] then return {'moved', at[2] or ''} end
if at[3] == ARGV[4] then
  if ARGV[5] == '' then
    redis.call('HDEL', KEYS[1], 'm:loading')
  else
    redis.call('UNLINK', KEYS[2])
    redis.call('ZADD', KEYS[2], 0, ARGV[2])
    redis.call('HSET', KEYS[1], 'm:loading', ARGV[5])
  end
end
return {'done', at[3] or ''}
"""
)
"""Answers ``done`` and the mark found; where that is not the one expected, nothing was changed. Or as WRITE, without counting."""

ALL = (DUE, MARK, OPEN, SCAN, WRITE)
