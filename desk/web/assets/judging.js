// Judging by keyboard: verdicts on cards, undo, and a new look at the server when the person comes back.
"use strict";

const SAID = { r: "right", w: "wrong", g: "too_general", c: "cannot_tell" };
const WORDS = { right: "right", wrong: "wrong", too_general: "too general", cannot_tell: "cannot tell" };
const LONGEST_GOING_ON = 10_000; // milliseconds: how long Continue waits until all verdicts are sent

class Judging {
  constructor(root) {
    this.root = root;
    if (root.dataset.address) history.replaceState(null, "", root.dataset.address); // for Reload and Back
    this.to = root.dataset.to;
    this.cards = [...root.querySelectorAll(".batch > .card")];
    this.other = root.querySelector("dialog.other");
    this.alike = new Alike(root.querySelector("dialog.alike"), (said, records) => this.sayAlike(said, records));
    this.concepts = new Map(
      [...root.querySelectorAll("#all-concepts option")].map(each => [each.value.toLowerCase(), each]));
    for (const card of this.cards) card.querySelector(".say").addEventListener("submit", event => {
      event.preventDefault();
      this.say([card], event.submitter.value);
    });
    for (const card of this.cards) card.querySelector(".take-back").addEventListener("submit", event => {
      event.preventDefault();
      this.takeBack([card]);
    });
    for (const card of this.cards) card.querySelector(".narrower")?.addEventListener("submit", event => {
      event.preventDefault();
      this.say([card], "too_general", event.submitter.value, event.submitter.dataset.label);
    });
    document.addEventListener("keydown", event => this.press(event));
    document.querySelector(".meanings")?.addEventListener("mousedown", event => {
      if (event.target.closest("summary, a")) event.preventDefault(); // the card keeps the focus
    });
    this.other.querySelector("form").addEventListener("submit", event => this.takeOther(event));
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
    addEventListener("focus", () => this.lookAgain());
    addEventListener("pageshow", event => { if (event.persisted) this.lookAgain(); });
    root.classList.add("scripted");
    for (const entry of queue.read()) this.takeWaiting(entry);
    if (root.dataset.next) this.begin(this.cards.find(each => !each.dataset.said) ?? this.cards[0]);
    this.count();
  }

  // If the first picture is in the window, the page does not scroll: its top says what concepts mean.
  begin(card) {
    const end = Math.min(innerHeight, this.root.querySelector(".keys").getBoundingClientRect().top);
    card?.focus({ preventScroll: card.querySelector(".frame").getBoundingClientRect().bottom <= end });
  }

  // Each key has a button too.
  act(key, card) {
    if (key === "u") this.undo();
    else if (key === "a") this.sayOfRest();
    else if (!card) return;
    else if (SAID[key]) this.say([card], SAID[key]);
    else if (key === "t") this.askOther(card);
    else if (key === "l") this.askAlike(card);
    else if (key === "z") card.querySelector("[data-large]").click();
    else this.choose(card, key);
  }

  get card() { return document.activeElement?.closest?.(".batch > .card") ?? null; }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input, select, textarea")) return;
    const key = event.key.toLowerCase();
    const move = { arrowright: 1, arrowleft: -1, arrowdown: this.across(), arrowup: -this.across() }[key];
    if (move) { event.preventDefault(); this.move(move); return; }
    if (event.repeat) return; // a key that is held down counts once
    if (key === "enter") {
      if (event.target.closest("a, button, summary")) return;
      event.preventDefault();
      this.goOn();
    } else if (this.has(key)) {
      event.preventDefault();
      this.act(key, (key === "t" && this.justWrong) || this.card);
    }
  }

  has(key) {
    if (key in SAID || key === "z") return true;
    if (/^[1-9]$/.test(key)) return this.card?.querySelector(`[data-key="${key}"], [data-digit="${key}"]`);
    return /^[altu]$/.test(key) && this.root.querySelector(`[data-key="${key}"]`);
  }

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
    if (said !== "cannot_tell") cards = this.seen(cards);
    if (!cards.length) return;
    this.change(cards, { said, instead, words });
    this.justWrong = said === "wrong" && !instead && cards.length === 1 ? cards[0] : null;
    const isLeft = each => !each.dataset.said && !each.querySelector(".missing");
    const next = this.cards.slice(this.cards.indexOf(cards[0])).find(isLeft) ?? this.cards.find(isLeft);
    if (!next) this.root.querySelector(".next")?.focus();
    else if (cards.length === 1) next.focus();
  }

  // A picture that is not loaded cannot be judged.
  seen(cards) {
    const seen = cards.filter(isSeen), missing = cards.length - seen.length;
    note(this.root, missing ? `Not judged, because the picture is not loaded: ${missing}. Try again, or skip it with an arrow key.` : "");
    return seen;
  }

  sayOfRest() { this.say(this.cards.filter(each => !each.dataset.said), "right"); }

  takeBack(cards) { this.change(cards, {}); }

  // Give cards another verdict, or none, and note the former ones for undo.
  change(cards, after) {
    const steps = cards.map(card => ({ about: about(card), before: verdictOf(card.dataset), after: verdictOf(after) }));
    this.past = [...this.past, { steps, beside: [] }];
    queue.add(cards.map(card => this.put(card, after)));
    this.count();
  }

  // The steps of this page, for undo. They are still there when the page is loaded again.
  get past() { try { return JSON.parse(sessionStorage.getItem(this.place) || "[]"); } catch { return []; } }
  set past(steps) { sessionStorage.setItem(this.place, JSON.stringify(steps)); }
  get place() { return `judged ${this.to} ${location.pathname}${location.search}`; }

  // Show a verdict, or none, and return the entry for the queue.
  put(card, verdict, id = newId()) {
    const { said, instead, words } = verdictOf(verdict);
    const former = card.dataset.id;
    Object.assign(card.dataset, { said, instead, words });
    card.querySelector(".mine").textContent = said ? [WORDS[said], words].filter(Boolean).join(": ") : "";
    card.querySelector(".take-back").hidden = !said;
    if (!said) { delete card.dataset.said; return this.back(former, card.dataset.record); }
    card.dataset.id = id;
    return this.entry(about(card), verdict, id);
  }

  entry(about, { said, instead, words }, id) {
    return { key: id, to: this.to, words, fields: { ...about, id, said, instead } };
  }

  back(id, record) { return { key: `undo ${id}`, to: `${this.to}/withdraw`, fields: { id, record } }; }

  undo() {
    const past = this.past, last = past.pop();
    if (!last) { note(this.root, "Nothing to undo on this page."); return; }
    this.past = past;
    const entries = last.beside.map(({ id, record }) => this.back(id, record));
    for (const { about, before, after } of last.steps) {
      const card = this.cardOf(about);
      const is = card ? verdictOf(card.dataset) : {};
      if (!card && before.said && !after.said) { // it was taken back, so this page no longer shows it
        entries.push(this.entry(about, before, newId()));
        note(this.root, "Undone. Load the page again to see it.");
      } else if (is.said === after.said && is.instead === after.instead) // else another window changed it
        entries.push(this.put(card, before));
    }
    queue.add(entries);
    this.count();
    this.cardOf(last.steps[0].about)?.focus();
  }

  cardOf(about) { return this.cards.find(each => keyOf(each.dataset) === keyOf(about)); }

  // The verdict of a card that was drawn again by the server.
  takeFresh(card, fresh) {
    Object.assign(card.dataset, { id: fresh.dataset.id, ...verdictOf(fresh.dataset) });
    if (!fresh.dataset.said) delete card.dataset.said;
    for (const part of [".mine", ".others"])
      card.querySelector(part).replaceChildren(...fresh.querySelector(part).childNodes);
    card.querySelector(".take-back").hidden = !card.dataset.said;
  }

  // A verdict that this browser has not sent yet is newer than the server's.
  takeWaiting({ to, words, fields }) {
    const isBack = to === `${this.to}/withdraw`;
    const card = isBack ? this.cards.find(each => each.dataset.id === fields.id) : this.cardOf(fields);
    if (card && (isBack || to === this.to)) this.put(card, isBack ? {} : { ...fields, words }, fields.id);
  }

  // Show the verdicts that colleagues, or other windows, gave since the page was loaded.
  async lookAgain() {
    if (queue.read().length) return;
    const ids = this.cards.map(card => card.dataset.id + card.dataset.said);
    let page;
    try {
      const answer = await fetch(location.href, { redirect: "manual" });
      if (!answer.ok) return;
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch { return; } // the desk is away: the page stays as it is
    const fresh = new Map([...page.querySelectorAll(".batch > .card")].map(each => [keyOf(each.dataset), each]));
    for (const [place, card] of this.cards.entries()) {
      const found = fresh.get(keyOf(card.dataset));
      if (found && ids[place] === card.dataset.id + card.dataset.said) this.takeFresh(card, found);
    }
    for (const place of page.querySelectorAll("progress[data-stand]")) showStand({ [place.dataset.stand]: place.value });
    this.count();
  }

  // The digit of a most probable concept, or of a narrower one.
  choose(card, digit) {
    const button = card.querySelector(`.probable [data-key="${digit}"]`);
    if (button) this.name(card, button.dataset.uri, button.dataset.label);
    else card.querySelector(`.narrower [data-digit="${digit}"]`)?.click();
  }

  name(card, uri, label) {
    if (uri === card.dataset.concept) this.say([card], "right");
    else this.say([card], "wrong", uri, label);
  }

  askOther(card) {
    if (!this.seen([card]).length) return;
    this.asking = card;
    const field = this.other.querySelector("input");
    field.value = "";
    this.other.querySelector(".hint").textContent = "Enter: save. Escape: cancel.";
    this.other.querySelector(".about").replaceChildren(...pictured(card));
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
      this.other.querySelector(".hint").textContent = typed ? "This concept is not in the list. Choose one from the list." : "Type a concept.";
      return;
    }
    this.other.close();
    this.name(this.asking, found.dataset.uri, found.value);
  }

  async askAlike(card) {
    if (!this.seen([card]).length) return;
    this.asking = card;
    const problem = await this.alike.ask(card, this.root.dataset.model ?? "");
    if (problem) note(this.root, problem);
  }

  sayAlike(said, records) {
    const { concept, model } = this.asking.dataset;
    const shown = this.cards.filter(card =>
      card !== this.asking && card.dataset.concept === concept && records.includes(card.dataset.record));
    this.say([this.asking, ...shown], said);
    const elsewhere = records.filter(record => !shown.some(card => card.dataset.record === record));
    const beside = elsewhere.map(record => ({ id: newId(), record }));
    const past = this.past;
    past.at(-1).beside = beside;
    this.past = past;
    queue.add(beside.map(({ id, record }) => ({
      key: id, to: this.to, fields: { id, record, concept, said, instead: "", model: model ?? "" },
    })));
    note(this.root, `${records.length} similar pictures: ${WORDS[said]}.`);
  }

  async goOn() {
    const next = this.root.dataset.next;
    if (!next) return;
    const until = Date.now() + LONGEST_GOING_ON; // else the next page may show the same pictures again
    while (queue.read().length && Date.now() < until) await new Promise(done => setTimeout(done, 50));
    location.assign(next);
  }

  count() {
    this.root.querySelector(".done").textContent = this.cards.filter(each => each.dataset.said).length;
  }
}

// A verdict in the form that cards, forms and undo share.
function verdictOf({ said = "", instead = "", words = "" }) { return { said, instead, words }; }

function about({ dataset: { record, concept, model } }) { return { record, concept, model }; }

function keyOf({ record, concept }) { return `${record} ${concept}`; }

function note(root, words) { root.querySelector(".note").textContent = words; }

for (const root of document.querySelectorAll(".judging")) new Judging(root);
addEventListener("online", () => sender.wake());
sender.send();
