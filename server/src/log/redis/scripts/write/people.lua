-- Items of users, their devices and claims.

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
  if change == 'L' then
    local function is_meant(_, kept)
      local turn, by = string.match(kept, '^(%d+):%x+:%d+:%d+:(.*)$')
      return turn == a and by == b
    end
    if release(inbox, on, now, is_meant) then changed(inbox) end
  end
  return '0'
end

-- Device: version:turn:over (of the inbox; 'over' 1: the user has too many devices, and may lose some) | 'O' (overtaken) | '-' (left out).
function items.D()
  local inbox, device, attempts, now, visible, devices, on, is_connected, change, a, b, c, d, e, count = take(15)
  local cursors, forgotten = {}, {}
  for index = 1, tonumber(count) do cursors[index] = { take(3) } end
  local others = take(1)
  for index = 1, tonumber(others) do forgotten[index] = take(1) end
  if skip then
    skip = false
    return '-'
  end
  local turn = claim(inbox, device, now, on, change, a, b, c, d, e)
  if not turn then return 'O' end
  seen(inbox, visible)
  local answer = (call('HGET', prefix .. 's:' .. inbox, 'v') or '0') .. ':' .. turn
  if device == '' then return answer .. ':0' end
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
    return answer .. ':1'
  end
  return answer .. ':0'
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
  local inbox, device, is_one, now, on, request = take(6)
  local user = prefix .. 'u:' .. inbox
  local before = call('HGET', user, 'kicked')
  call('HSET', user, 'kicked', request)
  -- `RequestId::is_again`: who has come since is not meant.
  if request ~= '0' and before == request then return '' end
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
