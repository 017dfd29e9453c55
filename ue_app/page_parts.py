"""Widgets that several pages use: the sidebar, errors, the copy button."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from edge_server.errors import EdgeError
from ue_app.errors import PhoneError
from ue_app.page_link import link_settings
from ue_app.page_text import error_html, plain_markdown
from ue_app.phone_app import PhoneApp

CHAT, SETTINGS, RECORDINGS = "chat", "settings", "recordings"
_COPY_HTML = '<button type="button" aria-label="Copy this answer"></button>'
_COPY_CSS = """
button { all: unset; cursor: pointer; font: 500 .8rem var(--st-font); padding: .3rem .55rem;
  border-radius: .6rem; color: color-mix(in srgb, var(--st-text-color) 65%, transparent); }
button:hover, button:focus-visible { background: var(--st-secondary-background-color);
  color: var(--st-text-color); }
"""
# The clipboard is closed to pages that came without TLS from another machine: the old way helps.
_COPY_JS = """
export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button");
  const say = (word) => { button.textContent = word; };
  const old = (text) => {
    const area = document.createElement("textarea");
    area.value = text; area.style.position = "fixed"; area.style.opacity = "0";
    document.body.appendChild(area); area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  say("Copy");
  button.onclick = async () => {
    let done = false;
    try { await navigator.clipboard.writeText(data.text); done = true; }
    catch { done = old(data.text); }
    say(done ? "Copied" : "Select the text to copy it");
    setTimeout(() => say("Copy"), 1600);
  };
}
"""
# On a phone the list lies over the page: it goes away once something in it was chosen.
_PLACE_JS = """
export default function ({ data }) {
  const before = window.asPlace;
  window.asPlace = data.place;
  const open = document.querySelector('[data-testid="stSidebar"][data-collapsed="false"]');
  if (before !== undefined && before !== data.place && window.innerWidth < 768 && open) {
    document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click();
  }
}
"""


def pages() -> dict[str, Any]:
    """The app's pages, for links between them; `page` puts them there."""
    found: dict[str, Any] = st.session_state["pages"]
    return found


def copy_button(text: str, key: str) -> None:
    """Copies `text` to the clipboard."""
    component = st.components.v2.component(
        "airsplit_copy", html=_COPY_HTML, css=_COPY_CSS, js=_COPY_JS)
    component(data={"text": text}, key=key, width="content")


def show_error(error: PhoneError | EdgeError) -> None:
    st.html(error_html(error.problem, error.remedy))


@contextmanager
def errors_shown() -> Iterator[None]:
    """Shows an error a person can act on; any other is a bug and goes on."""
    try:
        yield
    except (PhoneError, EdgeError) as error:
        show_error(error)


def sidebar(app: PhoneApp, page: str, conversation: int | None) -> None:
    """Conversations, and the ways to the other pages."""
    chat = pages()[CHAT]
    place = st.components.v2.component("airsplit_place", js=_PLACE_JS)
    with st.sidebar:
        with st.container(key="place"):
            place(key="place-now", data={"place": f"{page} {conversation}"})
        st.html('<div class="as-brand">air<span>split</span></div>')
        with st.container(key="new-current" if page == CHAT and conversation is None else "new"):
            st.page_link(chat, label="New chat", icon=":material/edit_square:", width="stretch")
        st.page_link(pages()[RECORDINGS], label="Recordings", icon=":material/monitoring:",
                     width="stretch")
        st.page_link(pages()[SETTINGS], label="Settings", icon=":material/tune:", width="stretch")
        if page == CHAT:
            link_settings(app)
        talks = app.talks.conversations()
        if talks:
            st.caption("Conversations")
        with st.container(key="talks"):
            for talk in talks:
                current = talk.id == conversation
                with st.container(key="talk-current" if current else f"talk-{talk.id}"):
                    st.page_link(chat, label=plain_markdown(talk.title), width="stretch",
                                 query_params={"chat": str(talk.id)})
