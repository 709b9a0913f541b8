// The dialog with the largest copy of a picture. Wheel, + and -: zoom. Arrows: move. Escape: close.
"use strict";

const STEP = 1.25, MOST_ZOOM = 16;

class Large {
  constructor() {
    this.dialog = Object.assign(document.createElement("dialog"), { className: "large" });
    this.dialog.setAttribute("aria-label", "Large picture");
    this.view = Object.assign(document.createElement("div"), { className: "view", tabIndex: 0 });
    const keys = Object.assign(document.createElement("p"), {
      className: "small", textContent: "Wheel, + and −: zoom. 0: fit. Arrows: move. Escape: close. ",
    });
    const close = Object.assign(document.createElement("button"), { textContent: "Close" });
    close.addEventListener("click", () => this.dialog.close());
    keys.append(close);
    this.dialog.append(this.view, keys);
    document.body.append(this.dialog);
    this.dialog.addEventListener("keydown", event => this.press(event));
    this.view.addEventListener("wheel", event => {
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? STEP : 1 / STEP, event.offsetX / this.picture.clientWidth, event.offsetY / this.picture.clientHeight);
    });
  }

  open(link) {
    this.scale = 1;
    this.picture = Object.assign(document.createElement("img"), {
      className: "picture whole", src: link.href, alt: link.querySelector("img").alt,
    });
    this.view.replaceChildren(this.picture);
    this.dialog.showModal();
    this.view.focus();
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation(); // else the key judges the card behind the dialog
    const by = { "+": STEP, "=": STEP, "-": 1 / STEP, 0: 1 / this.scale }[event.key];
    if (by) { event.preventDefault(); this.zoom(by); }
  }

  // The point at these shares of width and height stays in place.
  zoom(by, x = 0.5, y = 0.5) {
    const scale = Math.max(1, Math.min(MOST_ZOOM, this.scale * by));
    const { clientWidth, clientHeight } = this.picture;
    this.scale = scale;
    this.picture.style.width = this.picture.style.height = `${100 * scale}%`;
    this.view.scrollLeft += x * (this.picture.clientWidth - clientWidth);
    this.view.scrollTop += y * (this.picture.clientHeight - clientHeight);
  }
}

const links = document.querySelectorAll("a[data-large]");
const large = links.length ? new Large() : null;
for (const link of links) link.addEventListener("click", event => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return; // in a tab of its own
  event.preventDefault();
  large.open(link);
});
