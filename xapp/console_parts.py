"""What every page of the console has: sidebar, the strip with its switches, errors.

Widgets only; words and HTML are in `console_text`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from xapp.api_views import StatusModel
from xapp.console_state import Console
from xapp.console_text import (
    away_html,
    brand_html,
    error_html,
    head,
    hello_html,
    note_html,
    strip_html,
)
from xapp.errors import ApiAway, XappError

NETWORK, TRAFFIC, DECISIONS, EVENTS, POLICIES = (
    "network", "traffic", "decisions", "events", "policies")
ICONS = {NETWORK: "cell_tower", TRAFFIC: "swap_vert", DECISIONS: "tune",
         EVENTS: "notifications", POLICIES: "policy"}
TITLES = {NETWORK: "Network", TRAFFIC: "Flows and UEs", DECISIONS: "Decisions", EVENTS: "Events",
          POLICIES: "Policies"}
READ_ONLY = ("This console found no operator's token as it started: start it again once the xApp "
             "has made one, or with --token-file FILE.")
NEVER = "never drawn"
AWAY = "The xApp is away."
KILL_TEXT = ("Steering stops at once, and the quotas that were found when the xApp started are put "
             "in force again, in every cell. Nothing is steered until you release the switch.")
RELEASE_TEXT = "The xApp steers again, from the quotas that are in force now."


@dataclass(frozen=True)
class Switched:
    """How the switches stand."""

    dry_run: bool
    killed: bool
    words: str  # for how the xApp stands


def frame(console: Console) -> None:
    """Sidebar and strip."""
    with st.sidebar:
        st.html(brand_html())
        for name, page in st.session_state["pages"].items():
            st.page_link(page, label=TITLES[name], icon=f":material/{ICONS[name]}:",
                         width="stretch")
    with st.container(key="strip"):
        st.session_state.pop("drawn", None)
        drawing = [True]  # for the first call of the part below, which is part of this run
        live(partial(_strip, drawing), console)
        # Drawn with the page and not at every refresh: a dialog must not lose the part of the page
        # that it belongs to while somebody writes in it.
        _switches(console, st.session_state["switched"])
        st.session_state["drawn"] = st.session_state["switched"]


def live(draw: Callable[[Console], None], console: Console) -> None:
    """Draw a part of the page, and again at every refresh without the rest of it.

    Alone in a container: where the part is drawn again before a slow server has sent the page,
    Streamlit sends the page without it, the browser takes the old one away, what stood behind it
    moves up, and the new one is put in that one's place. So nothing may stand behind it.
    """
    with st.container():
        st.fragment(draw, run_every=console.config.refresh)(console)


@contextmanager
def told() -> Iterator[None]:
    """Shows an error an operator can act on; any other is a bug and goes on."""
    try:
        yield
    except XappError as error:
        st.html(error_html(error.problem, error.remedy))


@contextmanager
def quiet_when_away() -> Iterator[None]:
    """As `told`; that the xApp is away is for the strip to say, once."""
    with told(), suppress(ApiAway):
        yield


def _strip(drawing: list[bool], console: Console) -> None:
    """The figures; the whole page is drawn anew where the switches stand otherwise than drawn.

    That can be cut short by the next refresh, which therefore looks again.
    """
    status: StatusModel | None = None
    try:
        status = console.read(console.client.status)
        st.html(strip_html(status, console.client.url))
    except XappError as error:
        st.html(away_html(error.problem, error.remedy, console.client.url))
    now = None if status is None else Switched(status.dry_run, status.killed, head(status)[1])
    st.session_state["switched"] = now
    if drawing:
        drawing.clear()
    elif st.session_state.get("drawn", NEVER) != now:
        st.rerun()


def notes(status: StatusModel) -> None:
    """What an operator should know before looking at figures."""
    if status.killed:
        st.html(note_html("The kill switch is pulled.",
                          f"Pulled by {status.killed_by}. What was found at start is in force, and "
                          "nothing is steered."))
    elif status.dry_run:
        st.html(note_html("This is a dry run.", "Decisions are made and recorded, and not sent."))
    if not status.ready and status.nodes:
        st.html(note_html("The xApp is not ready.", " ".join(status.reasons)))


def hello(status: StatusModel) -> bool:
    """Whether there is no network yet; says what to do about it."""
    if status.nodes or status.cells:
        return False
    st.html(hello_html(status.reasons))
    return True


def _switches(console: Console, now: Switched | None) -> None:
    """Dry run and kill switch; nothing can be switched while the xApp is away."""
    reason = AWAY if now is None else None if console.may_change else READ_ONLY
    dry_run, killed = (False, False) if now is None else (now.dry_run, now.killed)
    with st.container(key="switches", horizontal=True, gap="xsmall"):
        with st.container(key="dry-on" if dry_run else "dry-off", width="content"):
            dry = st.button(
                "End dry run" if dry_run else "Dry run", key="dry-run",
                disabled=reason is not None, icon=":material/science:",
                help=reason or "Decide and record without sending.")
        with st.container(key="release" if killed else "kill", width="content"):
            kill = st.button(
                "Release" if killed else "Kill switch", key="kill-switch",
                disabled=reason is not None, help=reason,
                icon=":material/play_arrow:" if killed else ":material/emergency_home:")
    if dry:
        with told():
            console.client.set_dry_run(not dry_run)
            console.changed()
            st.rerun()
    if kill and now is not None:
        title = "Release the kill switch?" if killed else "Pull the kill switch?"
        st.dialog(title)(confirm)(console, not killed, now.words)


def confirm(console: Console, pull: bool, state: str) -> None:
    """What the dialog says, and the button that does it."""
    st.write(KILL_TEXT if pull else RELEASE_TEXT)
    st.caption(f"Now: {state.lower()}.")
    with st.form("switch", border=False):  # one click, whatever has focus
        reason = st.text_input("Reason, for the audit log", max_chars=200,
                               key="kill-reason") if pull else ""
        with st.container(key="confirm-pull" if pull else "confirm-release"):
            sure = st.form_submit_button("Pull it now" if pull else "Release it now",
                                         type="primary")
    if sure:
        with told():
            console.client.set_kill_switch(pull, reason)
            console.changed()
            st.rerun()


def dark() -> bool:
    return bool(st.context.theme.type == "dark")


def chart(rows: Any, specification: Any, height: int, key: str) -> None:
    """A chart that is updated in place: its specification stays, its rows change."""
    with st.container(key=f"chart-{key}"):
        st.vega_lite_chart(rows, {**specification, "height": height}, width="stretch",
                           key=key)
