"""The first page: a cell, its slices over time with quota and use, and decisions on the same axis.

Widgets only; the charts are in `console_charts`.
"""

from __future__ import annotations

import streamlit as st

from xapp.api_views import CellModel
from xapp.console_charts import (
    WAIT_HEIGHT,
    Look,
    columns,
    delay_rows,
    delay_spec,
    usage_height,
    usage_rows,
    usage_spec,
)
from xapp.console_decisions import decision_html
from xapp.console_parts import chart, dark, frame, hello, live, notes, quiet_when_away
from xapp.console_state import Console
from xapp.console_text import (
    empty_html,
    legend_html,
    nodes_html,
    section_html,
    short,
    usage_html,
)

WINDOWS = {"1 min": 60.0, "5 min": 300.0, "15 min": 900.0, "1 h": 3600.0}
WAYS = {"Downlink": "down", "Uplink": "up"}
MAX_POINTS = 150  # of a line: more than it has room for on a phone
MAX_SLICES = 6  # that one chart shows; as many as there are colours
LATEST = 3  # decisions below the charts


def show(console: Console) -> None:
    """Draw the page."""
    frame(console)
    live(_network, console)


def _network(console: Console) -> None:
    with quiet_when_away():
        status = console.read(console.client.status)
        notes(status)
        if hello(status):
            return
        cells = console.read(console.client.cells).items
        if cells:
            _cell(console, *_choices(cells))
        else:
            st.html(empty_html("No cell has been reported yet; the first report follows the "
                               "subscription."))
        st.html(section_html("E2 nodes"))
        st.html(nodes_html(console.read(console.client.nodes).items))


def _choices(cells: list[CellModel]) -> tuple[CellModel, float, str]:
    """Which cell, how long back, which way."""
    names = {one.id: one for one in cells}
    with st.container(horizontal=True, key="choices", vertical_alignment="center"):
        chosen = cells[0].id
        if len(cells) > 1:
            chosen = st.segmented_control(
                "Cell", list(names), format_func=short, default=chosen, key="cell",
                label_visibility="collapsed", required=True) or chosen
        window = st.segmented_control("Time", list(WINDOWS), default="5 min", key="window",
                                      label_visibility="collapsed", required=True) or "5 min"
        way = st.segmented_control("Direction", list(WAYS), default="Downlink", key="way",
                                   label_visibility="collapsed", required=True) or "Downlink"
    return names.get(chosen, cells[0]), WINDOWS[window], WAYS[way]


def _cell(console: Console, cell: CellModel, window: float, way: str) -> None:
    prbs = "" if cell.prbs is None else f" · {cell.prbs} PRBs"
    st.html(section_html(f"Cell {short(cell.id)}", f"{cell.node}{prbs}"))
    if not cell.slices:
        st.html(empty_html("No slice of this cell has been reported yet."))
        return
    st.html(usage_html(cell, way == "up"))
    _charts(console, cell, window, way)
    latest = [one for one in console.read(console.client.decisions, 50).items
              if cell.id in (one.cell, one.target)][:LATEST]
    st.html(section_html("Latest decisions"))
    if not latest:
        st.html(empty_html("None yet. A decision is made when a split-LLM flow needs more than its "
                           "slice has."))
    for one in latest:
        st.html(decision_html(one))


def _charts(console: Console, cell: CellModel, window: float, way: str) -> None:
    look = Look(tuple(one.snssai for one in cell.slices[:MAX_SLICES]), window, dark())
    client = console.client
    used, low, high, delay = (
        console.read(client.history, "slice", metric, window, MAX_POINTS)
        for metric in (f"{way}_prbs", "quota_minimum", "quota_maximum", f"{way}_delay_ms"))
    decisions = console.read(client.decisions, 50).items
    st.html(section_html("Slices over time", "share of the cell's PRBs"))
    chart(columns(usage_rows(look, cell.id, used, low, high, decisions)), usage_spec(look),
          usage_height(look), "usage")
    st.html(legend_html())
    st.html(section_html("Waiting", "in the base station's queue, by slice"))
    chart(columns(delay_rows(look, cell.id, delay, decisions)), delay_spec(look), WAIT_HEIGHT,
          "waiting")
