"""A page in a real browser: what it shows at a given width."""

import html
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 240  # to start on a busy machine; a second is usual
_MEASURE = """
const frame = document.querySelector("iframe");
frame.onload = () => {
  const page = frame.contentDocument;
  document.querySelector("pre").textContent = JSON.stringify({
    pictures: page.images.length,
    missing: [...page.images].filter(image => !image.naturalWidth).length,
    unnamed: [...page.images].filter(image => !image.alt).length,
    scripts: page.scripts.length,
    overflow: page.documentElement.scrollWidth - page.documentElement.clientWidth,
    headings: [...page.querySelectorAll("h1, h2")].map(heading => heading.textContent),
    text: page.body.innerText,
  });
};
"""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the browser made of a page."""

    pictures: int
    missing: int
    unnamed: int
    scripts: int
    overflow: int
    headings: list[str]
    text: str


def see(page: Path, scratch: Path, *, width: int) -> Seen:
    """Open a page, as it is, in a frame of so many pixels."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip(f"no browser to open the page with: none of {', '.join(NAMES)} is installed")
    content = html.escape(page.read_text(), quote=True)
    frame = f'<iframe style="border: 0; width: {width}px" srcdoc="{content}"></iframe>'
    around = scratch / "around.html"
    around.write_text(f"<meta charset=utf-8>{frame}<pre></pre><script>{_MEASURE}</script>")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
    profile = f"--user-data-dir={scratch / 'profile'}"
    command = [browser, *options, profile, "--dump-dom", around.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    found = done.stdout.rpartition("<pre>")[2].partition("</pre>")[0]
    return Seen(**json.loads(html.unescape(found)))
