-- A sign of life of a hub, as `Claims::beat`, by the clock of this server.
-- ARGV: incarnation, lease in ms, facts, longest gap, after which a dead hub is forgotten, leave (1/0).
-- Returns the time, whether it lived, and who is alive: incarnation, facts, and so on.
local call = redis.call
local prefix = string.sub(KEYS[1], 1, -2)
local nodes, facts = prefix .. 'nodes', prefix .. 'facts'
local function integer(number) return string.format('%d', number) end
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = tonumber(call('HGET', facts, 'last') or now)
now = math.max(now, last)
if now - last > tonumber(ARGV[4]) then
  for _, node in ipairs(call('ZRANGE', nodes, 0, -1)) do call('ZINCRBY', nodes, integer(now - last), node) end
end
local lease = call('ZSCORE', nodes, ARGV[1])
local lived = not lease or tonumber(lease) > now
call('HSET', facts, 'last', integer(now))
if ARGV[6] == '1' then
  call('ZREM', nodes, ARGV[1])
  call('HDEL', facts, ARGV[1])
else
  call('ZADD', nodes, integer(now + tonumber(ARGV[2])), ARGV[1])
  call('HSET', facts, ARGV[1], ARGV[3])
end
for _, node in ipairs(call('ZRANGEBYSCORE', nodes, '-inf', integer(now - tonumber(ARGV[5])))) do
  call('ZREM', nodes, node)
  call('HDEL', facts, node)
end
local out = { integer(now), lived and '1' or '0' }
for _, node in ipairs(call('ZRANGEBYSCORE', nodes, '(' .. integer(now), '+inf')) do
  out[#out + 1] = node
  out[#out + 1] = call('HGET', facts, node) or ''
end
return out
