// One device of a user, by hand: a client of the protocol wsc.v1 in one file, without a library. It leaves out groups,
// history, payloads and token renewal, and keeps its state for as long as the tab lives; the SDK does the rest.

const STAY_CLOSED = { 1000: "done", 4001: "token not accepted", 4002: "token expired", 4003: "forbidden",
  4009: "replaced by another connection", 4010: "kicked", 4011: "protocol violation" };
const STAGES = ["sent", "accepted", "delivered", "read"];
const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export class Device {
  // What must outlive a reload: one record, so that a message and the cursor past it are kept together or not at all.
  constructor(user, token, changed) {
    Object.assign(this, { user, token, changed, state: "idle", tries: 0, frames: [], streams: {}, typing: {}, marking: {} });
    const kept = sessionStorage.getItem(`wsc ${user}`);
    this.kept = kept ? JSON.parse(kept)
      : { device: newId(), cursors: {}, outbox: [], messages: [], marks: {}, marked: {} };
    this.beat = setInterval(() => this.live(), 1000);
  }

  save() {
    this.kept.messages = this.kept.messages.slice(-200);
    sessionStorage.setItem(`wsc ${this.user}`, JSON.stringify(this.kept));
    this.changed();
  }

  // ── Connection ────────────────────────────────────────────────────────────────────────────────────────────────────

  connect() {
    this.drop();
    this.to("connecting");
    const socket = new WebSocket(new URL("ws", location.href.replace(/^http/, "ws")), "wsc.v1");
    this.socket = socket;
    this.since = this.heard = this.said = Date.now();
    // A late event of a socket that was given up does nothing.
    const mine = (act) => (event) => this.socket === socket && act(event);
    socket.onopen = mine(() => this.say({ message_type: "connect", protocol: 1, sent_ms: Date.now(), device_id: this.kept.device,
      client: "wsc-page/1", cursors: this.kept.cursors, ...(this.token ? { token: this.token } : { user_id: this.user }) }));
    socket.onmessage = mine((event) => this.take(event.data));
    socket.onclose = mine((event) => this.lost(event.code, event.reason));
  }

  // Gives a socket up: nothing that it still brings is looked at.
  drop() {
    const socket = this.socket;
    this.socket = null;
    clearTimeout(this.acking);
    clearTimeout(this.retry);
    this.acking = this.retry = null;
    socket?.close();
  }

  cut() {
    this.drop();
    this.to("cut off");
  }

  end() {
    this.drop();
    clearInterval(this.beat);
  }

  lost(code, reason) {
    if (this.state === "connected" && Date.now() - this.since > 30000) this.tries = 0;
    this.drop();
    if (STAY_CLOSED[code]) return this.to("closed", STAY_CLOSED[code] + (reason ? `: ${reason}` : ""));
    const hint = Number(/retry_after_ms=(\d+)/.exec(reason)?.[1] ?? 0);
    const delay = hint + Math.random() * Math.min(30000, 500 * 2 ** this.tries++);
    this.until = Date.now() + delay;
    this.retry = setTimeout(() => this.connect(), delay);
    this.to("waiting");
  }

  to(state, why = "") {
    Object.assign(this, { state, why });
    this.changed();
  }

  say(frame) {
    this.socket.send(JSON.stringify(frame));
    this.said = Date.now();
    this.note("↑", frame);
  }

  // Once a second: a ping when nothing was said or heard for long, a new connection when nothing comes back.
  live() {
    if (this.state === "waiting") this.changed();
    if (!this.socket) return;
    const now = Date.now(), { heartbeat_ms: heartbeat = 25000 } = this.hub ?? {};
    const unanswered = this.kept.outbox.find((message) => message.out);
    const dead = now - this.heard > heartbeat + 10000 || (unanswered && now - Math.max(unanswered.out, this.heard) > 20000);
    if (dead) this.lost(1006, "");
    else if (this.state === "connected" && now - Math.min(this.said, this.heard) > heartbeat && now - this.said > 5000)
      this.say({ message_type: "ping" });
  }

  take(text) {
    const frame = JSON.parse(text);
    this.heard = Date.now();
    this.note("↓", frame);
    // Only messages carry a sender, so nobody can forge another frame.
    if (frame.sender) return frame.stream ? this.entry(frame) : this.volatile(frame);
    if (frame.request_id) return this.answer(frame);
    switch (frame.message_type) {
      case "connected": return this.connected(frame);
      case "skip": return void this.cover(frame.stream, frame.from, frame.to);
      case "gap": return this.gap(frame);
      case "ack": return this.accepted(frame);
      case "error": return this.refused(frame);
      case "delivered":
      case "read": return frame.message_ids.forEach((id) => this.reach(id, frame.message_type));
    }
  }

  connected(hub) {
    this.hub = hub;
    this.since = Date.now();
    const streams = Object.entries(hub.streams);
    this.streams = Object.fromEntries(streams.map(([name, { epoch, from }]) => [name, { epoch, next: from, acked: from - 1 }]));
    const before = this.kept.cursors.inbox?.epoch;
    if (before && before !== hub.streams.inbox.epoch) this.renumber();
    // A stream that is not opened can no longer be read; its cursor is of no more use.
    this.kept.cursors = Object.fromEntries(streams.map(([name, { epoch, from }]) => [name, { epoch, seq: from - 1 }]));
    this.to("connected");
    this.resend();
    this.ask();
    this.mark();
    this.save();
  }

  // ── Coverage and acknowledgements ─────────────────────────────────────────────────────────────────────────────────

  // Every position of a stream is covered once, in order: `next` is the one to come. True: the range is new.
  cover(name, from, to, urgent = false) {
    const stream = this.streams[name];
    if (!stream || (to >= from && to < stream.next)) return false;
    if (from > stream.next) {
      // A hole: the next connection begins at the cursor, and the hub covers it again.
      this.socket.close(4014, "a hole");
      return false;
    }
    stream.next = Math.max(stream.next, to + 1);
    this.kept.cursors[name] = { epoch: stream.epoch, seq: stream.next - 1 };
    const half = stream.next - stream.acked > this.hub.window / 2;
    if (urgent || half) setTimeout(() => this.acknowledge());
    else this.acking ??= setTimeout(() => this.acknowledge(), this.hub.ack_ms);
    return true;
  }

  // The hub's store lost something and numbers anew: positions of before mean nothing now.
  renumber() {
    Object.assign(this.kept, { marks: {}, marked: {} });
    this.kept.messages.forEach((message) => delete message.seq);
  }

  // One acknowledgement per stream, for all up to there.
  acknowledge() {
    clearTimeout(this.acking);
    this.acking = null;
    if (this.state !== "connected") return;
    this.save();
    for (const [name, stream] of Object.entries(this.streams)) {
      if (stream.acked >= stream.next - 1) continue;
      stream.acked = stream.next - 1;
      this.say({ message_type: "ack", stream: name, seq_no: stream.acked });
    }
  }

  entry(message) {
    if (!this.cover(message.stream, message.seq_no, message.seq_no, message.require_ack)) return;
    const { stream, sender, content = "", data, seq_no: seq, message_id: id, message_type: type } = message;
    const { marks, messages } = this.kept;
    // This user has read on another device.
    if (type === "read" && sender === this.user && data?.peer) marks[data.peer] = Math.max(marks[data.peer] ?? 0, data.seq_no);
    // After a new epoch, and only then, an entry may come a second time.
    const again = messages.find((shown) => shown.peer === sender && !shown.own && shown.id === id);
    if (again) again.seq = seq;
    else if (stream === "inbox" && type === "text" && sender !== this.user) {
      messages.push({ id, peer: sender, content, seq, at: message.create_at });
      delete this.typing[sender];
    }
    this.save();
  }

  gap({ stream, from, to, reason }) {
    if (!this.cover(stream, from, to)) return;
    const content = to < from ? `messages may be missing here (${reason})` : `${to - from + 1} messages are gone (${reason})`;
    if (stream === "inbox") this.kept.messages.push({ id: newId(), notice: true, content });
    this.save();
  }

  // ── Outbox ────────────────────────────────────────────────────────────────────────────────────────────────────────

  send(peer, content) {
    const id = newId();
    const frame = { message_type: "text", message_id: id, receiver: peer, content, require_ack: true };
    const message = { frame, first: Date.now() };
    this.kept.outbox.push(message);
    this.kept.messages.push({ id, peer, own: true, content, stage: "sent", at: new Date().toISOString() });
    this.save();
    if (this.state === "connected") this.transmit(message);
  }

  transmit(message) {
    const size = new TextEncoder().encode(JSON.stringify(message.frame)).length;
    // The hub would close the connection, and again after each resend.
    if (size > this.hub.limits.frame) return this.settle(message.frame.message_id, "refused", "too large");
    message.out = Date.now();
    this.say(message.frame);
  }

  // After each connect, in order, with the same ids: what the hub has already takes no second place. Too old an id may
  // be forgotten, so such a message is not sent again, and its fate is unknown.
  resend() {
    const old = Date.now() - 0.9 * this.hub.dedupe_ms;
    for (const { frame } of this.kept.outbox.filter((message) => message.first < old)) this.settle(frame.message_id, "unknown");
    this.kept.outbox.forEach((message) => this.transmit(message));
  }

  accepted({ message_id: id }) {
    this.settle(id, "accepted");
  }

  refused({ message_id: id, reason }) {
    if (id) this.settle(id, "refused", reason);
  }

  settle(id, stage, reason) {
    this.kept.outbox = this.kept.outbox.filter((message) => message.frame.message_id !== id);
    const shown = this.kept.messages.find((message) => message.own && message.id === id);
    if (shown?.stage === "sent") Object.assign(shown, { stage, reason });
    this.save();
  }

  // ── Receipts and read marks ───────────────────────────────────────────────────────────────────────────────────────

  // A stage never goes back.
  reach(id, stage) {
    const shown = this.kept.messages.find((message) => message.own && message.id === id);
    if (shown && STAGES.indexOf(stage) > STAGES.indexOf(shown.stage)) shown.stage = stage;
    this.save();
  }

  // Receipts are hints that may be lost with a connection: the hub is asked for the truth.
  ask() {
    const open = this.kept.messages.filter((message) => message.own && ["accepted", "delivered"].includes(message.stage));
    for (let at = 0; at < open.length; at += 100)
      this.say({ message_type: "receipts", message_id: newId(), data: { message_ids: open.slice(at, at + 100).map(({ id }) => id) } });
  }

  answer({ message_type: type, request_id: id, data }) {
    if (type === "receipts") data.receipts.forEach((receipt) => this.reach(receipt.message_id, receipt.stage));
    const mark = this.marking[id];
    if (type === "ack" && mark) this.kept.marked[mark.peer] = mark.seq;
    delete this.marking[id];
    this.save();
  }

  unread(peer) {
    return this.kept.messages.filter((message) => message.peer === peer && message.seq > (this.kept.marks[peer] ?? 0)).length;
  }

  // The user has seen everything of a peer.
  read(peer) {
    const last = Math.max(0, ...this.kept.messages.filter((message) => message.peer === peer && message.seq).map(({ seq }) => seq));
    if (last <= (this.kept.marks[peer] ?? 0)) return;
    this.kept.marks[peer] = last;
    this.save();
    this.mark();
  }

  // Marks the hub does not have yet; those of a lost connection too.
  mark() {
    if (this.state !== "connected") return;
    for (const [peer, seq] of Object.entries(this.kept.marks)) {
      if (seq <= (this.kept.marked[peer] ?? 0)) continue;
      const id = newId();
      this.marking[id] = { peer, seq };
      this.say({ message_type: "read", message_id: id, stream: "inbox", peer, seq_no: seq });
    }
  }

  // ── Volatile: typing ──────────────────────────────────────────────────────────────────────────────────────────────

  type(peer) {
    if (this.state !== "connected" || Date.now() - (this.typed ?? 0) < 2000) return;
    this.typed = Date.now();
    this.say({ message_type: "typing", message_id: newId(), receiver: peer });
  }

  volatile({ message_type: type, sender }) {
    if (type !== "typing") return;
    this.typing[sender] = Date.now() + 3000;
    this.changed();
    setTimeout(() => this.changed(), 3100);
  }

  note(way, frame) {
    const text = JSON.stringify(frame.token ? { ...frame, token: "…" } : frame);
    this.frames = [...this.frames.slice(-99), `${way} ${text}`];
    this.changed();
  }
}
