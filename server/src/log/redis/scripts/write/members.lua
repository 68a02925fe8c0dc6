-- Items of memberships.

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
