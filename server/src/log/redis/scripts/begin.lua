-- Ends an epoch of a partition, unless another one is present. ARGV: the epoch to be ended, name for the new one.
-- Returns the present epoch, its number, and earlier ones.
local call, m = redis.call, KEYS[1]
local at = call('HMGET', m, 'e', 'n', 'names')
if at[1] ~= ARGV[1] then return at end
-- What clients name in it proves nothing.
local list = { at[1] .. ':0' }
for name in string.gmatch(at[3], '[^,]+') do if #list < 8 then list[#list + 1] = name end end
local n, names = string.format('%d', tonumber(at[2]) + 1), table.concat(list, ',')
call('HSET', m, 'e', ARGV[2], 'n', n, 'names', names)
return { ARGV[2], n, names }
