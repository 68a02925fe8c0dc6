// Four users, each a client with the addresses of all hubs. Which hub a user is on, the hubs say: a client need not know.

import { Client } from './wsc.js';

const USERS = ['alice', 'bob', 'carol', 'dave'];
const TEAM = 'group:team';
/** How often the hubs are looked at, and how often everybody says something, in milliseconds. */
const LOOK = 250;
const TALK = 700;
/** Lines that a reload loads. */
const LIMIT = 500;

const make = (template) => document.getElementById(template).content.firstElementChild.cloneNode(true);
const hubsNow = async () => (await fetch('hubs')).json();

/** One user: a client, and what it shows. */
class Person {
  constructor(name, addresses) {
    this.name = name;
    this.client = new Client(addresses, { user: name });
    this.timeline = this.client.timeline(TEAM, { limit: LIMIT });
    this.said = 0;
    this.view = make('user');
    this.view.setAttribute('aria-label', name);
    this.part('h2').textContent = name;
    this.part('.leave').addEventListener('click', () => this.leaveOrCome());
    this.part('form').addEventListener('submit', (event) => {
      event.preventDefault();
      const input = this.part('input');
      if (input.value) void this.say(input.value);
      input.value = '';
    });
    this.client.state.subscribe(() => this.showState());
    this.timeline.subscribe(() => (this.showLines(), showVerdict()));
    const others = USERS.filter((other) => other !== name);
    this.presence = this.client.presence({ users: others });
    this.presence.subscribe(() => this.showOthers(others));
    this.showOthers(others);
  }

  part(selector) {
    return this.view.querySelector(selector);
  }

  get here() {
    return this.client.state.get().name !== 'closed';
  }

  async connect() {
    await this.client.connect();
    await this.client.group('team').join();
  }

  leaveOrCome() {
    if (this.here) void this.client.close();
    else void this.connect();
  }

  /** Saved before it is sent: it goes out when there is a hub again. */
  say(content) {
    return this.client.send(TEAM, content);
  }

  /** Stored messages in their order, by their ids. */
  stored() {
    return this.timeline.get().items.filter(({ message, stage }) => message && stage !== 'saved').map(({ key }) => key);
  }

  showState() {
    this.view.dataset.state = this.client.state.get().name;
    this.part('.leave').textContent = this.here ? 'Leave' : 'Come back';
    showUsers();
  }

  showLines() {
    const lines = this.timeline.get().items.map(({ message, gap, mine, stage }) => {
      const line = document.createElement('li');
      if (gap) {
        line.className = 'gap';
        line.textContent = `${gap.from} to ${gap.to} are gone: ${gap.reason}`;
        return line;
      }
      line.className = mine ? 'mine' : 'other';
      const about = document.createElement('small');
      about.textContent = !mine ? message.sender : stage === 'saved' ? 'waits here' : '';
      line.append(message.content, ' ', about);
      return line;
    });
    const list = this.part('ol');
    list.replaceChildren(...lines);
    list.parentElement.scrollTop = list.scrollHeight;
  }

  showOthers(others) {
    const statuses = this.presence.get();
    this.part('.others').replaceChildren(...others.map((other) => {
      const dot = document.createElement('span');
      dot.dataset.status = statuses.get(other) ?? 'offline';
      dot.textContent = `${other} ${dot.dataset.status}`;
      return dot;
    }));
  }
}

/** What the page last heard of the hubs. */
let hubs = [];

function showHubs() {
  for (const { name, port, up, users } of hubs) {
    const view = document.getElementById(name);
    view.dataset.up = up;
    view.querySelector('.quiet').textContent = up ? `127.0.0.1:${port}` : 'killed';
    view.querySelector('.who').textContent = users.join(', ');
    view.querySelector('.kill').disabled = !up;
    view.querySelector('.start').disabled = up;
  }
  showUsers();
}

function showUsers() {
  for (const person of people) {
    const on = hubs.find(({ users }) => users.includes(person.name))?.name;
    const { name, until } = person.client.state.get();
    const seconds = name === 'waiting' ? Math.max(0, Math.round((until - Date.now()) / 1000)) : 0;
    const search = seconds > 0 ? `looks for a hub in ${seconds} s` : 'looks for a hub …';
    const shown = name === 'connected' && on ? on : name === 'closed' ? 'away' : search;
    const place = person.part('.on');
    place.textContent = shown;
    place.dataset.hub = shown;
  }
}

/** Compares what the users have: from the latest beginning on, all must have the same messages in the same order. */
function showVerdict() {
  const lists = people.map((person) => person.stored()).filter((list) => list.length > 0);
  const longest = lists.reduce((one, other) => (other.length > one.length ? other : one), []);
  const same = lists.every((list) => {
    const from = Math.max(0, longest.indexOf(list[0]));
    return list.every((key, place) => longest[from + place] === undefined || longest[from + place] === key);
  });
  const gaps = people.some((person) => person.timeline.get().items.some(({ gap }) => gap));
  const behind = lists.length < people.length || lists.some((list) => list.at(-1) !== longest.at(-1));
  const verdict = document.getElementById('verdict');
  verdict.dataset.good = same && !gaps;
  verdict.textContent = longest.length === 0 ? 'Nobody has said anything yet.'
    : !same ? 'The users have different messages.'
    : gaps ? 'Messages are gone: see the lines with a gap.'
    : `${longest.length} messages, in the same order for everybody${behind ? '; some are still on their way' : ''}.`;
}

function addHub({ name }) {
  const view = make('hub');
  view.id = name;
  view.querySelector('h2').textContent = name;
  for (const what of ['kill', 'start']) {
    view.querySelector(`.${what}`).addEventListener('click', async () => {
      await fetch(`hubs/${name}/${what}`, { method: 'POST' });
      await look();
    });
  }
  document.getElementById('hubs').append(view);
}

async function look() {
  hubs = await hubsNow();
  showHubs();
}

let talking;
document.getElementById('talk').addEventListener('click', ({ currentTarget: button }) => {
  const starts = button.getAttribute('aria-pressed') === 'false';
  button.setAttribute('aria-pressed', starts);
  clearInterval(talking);
  if (!starts) return;
  talking = setInterval(() => {
    for (const person of people) if (person.here) void person.say(`${person.name} ${(person.said += 1)}`);
  }, TALK);
});

const people = [];
hubs = await hubsNow();
hubs.forEach(addHub);
const addresses = hubs.map(({ port }) => `ws://127.0.0.1:${port}/ws`);
for (const user of USERS) people.push(new Person(user, addresses));
document.getElementById('users').append(...people.map(({ view }) => view));
showHubs();
showVerdict();
setInterval(() => void look().catch(() => {}), LOOK);
await Promise.all(people.map((person) => person.connect()));
