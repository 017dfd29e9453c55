"""The pages of what was done: decisions with their effect, events, and the audit log to take away.

Widgets only.
"""

from __future__ import annotations

import streamlit as st

from xapp.console_decisions import STATE_WORDS, decision_html
from xapp.console_parts import frame, live, quiet_when_away, told
from xapp.console_state import Console
from xapp.console_text import empty_html, events_html, section_html

SHOWN = 50
LEVELS = {"All": ("info", "warning", "error"), "Warnings": ("warning", "error"),
          "Errors": ("error",)}
STATES = {"All": tuple(STATE_WORDS), "Confirmed": ("confirmed",),
          "Unproven": ("unproven",),
          "Rolled back": ("rolled_back", "failed"),
          "Under way": ("planned", "sent", "acknowledged")}


def show_decisions(console: Console) -> None:
    """Draw the page of decisions."""
    frame(console)
    live(_decisions, console)
    _audit(console)


def show_events(console: Console) -> None:
    """Draw the page of events."""
    frame(console)
    live(_events, console)


def _decisions(console: Console) -> None:
    with quiet_when_away():
        found = console.read(console.client.decisions, SHOWN).items
        st.html(section_html("Decisions", "expected against measured, latest first"))
        wanted = st.segmented_control("State", list(STATES), default="All", key="states",
                                      label_visibility="collapsed", required=True) or "All"
        shown = [one for one in found if one.state in STATES[wanted]]
        if not shown:
            st.html(empty_html("None yet." if not found else f"None of the last {len(found)}."))
        for one in shown:
            st.html(decision_html(one))


def _events(console: Console) -> None:
    with quiet_when_away():
        found = console.read(console.client.events, SHOWN).items
        st.html(section_html("Events", "latest first"))
        wanted = st.segmented_control("Level", list(LEVELS), default="All", key="levels",
                                      label_visibility="collapsed", required=True) or "All"
        shown = [one for one in found if one.level in LEVELS[wanted]]
        if shown:
            st.html(events_html(shown))
        else:
            st.html(empty_html("None yet." if not found else f"None of the last {len(found)}."))


def _audit(console: Console) -> None:
    """The whole log, fetched when it is asked for."""
    with st.container(key="audit", horizontal=True, vertical_alignment="center"):
        st.caption("Who did what, why, and what came of it:")
        for form, media in (("jsonl", "application/x-ndjson"), ("csv", "text/csv")):
            if st.button(f"Audit log as {form.upper()}", key=f"prepare-{form}",
                         icon=":material/description:"):
                with told():
                    st.download_button(
                        f"Download airsplit-audit.{form}", console.client.audit(form),
                        f"airsplit-audit.{form}", media, key=f"audit-{form}", type="primary",
                        icon=":material/download:")
