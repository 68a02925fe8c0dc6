-- Items of messages.

-- Append: 'S' seq (stored) | 'D' seq:time:copy (the same before) | 'X' (conflict) | 'N' (no member) | 'O' (its mark does not wait).
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
    if not mark or string.match(mark, '^%d+') ~= passed then return 'O' end
    call('HDEL', prefix .. 'w', waiting)
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
  if what == 'D' then copy = copied end
  -- Unless the message was stored in this very call, another hub may have made the copy.
  if what == 'D' or same ~= '1' then
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
