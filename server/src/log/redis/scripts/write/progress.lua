-- Items of read marks and of what was delivered.

-- Read mark: the one before.
function items.M()
  local inbox, conversation, seq, waiting, device = take(5)
  local key = prefix .. 'r:' .. inbox
  local before = call('HGET', key, conversation) or '0'
  if tonumber(seq) > tonumber(before) then
    call('HSET', key, conversation, seq)
    call('HSET', prefix .. 'w', waiting, seq .. ':' .. device)
  end
  return before
end

local function ranges(text)
  local parts = {}
  for after, to in string.gmatch(text, '(%d+)-(%d+)') do parts[#parts + 1] = { tonumber(after), tonumber(to) } end
  return parts
end

-- `Ranges::insert`, with as many parts at most.
local function insert(parts, after, to)
  if after >= to then return parts end
  local before, behind = {}, {}
  for _, part in ipairs(parts) do
    if part[2] < after then before[#before + 1] = part
    elseif part[1] > to then behind[#behind + 1] = part
    else after, to = math.min(after, part[1]), math.max(to, part[2]) end
  end
  before[#before + 1] = { after, to }
  for _, part in ipairs(behind) do before[#before + 1] = part end
  if #before > 256 then
    before[2][1] = before[1][1]
    table.remove(before, 1)
  end
  return before
end

-- Delivered: the positions that were not before, with commas between. '!': something kept is of an earlier epoch.
function items.R()
  local inbox, epoch, count = take(3)
  local key, given = prefix .. 'y:' .. inbox, {}
  for index = 1, tonumber(count) do given[index] = { take(4) } end
  local asked, number = {}, tonumber((take(1)))
  for index = 1, number do asked[index] = { take(2) } end
  if skip then return '-' end
  local function kept(stream, present)
    local text = call('HGET', key, stream)
    if not text then return {} end
    local of, rest = string.match(text, '^([^;]*);(.*)$')
    return of == present and ranges(rest)
  end
  local own = kept(inbox, epoch)
  local is_present = own
  for _, range in ipairs(given) do is_present = is_present and kept(range[1], range[2]) end
  if not is_present then
    stop = true
    return '!'
  end
  local fresh = {}
  for _, one in ipairs(asked) do
    local seq, is_in = tonumber(one[1]), false
    for _, part in ipairs(own) do is_in = is_in or (part[1] < seq and seq <= part[2]) end
    if not is_in and seq > tonumber(call('HGET', prefix .. 'r:' .. inbox, one[2]) or 0) then fresh[#fresh + 1] = one[1] end
  end
  for _, range in ipairs(given) do
    local parts = insert(kept(range[1], range[2]), tonumber(range[3]), tonumber(range[4]))
    for index, part in ipairs(parts) do parts[index] = integer(part[1]) .. '-' .. integer(part[2]) end
    call('HSET', key, range[1], range[2] .. ';' .. table.concat(parts, ','))
  end
  return table.concat(fresh, ',')
end

-- Replaces what was delivered of a stream, unless it has changed since it was read.
function items.G()
  local inbox, stream, before, after = take(4)
  local key = prefix .. 'y:' .. inbox
  if (call('HGET', key, stream) or '') == before then call('HSET', key, stream, after) end
  return ''
end
