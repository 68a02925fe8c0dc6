// Runs the scripts of tests/vectors/client_*.json through the whole bridge: a WebSocket, a clock, a timer and the
// platform's events that a script controls. Plain JavaScript without imports, so that Node and browsers run the same.

/** The fields of a message that scripts compare: what else stands in a frame passes unharmed. */
const FIELDS = `message_id message_type sender sender_name sender_type sender_client receiver receiver_name receiver_type
  receiver_client session_id content data create_at reply_to_msg_id seq_no priority source push_type broadcast_type group_ids
  require_ack skip_database_storage skip_send_to_client trace_id stream expires_in_ms volatile observed request_id`.split(/\s+/);
const [REJECTED, SYNC] = [21, 22];
const STATES = ['idle', 'connecting', 'connected', 'waiting', 'closed'];
const OUTCOMES = ['accepted', 'accepted', 'refused', 'unknown', 'expired', 'cancelled', 'dropped', 'sent'];
const STAGES = ['accepted', 'delivered', 'read'];
const FAILURES = ['refused', 'disconnected', 'timeout', 'too_many'];
const REFUSALS = ['outbox full', 'message too large', '', '', 'a message with this message_id is not settled yet', 'client closed'];

/** What a platform would give: everything a script says happens happens here. */
class Platform {
  now = 0;
  timer = null;
  sockets = [];
  listeners = [];
  actions = [];

  install() {
    const platform = this;
    const real = {};
    const put = (name, value) => {
      real[name] = Object.getOwnPropertyDescriptor(globalThis, name);
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    };
    put('setTimeout', (run, ms) => (platform.timer = { run, at: platform.now + ms }));
    put('clearTimeout', (handle) => platform.timer === handle && (platform.timer = null));
    put('addEventListener', (_, listener) => platform.listeners.push(listener));
    put('removeEventListener', () => {});
    put('WebSocket', class {
      constructor() {
        platform.sockets.push(this);
        this.link = platform.sockets.length;
        platform.actions.push({ action: 'open', link: this.link });
      }
      send(data) {
        const frame = typeof data === 'string' ? { frame: JSON.parse(data) } : { length: data.length };
        platform.actions.push({ action: 'frame' in frame ? 'send' : 'send_binary', link: this.link, ...frame });
      }
      close(code) {
        platform.actions.push({ action: 'close', link: this.link, code });
      }
    });
    const date = Date.now;
    Date.now = () => platform.now;
    return () => {
      Date.now = date;
      for (const [name, value] of Object.entries(real)) {
        if (value) Object.defineProperty(globalThis, name, value);
        else delete globalThis[name];
      }
    };
  }

  say(link, type, event = {}) {
    const socket = this.sockets[(link ?? this.sockets.length) - 1];
    socket?.[`on${type}`]?.({ type, target: socket, ...event });
  }

  network(online) {
    // Each listener once, though it stands under several names.
    for (const listener of new Set(this.listeners)) listener({ type: online ? 'online' : 'offline' });
  }

  timeout() {
    const timer = this.timer;
    this.timer = null;
    timer.run();
  }
}

/** Runs one script; gives what happened at each step in place of what is expected. */
export function runScript(Session, Environment, script) {
  const platform = new Platform();
  const restore = platform.install();
  try {
    const sink = new Sink(platform);
    let seed = script.seed ?? 1;
    const started = (config, saved) => {
      const environment = new Environment(['ws://hub/ws'], () => {});
      // At once, so that what is stored and what is sent stand in their order.
      environment.tell = (kind, w, x, y, z, a, b, c, bytes) => sink.take({ kind, n: [w, x, y, z], t: [a, b, c], bytes });
      // What was saved is told while it is made.
      sink.begins = true;
      const session = make(Session, config, seed, saved, environment);
      sink.begins = false;
      environment.begin(session);
      return [session, environment];
    };
    let [session, environment] = started(script.config, new Uint8Array());
    return script.steps.map((step) => {
      platform.now = step.now === 'timeout' ? Math.max(platform.timer.at, platform.now) : (step.now ?? platform.now);
      let result;
      if (step.do === 'restart') {
        const saved = session.snapshot();
        environment.stop();
        platform.timer = null;
        platform.listeners = [];
        seed += 1;
        [session, environment] = started({ ...step.config, device_id: script.config.device_id }, saved);
        platform.sockets.length = 0;
      } else result = perform(session, sink, platform, step);
      const timeout = platform.timer?.at ?? null;
      const { events } = sink;
      const { actions } = platform;
      sink.events = [];
      platform.actions = [];
      return { ...(result !== undefined && { result }), events, actions, timeout };
    });
  } finally {
    restore();
  }
}

function make(Session, config, seed, saved, environment) {
  const lines = ['', config.client ?? '', config.device_id ?? '', config.token ?? '', config.user_id ?? '', '', '', ''];
  const flags =
    (config.token_provider ? 1 : 0) |
    (config.groups ? 2 : 0) |
    (config.start_at_head ? 4 : 0) |
    ((config.auto_acknowledge ?? true) ? 8 : 0);
  const storage = ['none', 'behind', 'durable'].indexOf(config.storage ?? 'none');
  const limits = [config.outbox_count ?? 0, 0, config.flight_count ?? 0, config.receipts ?? 0];
  return new Session([...lines, ...(config.groups ?? [])].join('\n'), flags, storage, ...limits, 1, BigInt(seed), saved, environment);
}

function perform(session, sink, platform, step) {
  const input = (kind, x = 0, y = 0, text = '', detail = '') => session.input(kind, x, y, text, detail, undefined);
  const done = (...given) => void input(...given);
  switch (step.do) {
    case 'connect':
      return done(0);
    case 'close':
      return done(1);
    case 'send': {
      const send = input(2, 0, 0, JSON.stringify(step.message));
      if (send > 0) return { send };
      const { n: [why], t: [field, reason] } = sink.rejected;
      return { error: why === 3 || why === 4 ? `invalid message: ${field}: ${reason}` : REFUSALS[why - 1] };
    }
    case 'cancel':
      return done(3, step.send);
    case 'acknowledge':
      return done(4, step.generation, step.seq_no, step.stream);
    case 'request': {
      const { message_id: _, ...query } = step.query;
      return { request: input(5, 0, 0, JSON.stringify(query)) };
    }
    case 'mark_read':
      return done(6, step.seq_no, 0, step.stream, step.peer ?? '');
    case 'supply_token':
      return step.token ? done(7, 0, 0, step.token) : step.error === 'denied' ? done(9) : done(8, 0, 0, 'not now');
    case 'network':
      return platform.network(step.online ?? true);
    case 'open':
      return platform.say(step.link, 'open');
    case 'frame': {
      const data = typeof step.frame === 'string' ? step.frame : JSON.stringify(step.frame);
      return platform.say(step.link, 'message', { data });
    }
    case 'closed':
      return platform.say(step.link, 'close', { code: step.code ?? 1006, reason: step.reason ?? '' });
    case 'stored':
      return done(10, step.send);
    case 'timeout':
      return platform.timeout();
    default:
      throw new Error(`do: unknown ${step.do}`);
  }
}

/** Puts what the bridge says into the words of the scripts. */
export class Sink {
  events = [];

  constructor(platform) {
    this.platform = platform;
  }

  take(call) {
    const { kind, n, t, bytes } = call;
    if (kind === REJECTED) this.rejected = call;
    else if (kind !== SYNC && !this.begins) this.tell(kind, n, ...t, bytes);
  }

  tell(kind, [w, x, y], a, b, c, bytes) {
    const frame = () => JSON.parse(c);
    const message = () => Object.fromEntries(Object.entries(frame()).filter(([field]) => FIELDS.includes(field)));
    const add = (event, fields = {}) => this.events.push({ event, ...fields });
    [
      () => {
        const state = STATES[w];
        const closed = { why: x === 0 ? 'application' : x === 1 ? 'no_token' : 'hub', ...(x > 1 && { code: x }) };
        add('state', { state, ...(state === 'waiting' && { until: x }), ...(state === 'closed' && closed) });
      },
      () => add('caught_up'),
      () => add('message', { generation: w, message: message() }),
      () => add('volatile', { message: message() }),
      () => add('gap', { stream: a, generation: w, from: x, to: y, reason: b }),
      () => add('stream_opened', { stream: a, generation: w, from: x, head: y }),
      () => add('stream_closed', { stream: a, reason: b }),
      () => {
        const outcome = OUTCOMES[x];
        const place = { stream: b || null, seq_no: y, duplicate: x === 1 };
        const detail = outcome === 'accepted' ? place : outcome === 'refused' ? { code: y } : {};
        add('settled', { send: w, message_id: a, outcome, ...detail });
      },
      () => add('receipt', { send: w || null, message_id: a, stage: STAGES[x] }),
      () => add('receipt_ended', { send: w, message_id: a }),
      () => add('fetched', { request: w, message: message() }),
      () => {
        const { message_type, data } = frame();
        add('answer', { request: w, message_type, data: message_type === 'group_changed' ? null : (data ?? null) });
      },
      () => add('request_failed', { request: w, error: FAILURES[x], code: x === 0 ? y : null }),
      () => add('mark_refused', { stream: a, peer: b, code: w }),
      () => {
        const { data } = frame();
        add('group_changed', { group: data.group_id, change: data.action, user: data.user_id });
      },
      () => add('presence', { message_type: frame().message_type, data: frame().data ?? null }),
      () => add('notice', { message_type: frame().message_type, data: frame().data ?? null }),
      () => add('fault'),
      () => this.platform.actions.push({ action: 'fetch_token' }),
      () => this.platform.actions.push(change(bytes)),
    ][kind]?.();
  }
}

/** A change in the core's encoding. */
function change(bytes) {
  let at = 1;
  const number = () => {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = bytes[at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  };
  const text = () => {
    const length = number();
    return new TextDecoder().decode(bytes.subarray(at, (at += length)));
  };
  // How long it is: what a later version adds is passed over.
  number();
  switch (String.fromCharCode(bytes[0])) {
    case 'P': {
      const flags = bytes[at++];
      const send = number();
      if (flags & 4) number();
      if (flags & 8) number();
      return { action: 'put', send, message_id: text(), frame: JSON.parse(text()) };
    }
    case 'S':
      return { action: 'sent', up_to: number(), at: number() };
    case 'E':
      return { action: 'settled', send: number() };
    case 'C':
      return { action: 'cursor', stream: text(), epoch: text(), seq_no: number() };
    case 'M':
      return { action: 'mark', stream: text(), peer: text(), seq_no: number() };
    case 'K':
      return { action: 'marked', stream: text(), peer: text(), seq_no: number() };
    default:
      return { action: 'forget', stream: text() };
  }
}
