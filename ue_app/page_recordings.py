"""The analysis page: what a recording holds, packets and tokens over the same time.

Widgets and charts only; `recording` reads and sums.
"""

from __future__ import annotations

import shlex
from datetime import datetime
from pathlib import Path
from typing import Any

import altair
import streamlit as st

from ue_app.page_parts import RECORDINGS, errors_shown, sidebar
from ue_app.page_style import ACCENT_DARK, ACCENT_LIGHT
from ue_app.page_text import note_html
from ue_app.phone_app import PhoneApp
from ue_app.recording import (
    Recording,
    archive,
    flows_of,
    packets_of,
    recordings,
    slice_width,
    tokens_of,
)
from ue_app.strip import duration, size

DOWN_COLOUR = "#8b95a1"
CHART_HEIGHT = 210  # pixels of each of the three, with title and axis


def show(app: PhoneApp) -> None:
    """Draw the page."""
    sidebar(app, RECORDINGS, None)
    st.title("Recordings")
    found = recordings(app.recorder.folder)
    if app.recorder.since is not None:
        st.html(note_html("A recording is running; it appears here once it is stopped on the chat "
                          "page."))
    if not found:
        st.write("There is none yet. Press **Record** on the chat page, ask something, and press "
                 "it again: the packets to and from the edge and the time of every token are "
                 "written down.")
        st.caption(f"Recordings go to {app.recorder.folder}.")
        return
    names = [one.name for one in found]
    wanted = st.query_params.get("name")
    chosen = st.selectbox("Recording", names, names.index(wanted) if wanted in names else 0,
                          format_func=lambda name: _title(found[names.index(name)]))
    recording = found[names.index(chosen)]
    st.query_params["name"] = recording.name
    with errors_shown():
        _figures(recording)
        _charts(recording)
    _downloads(app, recording)


def _title(recording: Recording) -> str:
    began = datetime.fromtimestamp(recording.started)
    return f"{began:%d %b %Y, %H:%M:%S} · {recording.name.split('-', 2)[-1]}"


def _figures(recording: Recording) -> None:
    packets, tokens = _packets(recording.folder), tokens_of(recording)
    gaps = sorted(token.gap for token in tokens if token.gap is not None)
    up = sum(packet.size for packet in packets if packet.up)
    captured = recording.packets is not None
    cells = (
        ("Length", duration(recording.seconds)),
        ("Tokens", (str(len(tokens)), "")),
        ("Between tokens", duration(gaps[len(gaps) // 2] if gaps else None)),
        ("Longest gap", duration(gaps[-1] if gaps else None)),
        ("Up", size(up if captured else None)),
        ("Down", size(sum(packet.size for packet in packets) - up if captured else None)),
    )
    st.html('<div class="as-strip"><div class="as-cells">' + "".join(
        f'<div class="as-cell"><b>{number}<i>{unit}</i></b><span>{name}</span></div>'
        for name, (number, unit) in cells) + "</div></div>")
    if not captured:
        st.html(note_html(recording.capture_problem or "Nothing was captured."))


def _charts(recording: Recording) -> None:
    """Three plots over one time axis: bytes, packets, and the time between tokens."""
    accent = ACCENT_DARK if st.context.theme.type == "dark" else ACCENT_LIGHT
    width = slice_width(recording.seconds)
    flows = flows_of(_packets(recording.folder), recording.started, width)
    charts: list[Any] = []
    if flows:
        # Downwards below the axis; the sums beside them are what the tooltip shows.
        table = altair.InlineData(values=[
            {"start": flow.start, "end": flow.start + width, "way": "up" if flow.up else "down",
             "bytes": flow.bytes if flow.up else -flow.bytes,
             "packets": flow.packets if flow.up else -flow.packets,
             "all_bytes": flow.bytes, "all_packets": flow.packets} for flow in flows])
        way = f"in {' '.join(duration(width))}: up above the line, down below"
        charts += [_flow_chart(table, name, f"{name.capitalize()} {way}", recording, accent)
                   for name in ("bytes", "packets")]
    gaps = [token for token in tokens_of(recording) if token.gap]
    if gaps:
        charts.append(_gap_chart(altair.InlineData(values=[
            {"start": token.time - recording.started, "milliseconds": (token.gap or 0.0) * 1000,
             "answer": token.answer} for token in gaps]), recording, accent))
    for chart in charts:
        st.altair_chart(chart.configure_title(anchor="start", fontSize=13, fontWeight=600),
                        width="stretch", height=CHART_HEIGHT)
    if not charts:
        st.write("Nothing went over the link while this was recorded.")


def _time_axis(recording: Recording, **options: Any) -> altair.X:
    return altair.X("start:Q", title=None, axis=altair.Axis(grid=False, tickCount=8),
                    scale=altair.Scale(domain=[0, recording.seconds]), **options)


def _value_axis(expression: str) -> altair.Axis:
    # As wide in every plot, so that their times stand below each other.
    return altair.Axis(tickCount=4, labelExpr=expression, minExtent=52, maxExtent=52)


def _flow_chart(
    table: altair.InlineData, name: str, title: str, recording: Recording, accent: str
) -> altair.Chart:
    chart: altair.Chart = altair.Chart(table, title=title).mark_bar(binSpacing=0.5).encode(
        x=_time_axis(recording, bin="binned"), x2="end:Q",
        y=altair.Y(f"{name}:Q", title=None, stack=None,
                   axis=_value_axis("format(abs(datum.value), '~s')")),
        color=altair.Color("way:N", legend=None, scale=altair.Scale(
            domain=["up", "down"], range=[accent, DOWN_COLOUR])),
        tooltip=[altair.Tooltip("way:N", title="way"),
                 altair.Tooltip("start:Q", format=".2f", title="second"),
                 altair.Tooltip("all_bytes:Q", format=",", title="bytes"),
                 altair.Tooltip("all_packets:Q", title="packets")])
    return chart


def _gap_chart(table: altair.InlineData, recording: Recording, accent: str) -> altair.Chart:
    chart: altair.Chart = altair.Chart(table, title="Milliseconds between tokens").mark_circle(
        size=28, color=accent, opacity=0.75, clip=True).encode(
        x=_time_axis(recording),
        y=altair.Y("milliseconds:Q", title=None, axis=altair.Axis(
            values=[0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000],
            labelExpr="format(datum.value, '~r')", minExtent=52, maxExtent=52),
                   scale=altair.Scale(type="log", nice=True)),
        tooltip=[altair.Tooltip("answer:O", title="answer"),
                 altair.Tooltip("start:Q", format=".2f", title="second"),
                 altair.Tooltip("milliseconds:Q", format=".1f", title="ms")])
    return chart


def _downloads(app: PhoneApp, recording: Recording) -> None:
    with st.container(horizontal=True):
        with errors_shown():
            st.download_button("Download all", archive(recording.folder),
                               f"{recording.name}.zip", "application/zip", type="primary",
                               icon=":material/download:", key="download")
        with st.popover("Delete", icon=":material/delete:"):
            st.write("The recording's folder is removed from this device.")
            if st.button("Delete it", key="delete-recording"):
                with errors_shown():
                    app.recorder.delete(recording.name)
                    st.rerun()
    st.caption(f"In {recording.folder}: the packets as `capture.pcap`, which Wireshark opens, "
               "and a line for every token in `timing.jsonl`. A report of both, with prefill and "
               f"decode marked: `airsplit pcap plot {shlex.quote(str(recording.folder))} "
               "--out report.html`")


@st.cache_data(max_entries=4, show_spinner="Reading packets")
def _read_packets(folder: str, _modified: float) -> list[Any]:
    from ue_app.recording import open_recording

    return list(packets_of(open_recording(Path(folder))))


def _packets(folder: Path) -> list[Any]:
    """The packets of a recording, read once however often the page is drawn."""
    modified = folder.stat().st_mtime
    return _read_packets(str(folder), modified)
