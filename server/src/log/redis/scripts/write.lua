-- Everything that a batch writes into one partition, in order: all of it or nothing.
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

local items = {}

-- Append: 'S' seq (stored) | 'D' seq:time:copy (the same before) | 'X' (conflict) | 'N' (no member).
function items.A()
  local stream, copy, member, id, digest, now, record, body, waiting, passed = take(10)
  last_record, last_body = record, body
  local newest
  if id ~= '' then
    newest = window(now)
    local known = call('HGET', ids(stream, newest), id) or call('HGET', ids(stream, newest - 1), id)
    if known then
      local seq, time, copied, kept = string.match(known, '^(%d+):(%d+):(%d):(.*)$')
      -- `rules::outlived`
      if tonumber(now) - tonumber(time) <= span then
        if kept ~= digest then return 'X' end
        return 'D' .. seq .. ':' .. time .. ':' .. copied
      end
    end
  end
  if member ~= '' and call('HEXISTS', prefix .. 'g:' .. stream, member) == 0 then return 'N' end
  if waiting ~= '' then
    local mark = call('HGET', prefix .. 'w', waiting)
    if mark and tonumber(string.match(mark, '^%d+')) <= tonumber(passed) then call('HDEL', prefix .. 'w', waiting) end
  end
  local seq = push(stream, now, record, body)
  if id ~= '' then
    local key = ids(stream, newest)
    call('HSET', key, id, seq .. ':' .. now .. ':' .. copy .. ':' .. digest)
    call('PEXPIRE', key, life)
  end
  return 'S' .. seq
end

-- Where messages with an id went, in order: its length, the target, `seq:own;`.
local function each(list, visit)
  local from = 1
  while from <= #list do
    local _, colon, length = string.find(list, '^(%d+):', from)
    local target = string.sub(list, colon + 1, colon + length)
    local _, past, seq, own = string.find(list, '^(%d+):(%d+);', colon + length + 1)
    visit(target, seq, own, string.sub(list, from, past))
    from = past + 1
  end
end

-- After an append: the sender's copy, and where the message went. The position of the copy, or ''.
function items.C()
  local inbox, copy, id, target, now, same, record, body = take(8)
  if same == '1' then record, body = last_record, last_body end
  local what, seq, _, copied = string.match(carry, '^([SD])(%d+):?(%d*):?(%d*)')
  if not what then return '' end
  local newest = window(now)
  if what == 'D' then
    copy = copied
    if id ~= '' then
      local found
      for back = 0, 1 do
        each(call('HGET', ids(inbox, newest - back), id) or '', function(to, there, own)
          if to == target and there == seq then found = found or own end
        end)
      end
      if found then return found == '0' and '' or found end
    end
  end
  local own = '0'
  if copy == '1' then own = push(inbox, now, record, body) end
  if id ~= '' then
    local key, list = ids(inbox, newest), {}
    each(call('HGET', key, id) or '', function(to, _, _, one) if to ~= target then list[#list + 1] = one end end)
    list[#list + 1] = #target .. ':' .. target .. seq .. ':' .. own .. ';'
    call('HSET', key, id, table.concat(list))
    call('PEXPIRE', key, life)
  end
  return own == '0' and '' or own
end

local function seen(inbox, visible)
  local key = prefix .. 'u:' .. inbox
  if tonumber(visible) > tonumber(call('HGET', key, 'seen') or 0) then call('HSET', key, 'seen', visible) end
end

-- Makes a user known. The start of the broadcast is given where it lies in another partition.
function items.S()
  local inbox, visible, broadcast, start = take(4)
  local key = prefix .. 'u:' .. inbox
  if call('HEXISTS', key, 'b') == 0 then
    if start == '' then start = call('HGET', prefix .. 's:' .. broadcast, 'h') or '0' end
    call('HSET', key, 'b', start)
  end
  seen(inbox, visible)
  return ''
end

local function no_number(text) return text == '-' and -1 or tonumber(text) end

-- Left, removed, the request that ended the last membership, and that membership.
local function tombstone(group, user)
  local kept = call('HGET', prefix .. 'x:' .. group, user)
  if not kept then return false, '-', '-', '0', '' end
  return true, string.match(kept, '^([%d-]+):([%d-]+):(%d+):(.*)$')
end

-- Join: 'N' start:version:began (new; 0: the same request again) | 'A' (already) | 'R' (refused) | 'T' (too many groups).
function items.J()
  local group, user, inbox, by, issued, request, now, groups = take(8)
  local member = call('HGET', prefix .. 'g:' .. group, user)
  if member then
    local start, _, kept = string.match(member, '^(%d+):(%d+):(%d+)$')
    -- `RequestId::is_again`
    if request == '0' or request ~= kept then return 'A' end
    return 'N' .. start .. ':' .. (call('HGET', prefix .. 's:' .. group, 'v') or '0') .. ':0'
  end
  -- `Tombstone::forbids`
  if by ~= 'A' then
    local _, left, removed = tombstone(group, user)
    local ended = no_number(removed)
    if by == 'C' then ended = math.max(ended, no_number(left)) end
    if ended >= 0 and ended >= tonumber(issued) then return 'R' end
  end
  if carry == 'T' and groups == '' then return 'T' end
  if groups ~= '' and call('HLEN', prefix .. 'q:' .. inbox) >= tonumber(groups) then return 'T' end
  local head = call('HGET', prefix .. 's:' .. group, 'h') or '0'
  call('HSET', prefix .. 'g:' .. group, user, head .. ':' .. now .. ':' .. request)
  call('ZADD', prefix .. 'o:' .. group, 0, user)
  return 'N' .. head .. ':' .. integer(changed(group)) .. ':1'
end

-- Before a join to a group of another partition: the user may be in it from now on. 'T': in too many.
function items.I()
  local inbox, group, token, groups = take(4)
  local key = prefix .. 'q:' .. inbox
  if call('HEXISTS', key, group) == 0 and call('HLEN', key) >= tonumber(groups) then return 'T' end
  call('HSET', key, group, '?' .. token)
  return ''
end

-- After a join: the user is in the group.
function items.V()
  local inbox, group, token = take(3)
  local began = string.match(carry, '^N%d+:%d+:(%d)$')
  if not began then return '' end
  local key = prefix .. 'q:' .. inbox
  local kept = call('HGET', key, group)
  if began == '1' or not kept or string.sub(kept, 1, 1) == '?' then
    call('HSET', key, group, token)
    changed(inbox)
  end
  return ''
end

-- Ends a membership, as `Tombstone::record`. Which one it was; false: there was none.
local function leave(group, user, removed, request, now)
  local member = call('HGET', prefix .. 'g:' .. group, user)
  if not member and not removed then return false end
  local _, left_at, removed_at, ended, token = tombstone(group, user)
  local second = math.floor(tonumber(now) / 1000)
  if removed then removed_at = integer(math.max(no_number(removed_at), second))
  else left_at = integer(math.max(no_number(left_at), second)) end
  if member then
    local _, since, began = string.match(member, '^(%d+):(%d+):(%d+)$')
    ended, token = request, began .. ':' .. since
    call('HDEL', prefix .. 'g:' .. group, user)
    call('ZREM', prefix .. 'o:' .. group, user)
  end
  call('HSET', prefix .. 'x:' .. group, user, left_at .. ':' .. removed_at .. ':' .. ended .. ':' .. token)
  local newest = math.max(no_number(left_at), no_number(removed_at))
  call('ZADD', prefix .. 'xt', integer(newest * 1000), #group .. ':' .. group .. user)
  return member and token
end

-- Takes a group off a user. `token`: the membership that ended; another one that has begun since stays.
local function forget(inbox, group, stream, token)
  local key = prefix .. 'q:' .. inbox
  local kept = call('HGET', key, group)
  if kept and (kept == token or kept == '?' .. token) then
    call('HDEL', key, group)
    call('HDEL', prefix .. 'y:' .. inbox, stream)
    return true
  end
  return false
end

-- Leave: 'L' version:ended:membership (ended 0: the same request again), or ''.
function items.L()
  local group, user, removed, request, now = take(5)
  local ended = leave(group, user, removed == '1', request, now)
  if ended then return 'L' .. integer(changed(group)) .. ':1:' .. ended end
  local known, _, _, before, token = tombstone(group, user)
  if not known or request == '0' or request ~= before then return '' end
  return 'L' .. (call('HGET', prefix .. 's:' .. group, 'v') or '0') .. ':0:' .. token
end

-- After a leave: the user is not in the group any more.
function items.U()
  local inbox, group, stream = take(3)
  local ended, token = string.match(carry, '^L%d+:(%d):(.*)$')
  if not ended then return '' end
  if forget(inbox, group, stream, token) or ended == '1' then changed(inbox) end
  return ''
end

-- The same for a member of a group that was disbanded.
function items.O()
  local inbox, group, stream, token = take(4)
  forget(inbox, group, stream, token)
  changed(inbox)
  return ''
end

-- Disband: ends at most `count` memberships. First 'X' version (all ended) | 'M' (more are left) | ''; then, where the users lie in
-- other partitions, user and membership of each.
function items.X()
  local group, id, scope, is_here, request, now, count = take(7)
  local key, out = prefix .. 's:' .. group, { '' }
  local users = call('ZRANGE', prefix .. 'o:' .. group, 0, tonumber(count) - 1)
  for _, user in ipairs(users) do
    local token = leave(group, user, true, request, now)
    if is_here == '1' then
      local inbox = 'i' .. scope .. user
      forget(inbox, id, group, token)
      changed(inbox)
    else
      out[#out + 1] = user
      out[#out + 1] = token
    end
  end
  -- `Changes::disband`
  if #users > 0 then
    if call('ZCARD', prefix .. 'o:' .. group) > 0 then
      out[1] = 'M'
    else
      call('HSET', key, 'x', request)
      out[1] = 'X' .. integer(changed(group))
    end
  elseif request ~= '0' and call('HGET', key, 'x') == request then
    out[1] = 'X' .. (call('HGET', key, 'v') or '0')
  end
  return out
end

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

-- Ends the claims that `which` names. Whether there were any.
local function release(inbox, on, now, which)
  local key = prefix .. 'c:' .. inbox
  local claims, ended = call('HGETALL', key), false
  for index = 1, #claims, 2 do
    if which(claims[index], claims[index + 1]) then
      call('HDEL', key, claims[index])
      ended = true
    end
  end
  if ended and call('HLEN', key) == 0 then
    call('HSET', prefix .. 'u:' .. inbox, 'left', now)
    call('ZREM', prefix .. 'on', on)
  end
  return ended
end

-- Changes a claim as `Claims::change`. Its turn (0: none), or nil: a newer connection has it.
local function claim(inbox, device, now, on, change, a, b, c, d, e)
  local key = prefix .. 'c:' .. inbox
  if change == 'T' then
    local incarnation, connection, exclusive, sent, late = a, b, c == '1', tonumber(d), tonumber(e)
    local name = exclusive and device or connection
    local kept = call('HGET', key, name)
    if kept then
      local turn, of, kept_sent, by = string.match(kept, '^(%d+):(%x+):(%d+):%d+:(.*)$')
      kept_sent = tonumber(kept_sent)
      -- `wsc_core::peer::is_overtaken`
      if exclusive and by ~= connection and sent ~= 0 and sent < kept_sent and kept_sent - sent < late then return nil end
      if of == incarnation and by == connection then return turn end
    end
    local turn = integer(call('HINCRBY', prefix .. 'u:' .. inbox, 'turn', 1))
    call('HSET', key, name, turn .. ':' .. incarnation .. ':' .. d .. ':' .. now .. ':' .. connection)
    call('ZADD', prefix .. 'on', 0, on)
    changed(inbox)
    return turn
  end
  if change == 'L' and release(inbox, on, now, function(_, kept) return string.match(kept, '^%d+') == a end) then
    changed(inbox)
  end
  return '0'
end

-- Device: turn:over ('over' 1: the user has too many devices, and may lose some) | 'O' (overtaken).
function items.D()
  local inbox, device, attempts, now, visible, devices, on, is_connected, change, a, b, c, d, e, count = take(15)
  local cursors, forgotten = {}, {}
  for index = 1, tonumber(count) do cursors[index] = { take(3) } end
  local others = take(1)
  for index = 1, tonumber(others) do forgotten[index] = take(1) end
  local turn = claim(inbox, device, now, on, change, a, b, c, d, e)
  if not turn then return 'O' end
  seen(inbox, visible)
  if device == '' then return turn .. ':0' end
  local records = prefix .. 'v:' .. inbox
  local known = call('HGET', records, device)
  local newest, revision = tonumber(now), 1
  if known then
    local _, kept, number = string.match(known, '^(%d+):(%d+):(%d+)$')
    newest, revision = math.max(newest, tonumber(kept)), tonumber(number) + 1
  end
  call('HSET', records, device, attempts .. ':' .. integer(newest) .. ':' .. integer(revision))
  local name = #inbox .. ':' .. inbox .. device
  call('ZADD', prefix .. 'vt', integer(newest), name)
  local places = prefix .. 'p:' .. name
  for _, cursor in ipairs(cursors) do
    -- `rules::moved`
    local epoch, seq = string.match(call('HGET', places, cursor[1]) or '', '^([^:]*):(%d+)$')
    if epoch ~= cursor[2] or tonumber(seq) < tonumber(cursor[3]) then
      call('HSET', places, cursor[1], cursor[2] .. ':' .. cursor[3])
    end
  end
  for _, stream in ipairs(forgotten) do call('HDEL', places, stream) end
  -- `rules::makes_room`; which ones go says `rules::surplus`.
  if (not known or is_connected == '0') and call('HLEN', records) > math.max(1, tonumber(devices)) then
    stop = true
    return turn .. ':1'
  end
  return turn .. ':0'
end

-- Forgets devices.
function items.Z()
  local inbox, count = take(2)
  for _ = 1, tonumber(count) do
    local device = take(1)
    local name = #inbox .. ':' .. inbox .. device
    call('HDEL', prefix .. 'v:' .. inbox, device)
    call('DEL', prefix .. 'p:' .. name)
    call('ZREM', prefix .. 'vt', name)
  end
  return ''
end

-- Kick: the version, or '': there were no claims.
function items.K()
  local inbox, device, is_one, now, on = take(5)
  local ended = release(inbox, on, now, function(name) return is_one == '0' or name == device end)
  return ended and integer(changed(inbox)) or ''
end

function items.T()
  local inbox, status, default = take(3)
  local key = prefix .. 'u:' .. inbox
  if (call('HGET', key, 'status') or default) ~= status then
    call('HSET', key, 'status', status)
    changed(inbox)
  end
  return ''
end

-- Goes on only while nothing has changed of what an attach was decided by.
function items.B()
  local inbox, version, device, record = take(4)
  local kept = device ~= '' and call('HGET', prefix .. 'v:' .. inbox, device) or ''
  if (call('HGET', prefix .. 's:' .. inbox, 'v') or '0') ~= version or kept ~= record then
    stop = true
    return '!'
  end
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
  call(ARGV[4], prefix .. 'c:' .. stream, '\1' .. struct.pack('>B', #meta[1]) .. meta[1]
    .. struct.pack('>I8', tonumber(is[1] or 0)) .. struct.pack('>I8', tonumber(is[2] or 0)))
end
return out
