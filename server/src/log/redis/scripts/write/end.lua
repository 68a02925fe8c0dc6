-- Makes the items, and tells those who listen where the streams stand that were touched.

-- The attach that follows is made only if nothing has changed of what it was decided by ('#': it has).
function items.B()
  local inbox, version, device, record = take(4)
  local kept = device ~= '' and call('HGET', prefix .. 'v:' .. inbox, device) or ''
  if (call('HGET', prefix .. 's:' .. inbox, 'v') or '0') ~= version or kept ~= record then
    skip = true
    return '#'
  end
  skip = false
  return ''
end

local out = {}
while at <= total and not stop do
  carry = items[take(1)]()
  out[#out + 1] = carry
  if type(carry) == 'table' then carry = carry[1] end
end
for _, stream in ipairs(channels) do
  local is = call('HMGET', prefix .. 's:' .. stream, 'h', 'v')
  call(ARGV[4], prefix .. 'c:' .. stream, 'T' .. struct.pack('>B', #meta[1]) .. meta[1]
    .. struct.pack('>I8', tonumber(is[1] or 0)) .. struct.pack('>I8', tonumber(is[2] or 0)))
end
return out
