// Runs the scripts of tests/vectors/client_*.json through the native part's machine.

import { Sink } from '../../client/test/machine.mjs';

const OPEN = 26;
const WRITE = 27;
const SHUT = 28;

/** Why a message was not taken, in the scripts' words. */
function told(result, machine) {
  return result > 0 ? { send: result } : { error: machine.wrong };
}

/** Runs one script; gives what happened at each step in place of what is expected. */
export function runScript(Machine, script) {
  const platform = { actions: [] };
  const sink = new Sink(platform);
  let seed = script.seed ?? 1;
  let machine = make(Machine, script.config, seed, new Uint8Array());
  let now = 0;
  return script.steps.map((step) => {
    now = step.now === 'timeout' ? Math.max(machine.deadline, now) : (step.now ?? now);
    let result;
    if (step.do === 'restart') {
      const saved = machine.snapshot();
      seed += 1;
      machine = make(Machine, { ...step.config, device_id: script.config.device_id }, seed, saved);
    } else result = perform(machine, now, step);
    const { text, bytes } = machine.drain();
    for (const { kind, n, t, bytes: place } of JSON.parse(text)) {
      const [a, b, c] = t;
      const payload = place === undefined ? undefined : bytes[place];
      if (kind === OPEN) platform.actions.push({ action: 'open', link: n[0] });
      else if (kind === WRITE) platform.actions.push(written(n[0], c, payload));
      else if (kind === SHUT) platform.actions.push({ action: 'close', link: n[0], code: n[1] });
      else {
        // Messages of one stream are one report. The sink reads JSON itself.
        for (const last of Array.isArray(c) ? c : [c]) {
          const numbers = Array.isArray(c) ? [n[0], last.seq_no, 0, 0] : n;
          sink.tell(kind, numbers, a, b, typeof last === 'string' ? last : JSON.stringify(last), payload);
        }
      }
    }
    const { events } = sink;
    const { actions } = platform;
    sink.events = [];
    platform.actions = [];
    return { ...(result !== undefined && { result }), events, actions, timeout: machine.deadline };
  });
}

function written(link, frame, payload) {
  return payload ? { action: 'send_binary', link, length: payload.length } : { action: 'send', link, frame };
}

function make(Machine, config, seed, saved) {
  const { device_id: device, token_provider: asks, user_id: user, start_at_head: startAtHead, auto_acknowledge: automatic } = config;
  const { outbox_count: outboxCount, flight_count: flightCount, ...same } = config;
  const settings = { ...same, device, asks, user, startAtHead, automatic, outboxCount, flightCount };
  return new Machine(settings, seed, saved);
}

function perform(machine, now, step) {
  const link = step.link ?? machine.link;
  switch (step.do) {
    case 'connect':
    case 'close':
      return void machine.execute(now, { do: step.do });
    case 'send':
      return told(machine.execute(now, { do: 'send', id: step.message.message_id, object: JSON.stringify(step.message) }), machine);
    case 'acknowledge':
      return void machine.execute(now, { do: 'acknowledge', stream: step.stream, generation: step.generation, position: step.seq_no });
    case 'request': {
      const { message_id: _, ...query } = step.query;
      return { request: machine.execute(now, { do: 'request', ticket: 1, object: JSON.stringify(query) }) };
    }
    case 'mark_read':
      return void machine.execute(now, { do: 'markRead', stream: step.stream, peer: step.peer ?? '', position: step.seq_no });
    case 'supply_token':
      return void machine.execute(now, { do: 'token', token: step.token, never: step.error === 'denied' });
    case 'network':
      return void machine.execute(now, { do: 'network', online: step.online ?? true });
    case 'open':
      return machine.open(now, link);
    case 'frame':
      return machine.text(now, link, typeof step.frame === 'string' ? step.frame : JSON.stringify(step.frame));
    case 'closed':
      return machine.closed(now, link, step.code, step.reason ?? '');
    case 'stored':
      return machine.stored(now, step.send);
    case 'life':
      return machine.life(now, link);
    case 'timeout':
      return machine.timeout(now);
    default:
      throw new Error(`do: unknown ${step.do}`);
  }
}
