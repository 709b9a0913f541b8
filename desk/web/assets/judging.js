// Judging by keyboard. A verdict goes into a queue in this browser's storage, and from there to the
// server, until the server has acknowledged it: so a lost connection, or a closed tab, loses none.
"use strict";

const SAID = { r: "right", w: "wrong", g: "too_general", c: "cannot_tell" };
const WORDS = { right: "right", wrong: "wrong", too_general: "too general", cannot_tell: "cannot tell" };
const AT_ONCE = 50;
const LONGEST_WAIT = 30_000; // milliseconds between two tries
const LONGEST_GOING_ON = 10_000; // milliseconds that the next page waits for the server

const queue = {
  key: `desk-verdicts-${document.body.dataset.user}`,
  read() {
    try { return JSON.parse(localStorage.getItem(this.key) || "[]"); } catch { return []; }
  },
  write(entries) { localStorage.setItem(this.key, JSON.stringify(entries)); },
  add(entries) { this.write([...this.read(), ...entries]); sender.wake(); },
  drop(entries) {
    const gone = new Set(entries.map(each => each.key));
    this.write(this.read().filter(each => !gone.has(each.key)));
  },
};

const sender = {
  wait: 500,
  isSending: false,
  timer: 0,
  refused: "",
  wake() { clearTimeout(this.timer); this.send(); },
  // The first entries of the queue that go to one address, in their order.
  async send() {
    const waiting = queue.read();
    show(waiting.length);
    if (this.isSending || !waiting.length) return;
    this.isSending = true;
    const to = waiting[0].to;
    const length = waiting.findIndex(each => each.to !== to);
    const batch = waiting.slice(0, Math.min(AT_ONCE, length < 0 ? waiting.length : length));
    const problem = await this.post(to, batch);
    this.isSending = false;
    if (problem === null) { this.wait = 500; this.send(); return; }
    show(queue.read().length, problem);
    this.timer = setTimeout(() => this.send(), this.wait);
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT);
  },
  // Null if the server has taken the batch, or will never take it.
  async post(to, batch) {
    const form = new URLSearchParams({ csrf: document.body.dataset.csrf });
    for (const entry of batch)
      for (const [name, value] of Object.entries(entry.fields)) form.append(name, value);
    try {
      const answer = await fetch(to, {
        method: "POST", body: form, redirect: "manual", headers: { Accept: "application/json" },
      });
      if (answer.ok) {
        queue.drop(batch);
        showStand((await answer.json()).stand ?? {});
        return null;
      }
      if (answer.type === "opaqueredirect" || answer.status === 401)
        return "Log in again in another tab: this browser keeps them.";
      if (answer.status === 400 && batch.length > 1) // one of them is at fault: one at a time
        return (await this.oneByOne(to, batch)) ?? null;
      if (answer.status === 400) {
        this.refused = (await answer.json()).error;
        queue.drop(batch);
        return null;
      }
      return answer.status === 403 ? (await answer.json()).error : "The desk is in trouble.";
    } catch { return "The desk cannot be reached."; }
  },
  async oneByOne(to, batch) {
    for (const entry of batch) {
      const problem = await this.post(to, [entry]);
      if (problem) return problem;
    }
    return null;
  },
};

function show(count, problem = "") {
  for (const place of document.querySelectorAll(".unsaved")) {
    const waiting = count ? `${count} not saved yet. ${problem}` : "All saved.";
    place.textContent = sender.refused ? `Not saved: ${sender.refused}` : waiting;
    place.dataset.count = count;
  }
}

// How far an audit is judged, as the server counts it.
function showStand(stand) {
  for (const [name, count] of Object.entries(stand))
    for (const place of document.querySelectorAll(`[data-stand="${name}"]`)) {
      if (place.tagName === "PROGRESS") place.value = count;
      else place.textContent = count.toLocaleString("en");
    }
}

class Judging {
  constructor(root) {
    this.root = root;
    this.to = root.dataset.to;
    this.cards = [...root.querySelectorAll(".batch > .card")];
    this.past = []; // what was said, for undo
    this.other = root.querySelector("dialog.other");
    this.alike = root.querySelector("dialog.alike");
    this.concepts = new Map(
      [...root.querySelectorAll("#all-concepts option")].map(each => [each.value.toLowerCase(), each]));
    for (const card of this.cards) card.querySelector("form").addEventListener("submit", event => {
      event.preventDefault();
      this.say([card], event.submitter.value);
    });
    document.addEventListener("keydown", event => this.press(event));
    this.other.querySelector("form").addEventListener("submit", event => this.takeOther(event));
    this.alike.addEventListener("keydown", event => this.pressAlike(event));
    root.querySelector(".next")?.addEventListener("click", event => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // in a tab of its own
      event.preventDefault();
      this.goOn();
    });
    for (const button of root.querySelectorAll("button[data-key]")) button.addEventListener("click", () => {
      const card = button.closest(".card");
      card?.focus();
      this.act(button.dataset.key, card);
    });
    for (const button of this.alike.querySelectorAll("button[data-word]"))
      button.addEventListener("click", event => { event.preventDefault(); this.sayAlike(button.dataset.word); });
    if (root.dataset.next) this.cards[0]?.focus();
    this.count();
  }

  // What has a key has a button, too.
  act(key, card) {
    if (key === "u") this.undo();
    else if (key === "a") this.say(this.cards.filter(each => !each.dataset.said), "right");
    else if (key === "t") this.askOther(card);
    else if (key === "l") this.askAlike(card);
  }

  get card() { return document.activeElement?.closest?.(".batch > .card") ?? null; }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.other.open || this.alike.open) return;
    if (event.target.closest("input, select, textarea")) return;
    const key = event.key.toLowerCase();
    const move = { arrowright: 1, arrowleft: -1, arrowdown: this.across(), arrowup: -this.across() }[key];
    if (move) { event.preventDefault(); this.move(move); return; }
    if (event.repeat) return; // a key that is held down is pressed once
    if (key === "enter" && !event.target.closest("a, button, summary")) { event.preventDefault(); this.goOn(); }
    else if (key === "u") this.undo();
    else if (key === "a" && this.hasAlike()) this.say(this.cards.filter(each => !each.dataset.said), "right");
    else if (!this.card) return;
    else if (SAID[key]) this.say([this.card], SAID[key]);
    else if (key === "t") { event.preventDefault(); this.askOther(this.justWrong ?? this.card); }
    else if (key === "l" && this.hasAlike()) this.askAlike(this.card);
  }

  hasAlike() { return this.to === "/verdicts"; }

  across() {
    const top = this.cards[0]?.offsetTop;
    return this.cards.findIndex(each => each.offsetTop !== top) + 1 > 1
      ? this.cards.findIndex(each => each.offsetTop !== top) : this.cards.length;
  }

  move(by) {
    this.justWrong = null;
    const place = this.cards.indexOf(this.card);
    const next = Math.max(0, Math.min(this.cards.length - 1, place + by));
    this.cards[next]?.focus();
    this.cards[next]?.scrollIntoView({ block: "nearest" });
  }

  say(cards, said, instead = "", words = "") {
    const before = cards.map(card => ({ card, id: card.dataset.id, ...this.standing(card) }));
    this.past.push({ before, beside: [] });
    for (const card of cards) this.mark(card, said, instead, words);
    queue.add(cards.map(card => this.entry(card)));
    this.count();
    this.justWrong = said === "wrong" && !instead && cards.length === 1 ? cards[0] : null;
    const next = this.cards.find(each => !each.dataset.said);
    if (cards.length === 1 && next) {
      const place = this.cards.indexOf(cards[0]);
      (this.cards.slice(place).find(each => !each.dataset.said) ?? next).focus();
    } else if (!next) this.root.querySelector(".next")?.focus();
  }

  standing(card) {
    return { said: card.dataset.said ?? "", instead: card.dataset.instead ?? "", words: card.dataset.words ?? "" };
  }

  mark(card, said, instead, words) {
    card.dataset.id = card.dataset.said || card.dataset.used ? newId() : card.dataset.id;
    card.dataset.used = "yes";
    Object.assign(card.dataset, { said, instead, words });
    card.querySelector(".mine").textContent = words ? `${WORDS[said]}: ${words}` : WORDS[said];
  }

  entry(card) {
    const { id, record, concept, said, instead, model } = card.dataset;
    return { key: id, to: this.to, fields: { id, record, concept, said, instead: instead ?? "", model: model ?? "" } };
  }

  undo() {
    const last = this.past.pop();
    if (!last) return;
    const entries = [];
    for (const { card, said, instead, words } of last.before) {
      if (said) { this.mark(card, said, instead, words); entries.push(this.entry(card)); continue; }
      entries.push({ key: `undo ${card.dataset.id}`, to: `${this.to}/withdraw`, fields: { id: card.dataset.id } });
      delete card.dataset.said;
      card.querySelector(".mine").textContent = "";
    }
    for (const id of last.beside)
      entries.push({ key: `undo ${id}`, to: `${this.to}/withdraw`, fields: { id } });
    queue.add(entries);
    this.count();
    last.before[0]?.card.focus();
  }

  askOther(card) {
    this.asking = card;
    const field = this.other.querySelector("input");
    field.value = "";
    this.other.querySelector(".hint").textContent = "Enter takes it, Escape goes back.";
    this.other.querySelector(".about").replaceChildren(card.querySelector("img").cloneNode(), card.querySelector(".title").textContent);
    this.other.showModal();
    field.focus();
  }

  takeOther(event) {
    if (event.submitter?.value === "back") return;
    const typed = this.other.querySelector("input").value.trim().toLowerCase();
    const options = [...this.concepts.keys()];
    const begun = options.filter(each => each.startsWith(typed));
    const found = this.concepts.get(typed) ?? (typed && begun.length === 1 ? this.concepts.get(begun[0]) : null);
    if (!found) {
      event.preventDefault();
      this.other.querySelector(".hint").textContent = typed ? "No such concept is known here; choose from the list." : "Type a concept.";
      return;
    }
    this.other.close();
    if (found.dataset.uri === this.asking.dataset.concept) this.say([this.asking], "right");
    else this.say([this.asking], "wrong", found.dataset.uri, found.value);
  }

  async askAlike(card) {
    const { record, concept, model } = card.dataset;
    const asked = new URLSearchParams({ record, concept, model: this.root.dataset.model ?? "" });
    let found = [];
    try {
      const answer = await fetch(`/alike?${asked}`, { headers: { Accept: "application/json" } });
      const told = await answer.json();
      if (!answer.ok) { note(this.root, told.error); return; }
      found = told.alike;
    } catch { note(this.root, "The desk cannot be reached."); return; }
    if (!found.length) { note(this.root, "Nothing that is not judged yet looks like this one."); return; }
    this.asking = card;
    const list = this.alike.querySelector("ul");
    list.replaceChildren(...found.map(each => alikeCard(each)));
    this.alike.showModal();
    list.querySelector("input").focus();
  }

  pressAlike(event) {
    const said = SAID[event.key.toLowerCase()];
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !said) return;
    event.preventDefault();
    this.sayAlike(said);
  }

  sayAlike(said) {
    const records = [...this.alike.querySelectorAll("input:checked")].map(each => each.value);
    const { concept, model } = this.asking.dataset;
    this.alike.close();
    const shown = this.cards.filter(card => card !== this.asking && records.includes(card.dataset.record));
    this.say([this.asking, ...shown], said);
    const elsewhere = records.filter(record => !shown.some(card => card.dataset.record === record));
    const beside = elsewhere.map(record => ({ id: newId(), record }));
    this.past.at(-1).beside = beside.map(each => each.id);
    queue.add(beside.map(({ id, record }) => ({
      key: id, to: this.to, fields: { id, record, concept, said, instead: "", model: model ?? "" },
    })));
    note(this.root, `${records.length} more that look alike: ${WORDS[said]}.`);
  }

  async goOn() {
    const next = this.root.dataset.next;
    if (!next) return;
    const until = Date.now() + LONGEST_GOING_ON; // what was said should not be asked again
    while (queue.read().length && Date.now() < until) await new Promise(done => setTimeout(done, 50));
    location.assign(next);
  }

  count() {
    this.root.querySelector(".done").textContent = this.cards.filter(each => each.dataset.said).length;
  }
}

function alikeCard(each) {
  const item = document.createElement("li");
  item.className = "card";
  const label = document.createElement("label");
  const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: true, value: each.record });
  const image = Object.assign(document.createElement("img"), {
    className: "picture", src: `/thumbnails${each.record}`, alt: each.title,
  });
  label.append(image, box, ` ${each.title}`);
  item.append(label);
  return item;
}

function note(root, words) { root.querySelector(".note").textContent = words; }

// Also where the page came over plain HTTP, where browsers offer no crypto.randomUUID.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map(each => each.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

for (const root of document.querySelectorAll(".judging")) new Judging(root);
addEventListener("online", () => sender.wake());
sender.send();
