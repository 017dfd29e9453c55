"""The report on a capture: which pictures there are, what their captions say, and one page of all.

It turns a `Survey` into pictures and tables. It reads no capture and draws no line itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcap_tools import plots
from pcap_tools.flows import End
from pcap_tools.look import Draw
from pcap_tools.naming import (
    address_text,
    count_text,
    duration_text,
    end_text,
    link_name,
    protocol_name,
    size_text,
    time_text,
)
from pcap_tools.packets import Status, Tunnel
from pcap_tools.page import Cell, Column, Page
from pcap_tools.phases import Phase, Session, session_of
from pcap_tools.records import Counters
from pcap_tools.session_plot import FlowPicture, flow_plot
from pcap_tools.survey import DETAILS, Survey

KINDS = ("bytes", "packets", "sizes", "gaps", "flows", "raster", "phases")
BARS, ROWS = 40, 20  # flows drawn side by side; the rest is in the table
SEARCHED = 200  # largest flows looked through for a split model's metronome
SESSIONS = 8  # of those found, drawn
RELIABLE = (6, 132)  # TCP and SCTP, beside QUIC: a session over datagrams that get lost is none
PROTOCOL_COLOURS = (("TCP", "c0"), ("UDP", "c1"), ("QUIC", "c4"), ("other", "other"))
STATUS_TEXTS = {
    Status.FLOW: "counted to flows", Status.FRAGMENT: "later fragments, counted to flows",
    Status.NOT_IP: "not IP", Status.CUT: "cut too short to tell",
    Status.BAD: "contradict themselves", Status.UNKNOWN_LINK: "link type not understood"}


@dataclass(frozen=True)
class Findings:
    """What a report is made of."""

    names: tuple[str, ...]  # of the captures
    survey: Survey
    counters: Counters
    warnings: tuple[str, ...] = ()
    chosen: Any = None  # a row of `FLOW` that was asked for
    logged: NDArray[np.int64] | None = None  # tokens' times by the phone, nanoseconds since 1970
    notes: tuple[str, ...] = ()
    _sessions: dict[int, Session | None] = field(default_factory=dict)

    @property
    def origin(self) -> int:
        return self.counters.first or 0

    @property
    def seconds(self) -> float:
        return ((self.counters.last or 0) - self.origin) / 1e9

    def sessions(self) -> list[tuple[Any, Session]]:
        """Flows among the largest that look like a split model at work."""
        found = []
        for flow in self.survey.top[:SEARCHED]:
            session = self.session(flow) if flow["protocol"] in RELIABLE or flow["quic"] else None
            if session is not None:
                found.append((flow, session))
        return found

    def session(self, flow: Any) -> Session | None:
        number = int(flow["flow"])
        if number not in self._sessions:
            asked = self.chosen is not None and int(self.chosen["flow"]) == number
            self._sessions[number] = session_of(*self.survey.details_of(flow),
                                                need_prompt=not asked)
        return self._sessions[number]

    def picture(self, flow: Any) -> FlowPicture:
        """What the plot of `flow` shows."""
        time, size = self.survey.details_of(flow)
        session = self.session(flow)
        logged = None
        if self.logged is not None:
            # The phone notes a token a moment after its packet.
            latest = int(flow["last"]) + 1_000_000_000
            inside = (self.logged >= int(flow["first"])) & (self.logged <= latest)
            logged = self.logged[inside] if inside.any() else None
        return FlowPicture(time, -size if session is not None and session.turned else size, session,
                           logged)


def flow_name(flow: Any) -> str:
    """`TCP 10.0.0.1:50000 → 192.0.2.1:443`."""
    version = int(flow["version"])
    ends = [end_text(address_text(version, flow[side].tobytes()), int(flow[f"{side}_port"]))
            for side in ("source", "destination")]
    return f"{protocol_of(flow)} {ends[0]} → {ends[1]}"


def short_name(flow: Any) -> str:
    """`TCP → 192.0.2.1:443`, for where there is little room."""
    return f"{protocol_of(flow)} → {flow_name(flow).rsplit(' ', 1)[1]}"


def protocol_of(flow: Any) -> str:
    return "QUIC" if flow["quic"] else protocol_name(int(flow["protocol"]))


def bytes_of(flow: Any) -> int:
    return int(flow["bytes_up"]) + int(flow["bytes_down"])


def pictures(findings: Findings, kinds: Sequence[str]) -> list[tuple[str, Draw]]:
    """The pictures of these kinds that the capture gives, in their order."""
    result: list[tuple[str, Draw]] = []
    for kind in kinds:
        if kind == "phases":
            flow = _flow_to_draw(findings)
            if flow is not None:
                result.append((f"Packets of {flow_name(flow)}",
                               flow_plot(findings.picture(flow))))
        else:
            result.append(_whole_picture(findings, kind))
    return result


def _flow_to_draw(findings: Findings) -> Any:
    """The flow that was asked for, else the largest with a metronome, else the largest."""
    if findings.chosen is not None:
        return findings.chosen
    sessions = findings.sessions()
    if sessions:
        return sessions[0][0]
    return findings.survey.top[0] if len(findings.survey.top) else None


def _whole_picture(findings: Findings, kind: str) -> tuple[str, Draw]:
    survey = findings.survey
    if kind in ("bytes", "packets"):
        return f"{kind.capitalize()} over time", plots.over_time(survey.timeline, kind)
    if kind == "sizes":
        return "Sizes of packets", plots.sizes(survey.sizes)
    if kind == "gaps":
        return "Time between packets", plots.gaps(survey.gaps)
    if kind == "flows":
        return "Flows over time", _flow_bars(findings)
    return "Bursts of the largest flows", plots.raster(_marks(findings), findings.seconds)


def _flow_bars(findings: Findings) -> Draw:
    rows = _bars(findings)
    there = {row.colour for row in rows}
    return plots.bars(rows, findings.seconds,
                      [entry for entry in PROTOCOL_COLOURS if entry[1] in there])


def _bars(findings: Findings) -> list[plots.Bar]:
    colours = dict(PROTOCOL_COLOURS)
    rows = []
    for flow in sorted(findings.survey.top[:BARS], key=lambda flow: int(flow["first"])):
        colour = colours.get(protocol_of(flow), "other")
        rows.append(plots.Bar(f"{flow_name(flow)}", (int(flow["first"]) - findings.origin) / 1e9,
                              (int(flow["last"]) - findings.origin) / 1e9, colour,
                              size_text(bytes_of(flow)), short_name(flow)))
    return rows


def _marks(findings: Findings) -> list[plots.Marks]:
    rows = []
    for flow in sorted(findings.survey.top[:ROWS], key=lambda flow: int(flow["first"])):
        time, size = findings.survey.details_of(flow)
        cells = plots.marks_of((time - findings.origin) / 1e9, size, findings.seconds)
        rows.append(plots.Marks(flow_name(flow), cells, short_name(flow)))
    return rows


def page_of(findings: Findings, kinds: Sequence[str] = KINDS) -> Page:
    """The whole report, or those parts of it."""
    counters, survey = findings.counters, findings.survey
    names = ", ".join(findings.names[:3])
    more = len(findings.names) - 3
    page = Page(names + (f" and {more} more" if more > 0 else ""),
                f"{time_text(counters.first)} to {time_text(counters.last or 0)}"
                if counters.first is not None else "no packet in it")
    page.cells((
        ("packets", f"{counters.packets:,}"), ("on the wire", size_text(counters.bytes)),
        ("duration", duration_text(findings.seconds)), ("flows", f"{survey.flows:,}"),
        ("a second", f"{size_text(counters.bytes / findings.seconds)}"
         if findings.seconds else "-"),
        ("like a split model", f"{len(findings.sessions()):,}")))
    _warn(page, findings)
    if findings.chosen is not None:
        _flow_part(page, findings, findings.chosen)
    if "phases" in kinds:
        _session_parts(page, findings)
    for kind in kinds:
        if kind != "phases" and counters.packets:
            title, draw = _whole_picture(findings, kind)
            page.heading(title)
            page.figure(draw, title, _caption(findings, kind))
    _flow_table(page, findings)
    _accounts(page, findings)
    return page


def _warn(page: Page, findings: Findings) -> None:
    if findings.warnings:
        page.note("Not all of the capture could be read; everything else is in this report.",
                  findings.warnings[:20] + ((f"and {len(findings.warnings) - 20} more",)
                                            if len(findings.warnings) > 20 else ()))
    for note in findings.notes:
        page.note(note)


def _caption(findings: Findings, kind: str) -> str:
    survey = findings.survey
    if kind == "sizes":
        return "IP packets, headers included; of tunnelled packets the innermost."
    if kind in ("flows", "raster"):
        shown = min(len(survey.top), BARS if kind == "flows" else ROWS)
        part = sum(bytes_of(flow) for flow in survey.top[:shown]) / max(1, survey.flow_bytes)
        which = ("The only flow." if survey.flows == 1 else
                 f"All {survey.flows:,} flows." if shown == survey.flows else
                 f"The {shown} largest of {survey.flows:,} flows, with {part:.0%} of all bytes; on "
                 "a narrow screen fewer.")
        if kind == "flows":
            return which
        rest = (f" Of more than {DETAILS:,} data packets, only the first are drawn."
                if survey.details_missing else "")
        return f"{which} The longer a stroke, the more bytes, on a logarithmic scale.{rest}"
    if kind in ("bytes", "packets"):
        return "Up is what the side sends that began the flow."
    return ""


def _session_parts(page: Page, findings: Findings) -> None:
    sessions = findings.sessions()
    if not sessions:
        return
    page.heading("Like a split model")
    page.text("In these flows a prompt goes up, and then rows of one size go up and answers of one "
              "size come down, in step: so does a model whose later layers run elsewhere. Sizes "
              "and times are all that is looked at; the command airsplit classify judges by more.",
              soft=True)
    for flow, _ in sessions[:SESSIONS]:
        if findings.chosen is None or flow["flow"] != findings.chosen["flow"]:
            _flow_part(page, findings, flow)
    if len(sessions) > SESSIONS:
        page.text(f"{len(sessions) - SESSIONS} more are not drawn; --flow shows any of them: "
                  + ", ".join(str(flow["flow"]) for flow, _ in sessions[SESSIONS:SESSIONS + 30])
                  + ".")


def _flow_part(page: Page, findings: Findings, flow: Any) -> None:
    """One flow: its picture and, of a split model, its phases."""
    picture = findings.picture(flow)
    session = picture.session
    page.heading(f"Flow {flow['flow']}: {flow_name(flow)}", 3, f"flow-{flow['flow']}")
    if session is not None:
        page.text(f"{count_text(session.tokens, 'token')} in {count_text(session.turns, 'turn')} · "
                  f"{session.rate:,.3g} tokens/s · "
                  f"{duration_text(session.period)} from token to token · {session.row:,} B up and "
                  f"{session.answer:,} B down each · {session.share:.0%} of exchanges keep the beat"
                  + ("" if picture.logged is None else
                     f" · {len(picture.logged):,} tokens in the phone's log"))
    if not len(picture.time):
        page.text("None of its packets carries data, or there was no room for them.", soft=True)
        return
    page.figure(flow_plot(picture), f"Packets of flow {flow['flow']} over time")
    if session is not None:
        page.open(f"Phases, one by one ({len(session.spans)})")
        page.table([Column("phase"), Column("turn", True), Column("begins", True),
                    Column("lasts", True), Column("up", True), Column("down", True),
                    Column("tokens", True), Column("tokens/s", True)],
                   [_phase_row(span, findings.origin) for span in session.spans[:400]],
                   f"{len(session.spans) - 400} more." if len(session.spans) > 400 else "")
        page.close()


def _phase_row(span: Any, origin: int) -> list[Cell | str]:
    begins = (span.start - origin) / 1e9
    rate = span.tokens / span.seconds if span.phase == Phase.DECODE and span.seconds else None
    return [Cell(span.phase.name.lower(), colour=span.phase.name.lower()),
            Cell(str(span.turn) if span.turn else "", span.turn),
            Cell(f"{begins:,.3f} s", begins), Cell(duration_text(span.seconds), span.seconds),
            Cell(size_text(span.up), span.up), Cell(size_text(span.down), span.down),
            Cell(str(span.tokens) if span.tokens else "", span.tokens),
            Cell("" if rate is None else f"{rate:,.3g}", rate)]


def _flow_table(page: Page, findings: Findings) -> None:
    top = findings.survey.top
    if not len(top):
        return
    drawn = {int(flow["flow"]) for flow, _ in findings.sessions()[:SESSIONS]}
    page.heading("Flows, largest first")
    tunnels = bool(top["tunnel"].any())
    columns = [Column("flow", True), Column("protocol"), Column("from"), Column("to"),
               Column("packets", True), Column("up", True), Column("down", True),
               Column("begins", True), Column("lasts", True), Column("ended by")]
    if tunnels:
        columns += [Column("tunnel"), Column("TEIDs"), Column("QFI", True)]
    rows = [_flow_row(flow, findings.origin, tunnels, int(flow["flow"]) in drawn) for flow in top]
    left = findings.survey.flows - len(top)
    page.table(columns, rows, f"{left:,} smaller flows are left out; airsplit pcap flows writes "
                              "them all." if left else "")


def _flow_row(flow: Any, origin: int, tunnels: bool, drawn: bool) -> list[Cell | str]:
    name = flow_name(flow).split(" ", 1)[1]
    source, destination = name.split(" → ")
    packets = int(flow["packets_up"]) + int(flow["packets_down"])
    begins = (int(flow["first"]) - origin) / 1e9
    lasts = (int(flow["last"]) - int(flow["first"])) / 1e9
    row: list[Cell | str] = [
        Cell(str(flow["flow"]), float(flow["flow"]),
             anchor=f"flow-{flow['flow']}" if drawn else None),
        protocol_of(flow), source, destination, Cell(f"{packets:,}", packets),
        Cell(size_text(int(flow["bytes_up"])), int(flow["bytes_up"])),
        Cell(size_text(int(flow["bytes_down"])), int(flow["bytes_down"])),
        Cell(f"{begins:,.3f} s", begins), Cell(duration_text(lasts), lasts),
        End(flow["end"]).name.lower()]
    if tunnels:
        row += [Tunnel(flow["tunnel"]).name.replace("_", "-") if flow["tunnel"] else "",
                " / ".join(f"{int(flow[name]):#x}" for name in ("teid_up", "teid_down")
                           if flow[name]),
                Cell("" if flow["qfi"] == 255 else str(flow["qfi"]),
                     None if flow["qfi"] == 255 else float(flow["qfi"]))]
    return row


def _accounts(page: Page, findings: Findings) -> None:
    """Where every packet and byte went."""
    counters, survey = findings.counters, findings.survey
    page.heading("What is in it")
    total = max(1, sum(volume for _, volume in survey.protocols.values()))
    ordered = sorted(survey.protocols.items(), key=lambda item: -item[1][1])
    if ordered:
        page.table([Column("protocol"), Column("packets", True), Column("bytes", True),
                    Column("share of bytes", True)],
                   [[protocol_name(number), Cell(f"{packets:,}", packets),
                     Cell(size_text(volume), volume), Cell(f"{volume / total:.1%}", volume / total)]
                    for number, (packets, volume) in ordered])
    lines: list[tuple[str, int]] = [(f"packets: {STATUS_TEXTS[status]}",
                                     int(survey.statuses[status])) for status in Status]
    lines += [(f"packets on {link_name(number)}", count)
              for number, count in sorted(counters.links.items())]
    lines += [("packets of which a part was not captured", counters.truncated),
              ("records that make no sense", counters.bad_records),
              ("bytes skipped", counters.skipped_bytes)]
    if counters.dropped is not None:
        lines.append(("packets the kernel dropped while capturing", counters.dropped))
    page.table([Column("account"), Column("number", True)],
               [[name, Cell(f"{count:,}", count)] for name, count in lines if count], wrap=True)
