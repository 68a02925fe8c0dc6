-- Forgets some of a partition that is due; the caller has looked what that is.
-- ARGV: what, and its arguments.
local call = redis.call
local prefix = string.sub(KEYS[1], 1, -2)
local what = ARGV[1]
-- A name that was put before another one, and the other one.
local function parts(joined)
  local _, colon, length = string.find(joined, '^(%d+):')
  return string.sub(joined, colon + 1, colon + length), string.sub(joined, colon + length + 1)
end
if what == 'stream' then
  -- ARGV: stream, new floor, time of the entry there ('': there is none), maximum of entries, now.
  local stream, floor = ARGV[2], tonumber(ARGV[3])
  local key = prefix .. 's:' .. stream
  local is = call('HMGET', key, 'h', 'f')
  local head = tonumber(is[1] or 0)
  if floor > tonumber(is[2] or 1) then
    call('XTRIM', prefix .. 'e:' .. stream, 'MINID', ARGV[3])
    call('HSET', key, 'f', ARGV[3])
  end
  if head < floor then
    call('ZREM', prefix .. 't', stream)
    call('DEL', prefix .. 'i:' .. stream)
  else
    -- One that came since may be a little older.
    call('ZADD', prefix .. 't', ARGV[4] == '' and ARGV[6] or ARGV[4], stream)
  end
  if head - floor < tonumber(ARGV[5]) then call('SREM', prefix .. 'over', stream) end
elseif what == 'device' then
  -- ARGV: user and device, last seen at most then.
  local inbox, device = parts(ARGV[2])
  local kept = call('HGET', prefix .. 'v:' .. inbox, device)
  if not kept or tonumber(string.match(kept, '^%d+:(%d+)')) < tonumber(ARGV[3]) then
    call('HDEL', prefix .. 'v:' .. inbox, device)
    call('DEL', prefix .. 'p:' .. ARGV[2])
    call('ZREM', prefix .. 'vt', ARGV[2])
  end
elseif what == 'member' then
  -- ARGV: group and user, ended at most then.
  local group, user = parts(ARGV[2])
  local score = tonumber(call('ZSCORE', prefix .. 'xt', ARGV[2]) or 0)
  if score < tonumber(ARGV[3]) then
    -- That of a member counts again when the membership ends.
    if call('HEXISTS', prefix .. 'g:' .. group, user) == 0 then call('HDEL', prefix .. 'x:' .. group, user) end
    call('ZREM', prefix .. 'xt', ARGV[2])
  end
else
  -- Claims of hubs that are dead for long. ARGV: inbox, its place in the list, then device and claim of each.
  local key = prefix .. 'c:' .. ARGV[2]
  for index = 4, #ARGV, 2 do
    if call('HGET', key, ARGV[index]) == ARGV[index + 1] then call('HDEL', key, ARGV[index]) end
  end
  if call('HLEN', key) == 0 then call('ZREM', prefix .. 'on', ARGV[3]) end
end
return 1
