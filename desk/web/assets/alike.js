// The dialog with pictures that look like one and have the same concept. One key judges all ticked ones.
"use strict";

const LONGEST_LOADING = 5_000; // milliseconds: how long the dialog waits for its pictures

class Alike {
  // The dialog calls `say` with the verdict and the IDs of the records.
  constructor(dialog, say) {
    this.dialog = dialog;
    this.say = say;
    dialog.addEventListener("keydown", event => {
      const said = SAID[event.key.toLowerCase()];
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !said) return;
      event.preventDefault();
      this.end(said);
    });
    for (const button of dialog.querySelectorAll("button[data-word]"))
      button.addEventListener("click", event => { event.preventDefault(); this.end(button.dataset.word); });
  }

  // Returns null when the dialog is open, else the reason why it is not.
  async ask(card, model) {
    const { record, concept, label } = card.dataset;
    const asked = new URLSearchParams({ record, concept, model });
    let found = [];
    try {
      const answer = await fetch(`/alike?${asked}`, { headers: { Accept: "application/json" } });
      const told = await answer.json();
      if (!answer.ok) return told.error;
      found = told.alike;
    } catch { return "Your browser cannot reach the desk."; }
    if (!found.length) return "No unjudged picture looks like this one.";
    const items = found.map(each => alikeCard(each));
    const settled = items.map(each => each.querySelector("img").decode().catch(() => {}));
    await Promise.race([Promise.all(settled), new Promise(done => setTimeout(done, LONGEST_LOADING))]);
    for (const item of items) tick(item);
    this.dialog.querySelector(".concept").textContent = label;
    this.dialog.querySelector(".about").replaceChildren(...pictured(card));
    this.dialog.querySelector("ul").replaceChildren(...items);
    for (const item of items) if (item.querySelector("img").complete && !isSeen(item)) tellMissing(item.querySelector("img"));
    this.dialog.showModal();
    this.dialog.querySelector("input:enabled")?.focus();
    return null;
  }

  end(said) {
    const ticked = this.dialog.querySelectorAll("input:checked");
    this.dialog.close();
    this.say(said, [...ticked].map(each => each.value));
  }
}

function alikeCard(each) {
  const item = document.createElement("li");
  item.className = "card";
  const label = document.createElement("label");
  const box = Object.assign(document.createElement("input"), { type: "checkbox", value: each.record });
  const image = Object.assign(document.createElement("img"), {
    className: "picture", src: `/thumbnails${each.record}`, alt: each.title,
  });
  label.append(image, box, ` ${each.title}`);
  item.append(label);
  image.addEventListener("load", () => { box.disabled = false; });
  image.addEventListener("error", () => tick(item));
  return item;
}

// A picture that is not loaded cannot be judged.
function tick(item) {
  const box = item.querySelector("input");
  box.checked = isSeen(item);
  box.disabled = !box.checked;
}

function isSeen(card) {
  const picture = card.querySelector("img.picture");
  return picture.complete && picture.naturalWidth > 0;
}

// A copy of the card's picture, and its title, for a dialog.
function pictured(card) {
  const picture = card.querySelector("img").cloneNode();
  picture.hidden = false;
  return [picture, card.querySelector(".title").textContent];
}
