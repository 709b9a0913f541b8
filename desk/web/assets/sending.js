// Sending verdicts. Each verdict waits in a queue in the browser's storage until the server confirms it,
// so a lost connection or a closed tab loses none.
"use strict";

const AT_ONCE = 50;
const LONGEST_WAIT = 30_000; // milliseconds between two tries

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
  // Send the first entries of the queue that go to the same address, in their order.
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
  // Returns null if the server took the batch or will never take it, else the problem in words.
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
        return "Log in again in another tab. This browser saves them until then.";
      if (answer.status === 400 && batch.length > 1) // one verdict is wrong: send them one by one to find it
        return (await this.oneByOne(to, batch)) ?? null;
      if (answer.status === 400) {
        this.refused = (await answer.json()).error;
        queue.drop(batch);
        return null;
      }
      return answer.status === 403 ? (await answer.json()).error : "The desk has a problem. Your browser tries again.";
    } catch { return "Your browser cannot reach the desk."; }
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

// Show the progress of an audit, or of teaching, as the server counts it.
function showStand(stand) {
  for (const [name, count] of Object.entries(stand))
    for (const place of document.querySelectorAll(`[data-stand="${CSS.escape(name)}"]`)) {
      if (place.tagName === "PROGRESS") place.value = count;
      else place.textContent = count.toLocaleString("en");
    }
}

// Browsers offer crypto.randomUUID only over HTTPS, and the desk may run without.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map(each => each.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

