"""The steps of the Redis inbox as Lua scripts: each happens whole or not at all.

A script that fails half-way keeps what it has written. So in each of them what can fail comes
first: a key of the wrong type is set aside before anything is read from it, what needs memory is
written before anything is taken away, and a lane is let go of only when it can be found again.

Keys, after the prefix: ``update:ID`` a hash (payload, received, lane, progress) whose payload goes
when it is done; ``lane:CHAT`` a list of ids; ``ready`` and ``first`` sorted sets of lanes by the
time from which they can be claimed (``first`` has those of `Rules.first`); ``leases`` by the time
they end; ``fences`` the numbers that prove them; ``open`` the ids that are not done; ``full`` lanes
whose last update said that there are too many; ``done`` finished ids in order; ``dead`` and
``dead_at`` the dead letters; ``moves`` a hash, what a chat became. ARGV[1] is always
`Rules.first`, as ``,1,2,``.
"""

from typing import Final

from reference_bot.telegram_bot.inbox.model import KNOWN_FOR_SECONDS, MOST_DEAD

_START: Final = """
local p = KEYS[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function sound(name, kind)
  local key = p .. name
  local found = redis.call('TYPE', key)['ok']
  if found ~= 'none' and found ~= kind then
    local aside = p .. 'aside:' .. now .. ':' .. name
    redis.call('RENAME', key, aside)
    redis.call('EXPIRE', aside, 604800)
  end
  return key
end
local leases, fences = sound('leases', 'zset'), sound('fences', 'hash')
local open, full = sound('open', 'zset'), sound('full', 'hash')
local ready, first = sound('ready', 'zset'), sound('first', 'zset')
local function goes_first(lane)
  return string.find(ARGV[1], ',' .. lane .. ',', 1, true)
end
local function queue_of(lane)
  return goes_first(lane) and first or ready
end
local function wake(lane)
  local key = sound(goes_first(lane) and 'wake-first' or 'wake', 'list')
  redis.pcall('RPUSH', key, 1)
  redis.call('LTRIM', key, -256, -1)
end
"""
# ARGV: first, most waiting, notice, then id, lane and payload of each.
PUT: Final = (
    _START
    + f"""
local new, dropped = 0, 0
for i = 4, #ARGV, 3 do
  local id, lane = ARGV[i], ARGV[i + 1]
  local key, queue = sound('update:' .. id, 'hash'), sound('lane:' .. lane, 'list')
  if redis.call('EXISTS', key) == 0 then
    new = new + 1
    local waiting = redis.call('LLEN', queue)
    local over = tonumber(id) >= 0 and waiting >= tonumber(ARGV[2])
    if over and redis.call('HSETNX', full, lane, now) == 0 then
      dropped = dropped + 1
      redis.call('HSET', key, 'received', now, 'outcome', 'dropped')
      redis.call('EXPIRE', key, {KNOWN_FOR_SECONDS})
    else
      redis.call('ZADD', open, now, id)
      redis.call('HSET', key, 'payload', ARGV[i + 2], 'received', now, 'lane', lane)
      if over then redis.call('HSET', key, 'progress', ARGV[3]) end
      redis.call('RPUSH', queue, id)
      if waiting == 0 and not redis.call('ZSCORE', leases, lane) then
        redis.call('ZADD', queue_of(lane), now, lane)
        wake(lane)
      end
    end
  end
end
return {{new, dropped}}
"""
)
# ARGV: first, lease in ms, 1 to take over expired leases, 1 for the lanes that go first.
# Returns nothing, or the wait in ms, or a job.
CLAIM: Final = (
    _START
    + """
if ARGV[3] == '1' then
  local expired = redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 64)
  for _, lane in ipairs(expired) do
    if redis.call('EXISTS', sound('lane:' .. lane, 'list')) == 1 then
      redis.call('ZADD', queue_of(lane), now, lane)
    end
    redis.call('ZREM', leases, lane)
    redis.call('HDEL', fences, lane)
  end
end
local from = ARGV[4] == '1' and first or ready
local head = redis.call('ZRANGE', from, 0, 0, 'WITHSCORES')
if #head == 0 then return {} end
local lane, at = head[1], tonumber(head[2])
if at > now then return {at - now} end
if not string.match(lane, '^-?%d+$') then
  redis.call('ZREM', from, lane)
  return {0}
end
local queue = sound('lane:' .. lane, 'list')
local id = redis.call('LINDEX', queue, 0)
if not id then
  redis.call('ZREM', from, lane)
  return {0}
end
if not string.match(id, '^-?%d+$') then
  redis.call('LPOP', queue)
  return {0}
end
local update = redis.call(
  'HMGET', sound('update:' .. id, 'hash'), 'payload', 'received', 'progress')
-- The counter only grows, also when somebody has removed it or written something else there.
local counter = sound('fence', 'string')
local fence = redis.pcall('INCR', counter)
if type(fence) ~= 'number' or fence < 1000000000000 then
  fence = now
  redis.call('SET', counter, fence)
end
local proof = string.format('%.0f', fence)
redis.call('HSET', fences, lane, proof)
redis.call('ZADD', leases, now + ARGV[2], lane)
redis.call('ZREM', from, lane)
local received = tonumber(update[2]) or now
return {
  lane, id, proof, update[1], string.format('%.0f', received), update[3] or '', now - received
}
"""
)
_FENCED: Final = (
    _START
    + """
local lane, fence = ARGV[2], ARGV[3]
if redis.call('HGET', fences, lane) ~= fence then return 0 end
"""
)
# ARGV: first, lane, fence, id, progress.
RECORD: Final = (
    _FENCED
    + """
redis.call('HSET', sound('update:' .. ARGV[4], 'hash'), 'progress', ARGV[5])
return 1
"""
)
# ARGV: first, lane, fence, id, outcome, most known, most waiting. A Redis without memory left
# refuses to write: what ends an update only takes away.
FINISH: Final = (
    _FENCED
    + f"""
local id = ARGV[4]
local key, queue = sound('update:' .. id, 'hash'), sound('lane:' .. lane, 'list')
local done = sound('done', 'list')
if redis.call('LINDEX', queue, 0) == id then redis.call('LPOP', queue) end
if redis.call('LLEN', queue) * 2 < tonumber(ARGV[7]) then redis.call('HDEL', full, lane) end
redis.call('ZREM', open, id)
redis.call('HDEL', key, 'payload', 'progress', 'lane')
redis.pcall('HSET', key, 'outcome', ARGV[5])
redis.call('EXPIRE', key, {KNOWN_FOR_SECONDS})
redis.pcall('RPUSH', done, id)
for _ = 1, math.min(16, redis.call('LLEN', done) - ARGV[6]) do
  local old = p .. 'update:' .. redis.call('LPOP', done)
  if redis.pcall('HEXISTS', old, 'payload') == 0 then redis.call('UNLINK', old) end
end
return 1
"""
)
# ARGV: first, lane, fence, id, letter.
BURY: Final = (
    _FENCED
    + f"""
local dead, dead_at = sound('dead', 'hash'), sound('dead_at', 'zset')
redis.call('HSET', dead, ARGV[4], ARGV[5])
redis.call('ZADD', dead_at, now, ARGV[4])
for _, id in ipairs(redis.call('ZRANGE', dead_at, 0, -{MOST_DEAD} - 1)) do
  redis.call('HDEL', dead, id)
  redis.call('ZREM', dead_at, id)
end
return 1
"""
)
# ARGV: first, lane, fence, delay in ms.
RELEASE: Final = (
    _FENCED
    + """
if redis.call('EXISTS', sound('lane:' .. lane, 'list')) == 1 then
  redis.call('ZADD', queue_of(lane), now + ARGV[4], lane)
  wake(lane)
end
redis.call('ZREM', leases, lane)
redis.call('HDEL', fences, lane)
return 1
"""
)
# ARGV: first, lease in ms, then lane and fence of each lease. Returns the figures for `backlog`.
RENEW: Final = (
    _START
    + """
for i = 3, #ARGV, 2 do
  if redis.call('HGET', fences, ARGV[i]) == ARGV[i + 1] then
    redis.call('ZADD', leases, now + ARGV[2], ARGV[i])
  end
end
local oldest = redis.call('ZRANGE', open, 0, 0, 'WITHSCORES')
local waited = 0
for _, queue in ipairs({ready, first}) do
  local head = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
  if head[2] then waited = math.max(waited, now - head[2]) end
end
return {
  redis.call('ZCARD', open),
  oldest[2] and now - oldest[2] or 0,
  waited,
  redis.call('HLEN', sound('dead', 'hash'))
}
"""
)
# ARGV: first, where in `open` to begin, how many. Puts right what does not fit together: an update
# that waits while its lane cannot be claimed and nobody has it. Returns how many were mended, and
# the ids of those that Redis has no payload of any more.
SWEEP: Final = (
    _START
    + """
local mended, lost = 0, {}
local ids = redis.call('ZRANGE', open, ARGV[2], ARGV[2] + ARGV[3] - 1)
for _, id in ipairs(ids) do
  local found = redis.call('HMGET', sound('update:' .. id, 'hash'), 'lane', 'payload', 'outcome')
  local lane = found[1]
  if not found[2] then
    if not found[3] then lost[#lost + 1] = id end
    redis.call('ZREM', open, id)
  elseif lane and not redis.call('ZSCORE', leases, lane) then
    local queue = sound('lane:' .. lane, 'list')
    local there = redis.call('LPOS', queue, id)
    if not there then redis.call('RPUSH', queue, id) end
    if not there or not redis.call('ZSCORE', queue_of(lane), lane) then
      mended = mended + 1
      redis.call('ZADD', queue_of(lane), now, lane)
      wake(lane)
    end
  end
end
return {#ids, mended, unpack(lost)}
"""
)
# ARGV: first, and the old and the new id of a chat that moved, if one has. What is kept of all.
MOVES: Final = (
    _START
    + """
local moves = sound('moves', 'hash')
local fresh = ARGV[2] and redis.call('HSETNX', moves, ARGV[2], ARGV[3]) or 0
return {fresh, redis.call('HGETALL', moves)}
"""
)
