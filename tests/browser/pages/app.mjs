// An application of @wsc/client that writes down what happens to it: `note`, which the tests give, takes one fact.

import { Client } from "@wsc/client";

const digest = (message) => `${message.message_type} ${message.content ?? ""} ${message.payload?.length ?? ""}`;
const target = (message) =>
  message.receiver ? { user: message.receiver } : message.group_ids ? { group: message.group_ids[0] } : "everybody";

class App {
  /** Positions handed over, by stream. */
  got = {};
  faults = [];

  /** `quiet`: a tab beside another one of the device, which writes down what happens to both. */
  async begin({ url, user, life, quiet = false, ...options }) {
    this.user = user;
    this.quiet = quiet;
    this.client = new Client(url, { user, ...options });
    this.client.on("message", (message) => this.handed(message));
    this.client.on("gap", ({ stream, from, to, reason }) => this.fact({ what: "missed", stream, from, to, reason }));
    this.client.on("fault", (fault) => this.faults.push(fault.what));
    this.client.on("settled", (settled) => this.settled(settled));
    this.client.on("state", ({ name }) => name === "connected" && this.noted && this.fact({ what: "connected" }));
    await this.client.connect();
    this.device = { tenant: "t", user, device: this.client.device };
    this.fact({ what: "started", life });
    this.noted = true;
    for (const fact of this.early.splice(0)) this.fact(fact);
    this.fact({ what: "connected" });
    return this.client.device;
  }

  early = [];

  fact(fact) {
    // What comes before the device's name is known was handed over in this life all the same.
    if (this.quiet && !['sending', 'taken'].includes(fact.what)) return;
    if (!this.device) return void this.early.push(fact);
    return note(JSON.stringify({ ...fact, device: this.device }));
  }

  handed(message) {
    const { stream, seq_no: seq, message_id, sender, sender_client: sender_device } = message;
    (this.got[stream] ??= []).push(seq);
    if (message.message_type === "read") return;
    this.fact({ what: "handed", stream, seq, message_id, sender, sender_device, digest: digest(message) });
  }

  settled({ id, outcome, stream, position: seq, reason }) {
    if (!id.startsWith(`${this.user}-`)) return;
    const accepted = outcome === "accepted" || outcome === "duplicate";
    const how = accepted ? { accepted: { stream, seq } } : outcome === "refused" ? { refused: reason } : outcome;
    this.fact({ what: "settled", message_id: id, outcome: how });
  }

  /** Sends numbered messages, `flight` at a time; gives how many were taken. */
  async send(to, first, last, flight = 16) {
    const text = (number) => ({ message_type: "text", message_id: `${this.user}-${number}`, content: `number ${number}`, ...to });
    const all = Array.from({ length: last - first + 1 }, (_, index) => ({ number: first + index, message: text(first + index) }));
    // Before the first: what a reload stops in the middle is known.
    await Promise.all(all.map(({ number, message }) => this.fact({ what: "sending", number, message_id: message.message_id, target: target(message), digest: digest(message) })));
    this.announced = last;
    const one = async () => {
      for (let next = all.shift(); next; next = all.shift()) {
        const { message } = next;
        await this.client.send(message);
        this.fact({ what: "taken", message_id: message.message_id });
      }
    };
    await Promise.all(Array.from({ length: flight }, one));
  }

  get settledAll() {
    const { unsaved, saved, caughtUp } = this.client.sync.get();
    return unsaved === 0 && saved === 0 && caughtUp;
  }
}

globalThis.Client = Client;
globalThis.app = new App();
globalThis.ready = true;
