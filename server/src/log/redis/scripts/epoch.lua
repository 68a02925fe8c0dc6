-- What a new connection asks of a partition: its epoch, and whether one must begin.
-- ARGV: run id of the server, whether a restart of it loses nothing (1/0), name for a new epoch, format, number of partitions, who asks, the
-- number of its connection, whether the server was put back from a copy (1/0).
-- Returns epoch, its number, earlier epochs, and whether it began now (1/0).
local call, m = redis.call, KEYS[1]
local at = call('HMGET', m, 'e', 'run', 'n', 'names', 'format', 'p', 'safe')
if at[1] and (at[5] ~= ARGV[4] or at[6] ~= ARGV[5]) then
  return redis.error_reply('FORMAT ' .. (at[5] or '') .. ' ' .. (at[6] or ''))
end
call('SET', string.sub(m, 1, -2) .. 'f:' .. ARGV[6], ARGV[7], 'PX', 86400000)
local function begin(names)
  local n = string.format('%d', tonumber(at[3] or 0) + 1)
  call('HSET', m, 'e', ARGV[3], 'n', n, 'run', ARGV[1], 'names', names, 'format', ARGV[4], 'p', ARGV[5], 'safe', ARGV[2])
  return { ARGV[3], n, names, 1 }
end
if not at[1] then return begin('') end
-- Both processes, the one before and this one, must have kept everything.
if ARGV[8] == '1' or (at[2] ~= ARGV[1] and (ARGV[2] ~= '1' or at[7] ~= '1')) then
  -- One that was put back from a copy may have given positions a second time: then what clients name proves nothing.
  local list = { at[1] .. (ARGV[8] == '1' and ':0' or ':1') }
  for name in string.gmatch(at[4], '[^,]+') do if #list < 8 then list[#list + 1] = name end end
  return begin(table.concat(list, ','))
end
-- Once it was not safe, it is not until the next epoch.
call('HSET', m, 'run', ARGV[1], 'safe', at[7] == '1' and ARGV[2] or '0')
return { at[1], at[3], at[4], 0 }
