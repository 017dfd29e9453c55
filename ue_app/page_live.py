"""What moves on the page: the strip and the answer as it grows, fetched by the browser as JSON.

The page's own script runs when a person does something or an answer ends; in between, the browser
asks here, several times a second, for what has changed. That costs the phone a thousandth of a
second each time, where drawing the page anew would cost ten.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ue_app.page_text import answer_html
from ue_app.strip import strip_html

if TYPE_CHECKING:
    from ue_app.phone_app import PhoneApp
    from ue_app.runner import Job

PATH = "/live"
BUSY_PAUSE, IDLE_PAUSE = 0.12, 1.5  # seconds until the browser asks again
WAITING = '<div class="as-waiting"><i></i><i></i><i></i>reading the question</div>'

LIVE_HTML = '<div class="as-live"></div>'
LIVE_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  parentElement.asStop?.();
  const strip = parentElement.querySelector(".as-live");
  let stopped = false, timer = 0, told = data.mark;
  // Who reads at the end stays at the end while text comes; who scrolled up stays there.
  const main = document.querySelector('[data-testid="stMain"]');
  const block = document.querySelector('[data-testid="stMainBlockContainer"]');
  const down = () => { main.scrollTop = main.scrollHeight; };
  const near = () => main.scrollHeight - main.scrollTop - main.clientHeight < 120;
  if (main.asShows !== data.url) { main.asShows = data.url; main.asStick = true; }
  if (data.writing) main.asStick = true;
  const moved = () => { main.asStick = near(); };
  const grown = new ResizeObserver(() => { if (main.asStick) down(); });
  const watched = () => ["wheel", "touchmove", "keydown", "pointerup"];
  watched().forEach((name) => main.addEventListener(name, moved, { passive: true }));
  grown.observe(block);
  const draw = (place, html) => {
    if (place && place.asHtml !== html) { place.innerHTML = html; place.asHtml = html; }
  };
  draw(strip, data.strip);
  const look = async () => {
    let pause = data.pause;
    if (!document.hidden) {
      try {
        const response = await fetch(data.url, { cache: "no-store" });
        const now = await response.json();
        if (stopped) return;
        draw(strip, now.strip);
        if (now.answer !== null) draw(document.querySelector(".as-growing"), now.answer);
        pause = now.pause;
        if (now.mark !== told) { told = now.mark; setTriggerValue("changed", now.mark); }
      } catch { pause = data.slow; }  // the app is gone, and the page says so itself
    }
    if (!stopped) timer = setTimeout(look, pause * 1000);
  };
  timer = setTimeout(look, data.pause * 1000);
  parentElement.asStop = () => {
    stopped = true;
    clearTimeout(timer);
    grown.disconnect();
    watched().forEach((name) => main.removeEventListener(name, moved));
  };
  return parentElement.asStop;
}
"""
GROWING_HTML = '<div class="as-growing as-answer" aria-live="polite"></div>'
GROWING_JS = """
export default function ({ data, parentElement }) {
  const place = parentElement.querySelector(".as-growing");
  place.innerHTML = data.html;
  place.asHtml = data.html;
}
"""


def live_state(app: PhoneApp, conversation: int | None) -> dict[str, Any]:
    """What the page shows of `conversation` at this moment.

    `mark` differs once the page must be drawn anew.
    """
    job = None if conversation is None else app.runner.job(conversation)
    running = job is not None and job.running
    busy = app.busy()
    return {"strip": strip_html(app.strip()),
            "answer": growing_html(job) if job is not None and running else None,
            "pause": BUSY_PAUSE if busy else IDLE_PAUSE,
            "mark": mark_of(app, job)}


def growing_html(job: Job) -> str:
    """An answer that is being written."""
    return answer_html(job.text, cursor=True) if job.text else WAITING


def mark_of(app: PhoneApp, job: Job | None) -> str:
    """All that the page shows besides what moves, in short."""
    problems = (app.problem, app.settings_problem, app.recorder.problem, app.talks.problem)
    return json.dumps([None if job is None else [job.number, job.running, job.cancelled.is_set()],
                       app.service.opening, app.offers is not None, app.recorder.name,
                       *[None if problem is None else problem.problem for problem in problems]])
