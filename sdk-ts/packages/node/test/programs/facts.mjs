// The history of one client, in the words of the checker (tests/src/history/event.rs).

let last = 0;

/** Microseconds since 1970, never twice the same. */
function now() {
  last = Math.max(last + 1, Math.round((performance.timeOrigin + performance.now()) * 1000));
  return last;
}

const digest = ({ message_type: type, content, payload }) => `${type} ${content ?? ''} ${payload?.length ?? ''}`;

/** One fact as a line. */
export function line({ what, ...rest }) {
  return JSON.stringify({ at: now(), fact: { what, ...rest } });
}

export class Facts {
  /** Positions handed over. */
  handed = 0;
  #client;
  #user;
  #device;
  #write;

  constructor(client, user, device, write) {
    this.#client = client;
    this.#user = user;
    this.#device = { tenant: 't', user, device };
    this.#write = write;
    client.on('message', (message) => this.#handed(message));
    client.on('gap', ({ stream, from, to, reason }) => this.add({ what: 'missed', stream, from, to, reason }));
    client.on('settled', (settlement) => this.#settled(settlement));
    client.on('state', ({ name }) => name === 'connected' && this.add({ what: 'connected' }));
  }

  add({ what, ...rest }) {
    this.#write(line({ what, device: this.#device, ...rest }));
  }

  /** Sends numbered messages, `flight` at a time, with a pause in milliseconds after each. */
  async send(to, first, last, flight, pause = 0) {
    let next = first;
    const one = async () => {
      while (next <= last) {
        const number = next++;
        const message = { message_type: 'text', message_id: `${this.#user}-${number}`, content: `number ${number}`, ...to };
        const target = to.receiver ? { user: to.receiver } : { group: to.group_ids[0] };
        this.add({ what: 'sending', number, message_id: message.message_id, target, digest: digest(message) });
        await this.#client.send(message);
        this.add({ what: 'taken', message_id: message.message_id });
        if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
      }
    };
    await Promise.all(Array.from({ length: flight }, one));
  }

  /** Waits until nothing is unsettled and everything was read. */
  async quiet() {
    const isQuiet = ({ unsaved, saved, caughtUp }) => unsaved === 0 && saved === 0 && caughtUp;
    await new Promise((resolve) => {
      const look = () => isQuiet(this.#client.sync.get()) && resolve();
      this.#client.sync.subscribe(look);
      look();
    });
    this.add({ what: 'quiet' });
  }

  #handed({ stream, seq_no: seq, message_id, sender, sender_client: sender_device, ...message }) {
    this.handed += 1;
    this.add({ what: 'handed', stream, seq, message_id, sender, sender_device, digest: digest(message) });
  }

  #settled({ id, outcome, stream, position: seq, reason }) {
    const accepted = outcome === 'accepted' || outcome === 'duplicate';
    const how = accepted ? { accepted: { stream, seq } } : outcome === 'refused' ? { refused: reason } : outcome;
    this.add({ what: 'settled', message_id: id, outcome: how });
  }
}
