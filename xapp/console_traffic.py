"""The page of flows and UEs: who sends what, how sure that is, and where it goes. Widgets only."""

from __future__ import annotations

import streamlit as st

from xapp.api_views import FlowModel
from xapp.console_parts import frame, hello, live, notes, quiet_when_away
from xapp.console_state import Console
from xapp.console_text import empty_html, flows_html, section_html, ues_html

SHOWN = 100  # of each; the API has the rest


def show(console: Console) -> None:
    """Draw the page."""
    frame(console)
    live(_traffic, console)


def _traffic(console: Console) -> None:
    with quiet_when_away():
        status = console.read(console.client.status)
        notes(status)
        if hello(status):
            return
        flows, ues = console.read(console.client.flows), console.read(console.client.ues)
        st.html(section_html("Flows", _count(flows.total)))
        if flows.items:
            st.html(flows_html(sorted(flows.items, key=_order)))
        else:
            st.html(empty_html("No flow has a label yet. Start a tap beside the UPF: "
                               "`airsplit tap INTERFACE`."))
        st.html(section_html("UEs", _count(ues.total)))
        if ues.items:
            st.html(ues_html(ues.items))
        else:
            st.html(empty_html("No UE has been reported yet."))


def _order(flow: FlowModel) -> tuple[bool, float, str]:
    """Split-LLM traffic first, then the surest; stays the same between two looks."""
    return flow.label != "llm_split", -flow.confidence, flow.id


def _count(total: int) -> str:
    return f"{total}" if total <= SHOWN else f"{SHOWN} of {total}"
