// The page: two users side by side, each with a device of its own. It shows what the devices know, and knows no protocol;
// that is device.js.

import { Device } from "./device.js";

const TICKS = { sent: "○", accepted: "✓", delivered: "✓✓", read: "✓✓", refused: "✕", unknown: "?" };
const kept = JSON.parse(sessionStorage.getItem("wsc page") ?? "null") ?? { users: ["alice", "bob"], tokens: {} };
const keep = () => sessionStorage.setItem("wsc page", JSON.stringify(kept));
const put = (element, text) => element.textContent !== text && (element.textContent = text);

class Panel {
  constructor(index) {
    this.index = index;
    this.root = document.getElementById("user").content.firstElementChild.cloneNode(true);
    this.find = (selector) => this.root.querySelector(selector);
    this.lines = new Map();
    document.getElementById("users").append(this.root);
    this.find(".id").addEventListener("change", () => this.rename(this.find(".id").value.trim()));
    this.find(".secret").addEventListener("change", () => {
      kept.tokens[this.user] = this.find(".secret").value.trim();
      this.start();
    });
    this.find(".cut").addEventListener("click", () => (this.isUp() ? this.device.cut() : this.device.connect()));
    this.find("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.find(".text");
      if (text.value.trim()) this.device.send(this.peer, text.value);
      text.value = "";
    });
    this.find(".text").addEventListener("input", () => this.device.type(this.peer));
    // Who is here has seen what is shown.
    for (const event of ["focusin", "pointerdown"]) this.root.addEventListener(event, () => this.device.read(this.peer));
    this.find(".frames").addEventListener("toggle", () => this.draw());
  }

  get user() {
    return kept.users[this.index];
  }

  get peer() {
    return kept.users[1 - this.index];
  }

  isUp() {
    return ["connecting", "connected"].includes(this.device.state);
  }

  rename(name) {
    if (name && name !== this.peer && name !== this.user) {
      kept.users[this.index] = name;
      panels.forEach((panel) => panel.start());
    }
    this.find(".id").value = this.user;
  }

  start() {
    keep();
    this.device?.end();
    this.lines.clear();
    this.find(".conversation").replaceChildren();
    this.find(".id").value = this.user;
    this.find(".secret").value = kept.tokens[this.user] ?? "";
    this.root.setAttribute("aria-label", this.user);
    this.find(".conversation").setAttribute("aria-label", `Messages of ${this.user} with ${this.peer}`);
    this.find("label.hidden").textContent = `Message of ${this.user} to ${this.peer}`;
    this.find(".text").id = `text-${this.index}`;
    this.find("label.hidden").htmlFor = `text-${this.index}`;
    put(this.find(".with"), `With ${this.peer}`);
    this.device = new Device(this.user, kept.tokens[this.user], () => {
      // Many changes, one drawing.
      this.drawing ??= setTimeout(() => this.draw(), 16);
    });
    this.device.connect();
  }

  draw() {
    clearTimeout(this.drawing);
    this.drawing = null;
    const { device, peer } = this;
    if (this.root.contains(document.activeElement) && document.hasFocus()) device.read(peer);
    this.root.dataset.state = device.state;
    put(this.find(".state [role]"), device.state + (device.why ? ` (${device.why})` : ""));
    const seconds = Math.max(0, Math.ceil((device.until - Date.now()) / 1000));
    put(this.find(".countdown"), device.state === "waiting" ? `next try in ${seconds} s` : "");
    put(this.find(".cut"), this.isUp() ? "Cut the connection" : "Connect");
    if (device.why?.startsWith("token")) this.find(".token").open = true;
    const unread = device.unread(peer);
    this.find(".unread").hidden = !unread;
    put(this.find(".unread"), `${unread} unread`);
    put(this.find(".typing"), device.typing[peer] > Date.now() ? `${peer} is typing …` : "");
    this.drawConversation(device.kept.messages.filter((message) => message.notice || message.peer === peer));
    if (this.find(".frames").open) this.drawFrames(device.frames);
  }

  drawConversation(messages) {
    const list = this.find(".conversation");
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    let added = false;
    for (const message of messages) {
      const key = `${message.own ? "own" : "other"} ${message.id}`;
      let line = this.lines.get(key);
      if (!line) {
        line = this.line(message);
        this.lines.set(key, line);
        list.append(line);
        added = true;
      }
      if (message.own && line.dataset.stage !== message.stage) {
        line.dataset.stage = message.stage;
        line.querySelector(".symbol").textContent = TICKS[message.stage];
        line.querySelector(".stage").textContent = message.stage + (message.reason ? `: ${message.reason}` : "");
      }
    }
    if (added && atEnd) list.scrollTop = list.scrollHeight;
  }

  line({ own, notice, content, at }) {
    const make = (tag, name, text = "") => Object.assign(document.createElement(tag), { className: name, textContent: text });
    const line = make("li", notice ? "gap" : own ? "own" : "other");
    if (!notice) line.append(make("span", "hidden", `${own ? this.user : this.peer}: `));
    line.append(make("span", "content", content));
    if (notice) return line;
    const about = make("span", "about");
    const time = new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    about.append(make("time", "", time));
    if (own) {
      const symbol = make("span", "symbol");
      symbol.ariaHidden = "true";
      about.append(" ", symbol, " ", make("span", "stage"));
    }
    line.append(about);
    return line;
  }

  drawFrames(frames) {
    const list = this.find(".frames ol");
    list.setAttribute("aria-label", `Frames of ${this.user}, newest first`);
    list.replaceChildren(...frames.toReversed().map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  }
}

const panels = [new Panel(0), new Panel(1)];
panels.forEach((panel) => panel.start());
addEventListener("online", () => panels.forEach(({ device }) => device.state === "waiting" && device.connect()));
addEventListener("focus", () => panels.forEach((panel) => panel.draw()));
