// The script of all pages. On a narrow screen, filters and meanings are folded, so that pictures come first.
"use strict";

if (matchMedia("(max-width: 52rem)").matches)
  for (const folded of document.querySelectorAll(".filters details:not(:has([aria-invalid])), .meanings details")) folded.open = false;

// If a picture cannot be loaded, its place says so and has a button to try again.
document.addEventListener("error", event => tellMissing(event.target), true);
for (const picture of document.querySelectorAll("img.picture"))
  if (picture.complete && !picture.naturalWidth && picture.currentSrc) tellMissing(picture);

function tellMissing(picture) {
  if (!picture.matches?.("img.picture") || picture.hidden) return;
  picture.hidden = true;
  const told = Object.assign(document.createElement("p"), { className: "missing", textContent: "This picture cannot be loaded at the moment." });
  const again = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "Try again" });
  again.addEventListener("click", () => {
    told.remove();
    again.remove();
    picture.hidden = false;
    const address = new URL(picture.src);
    address.searchParams.set("again", Date.now());
    picture.src = address;
  });
  picture.after(told);
  (picture.closest("a") ?? told).after(again);
}

// Tab reaches what is wider than the window, so that arrow keys can move it.
for (const wide of document.querySelectorAll(".scroll"))
  if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;

// A page that waits for something loads again by itself, for two minutes.
const waiting = document.querySelector("[data-reload]");
const looks = Number(sessionStorage.getItem(location.href) ?? 0);
if (waiting && looks < 40)
  setTimeout(() => { sessionStorage.setItem(location.href, looks + 1); location.reload(); }, 1000 * waiting.dataset.reload);
else sessionStorage.removeItem(location.href);

// Parts of a page that change are fetched again until they are over.
for (const place of document.querySelectorAll("[data-live]")) follow(place);

async function follow(place) {
  while (place.firstElementChild?.dataset.over !== "yes") {
    await new Promise(done => setTimeout(done, document.hidden ? 10_000 : 2_000));
    try {
      const answer = await fetch(place.dataset.live, { redirect: "manual" });
      if (answer.ok) place.innerHTML = await answer.text();
      else if (answer.status < 500) return;
    } catch { /* the desk is away: try again */ }
  }
  if (place.dataset.then) location.assign(place.dataset.then);
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

// If the person changes the form after planning, the plan is out of date and its buttons are off.
for (const form of document.querySelectorAll("[data-plans]")) {
  const asked = () => new URLSearchParams(new FormData(form)).toString();
  const planned = asked();
  const compare = () => {
    const isStale = asked() !== planned;
    for (const told of document.querySelectorAll("[data-stale]")) told.hidden = !isStale;
    for (const button of document.querySelectorAll("[data-of-plan]")) button.disabled = isStale;
  };
  form.addEventListener("input", compare);
  compare();
}
