-- Everything that a batch writes into one partition, in order: all of it or nothing. This is the beginning of the script; the
-- items follow in other files, and `end.lua` makes them.
-- KEYS[1]: the partition's facts. All other keys are made here from its prefix: they have its hash tag.
-- ARGV: epoch, who writes, the number of its connection, publish command, window of ids and their life in ms, maximum entries of an
-- inbox, a group and a broadcast, the answer that goes before the first item, and the items: a letter and its arguments.
-- Returns an answer for each item. Fewer answers than items: the rest was not done, and the caller has to do something first.
local call = redis.call
local prefix = string.sub(KEYS[1], 1, -2)
local meta = call('HMGET', KEYS[1], 'e', 'n', 'names', 'w')
if meta[1] ~= ARGV[1] then return redis.error_reply('EPOCH another epoch has begun') end
local fence = call('GET', prefix .. 'f:' .. ARGV[2])
if fence and fence ~= ARGV[3] then return redis.error_reply('FENCED a newer connection of this process writes') end
local span, life = tonumber(ARGV[5]), ARGV[6]
local most = { i = tonumber(ARGV[7]), g = tonumber(ARGV[8]), b = tonumber(ARGV[9]) }
local carry, at, total = ARGV[10], 11, #ARGV
local touched, channels = {}, {}
local stop = false
-- What an attach was decided by has changed: the rest of it is left out.
local skip = carry == '#' or carry == '-'
local last_record, last_body

local function take(count)
  at = at + count
  return unpack(ARGV, at - count, at - 1)
end

local function integer(number) return string.format('%d', number) end

local function touch(stream)
  if not touched[stream] then touched[stream] = true channels[#channels + 1] = stream end
end

-- What is true of a stream beside its entries has changed.
local function changed(stream)
  touch(stream)
  return call('HINCRBY', prefix .. 's:' .. stream, 'v', 1)
end

-- The window in which an id of this time is kept. It never goes back, so that hubs whose clocks differ look at the same ones.
local function window(now)
  local number = math.floor(tonumber(now) / span)
  local newest = tonumber(meta[4] or -1)
  if number <= newest then return newest end
  meta[4] = number
  call('HSET', KEYS[1], 'w', integer(number))
  return number
end

local function ids(stream, number) return prefix .. 'd:' .. stream .. ':' .. integer(number) end

-- Earlier epochs of a stream, as `epochs::lineage`: those that began since its last entry kept all of it.
local function lineage(head, number, kept)
  local missed, list = tonumber(meta[2]) - tonumber(number or 0), {}
  for name in string.gmatch(meta[3] or '', '[^,]+') do
    if #list == missed then break end
    list[#list + 1] = name .. ':' .. integer(head)
  end
  for one in string.gmatch(kept or '', '[^,]+') do
    if #list == 8 then break end
    list[#list + 1] = one
  end
  return table.concat(list, ',')
end

-- Gives an entry the next position of a stream.
local function push(stream, now, record, body)
  local key = prefix .. 's:' .. stream
  local is = call('HMGET', key, 'h', 'f', 'g', 'l')
  local head, floor = tonumber(is[1] or 0), tonumber(is[2] or 1)
  local seq = head + 1
  local text = integer(seq)
  call('XADD', prefix .. 'e:' .. stream, text, 'h', record, 'b', body)
  if is[3] == meta[2] then
    call('HSET', key, 'h', text)
  else
    call('HSET', key, 'h', text, 'g', meta[2], 'l', lineage(head, is[3], is[4]))
  end
  if seq == floor then call('ZADD', prefix .. 't', now, stream) end
  if seq - floor >= most[string.sub(stream, 1, 1)] then call('SADD', prefix .. 'over', stream) end
  touch(stream)
  return text
end

-- What each letter does.
local items = {}
