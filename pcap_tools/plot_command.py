"""`airsplit pcap plot`: pictures of a capture, or a report in one file."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcap_tools.common_options import (
    CODES,
    add_flow_options,
    add_input,
    finished,
    flow_config,
    say,
)
from pcap_tools.errors import UsageError

if TYPE_CHECKING:
    from pcap_tools.gather import Account
    from pcap_tools.report import Findings

KINDS = ("bytes", "packets", "sizes", "gaps", "flows", "raster", "phases")
PLOT_EXAMPLES = """examples:
  airsplit pcap plot capture.pcap --out report.html
  airsplit pcap plot capture.pcap --out session.png --kind phases --flow 12
  airsplit pcap plot capture.pcap --out rates.svg --kind bytes,packets --theme dark
  airsplit pcap plot recordings/20260101-120000-story --out report.html
"""


def configure_plot(parser: argparse.ArgumentParser) -> None:
    parser.description = ("Draw a capture: a report in one HTML file that opens offline, or "
                          "pictures as PNG or SVG. In a split model's session prefill, decode and "
                          "pauses are marked.")
    parser.epilog = PLOT_EXAMPLES + "\n" + CODES
    add_input(parser)
    parser.add_argument("--out", required=True, type=Path, metavar="FILE",
                        help="FILE.html is a report, FILE.png and FILE.svg are pictures")
    parser.add_argument("--kind", metavar="KINDS",
                        help=f"only these, separated by commas: {', '.join(KINDS)}")
    parser.add_argument("--flow", metavar="ID", help="look at this flow, by its number in the "
                        "report and in `flows`, or at the largest: `largest`")
    parser.add_argument("--timing", type=Path, metavar="FILE",
                        help="tokens' times by the phone itself, to lie over those seen in the "
                             "packets (default: timing.jsonl beside a recording's capture)")
    parser.add_argument("--theme", choices=("light", "dark"), default="light",
                        help="of PNG and SVG; a report has both (default: %(default)s)")
    add_flow_options(parser)
    parser.set_defaults(run=run_plot)


def run_plot(arguments: argparse.Namespace) -> int:
    """Draw pictures, or write a report."""
    kinds = _kinds(arguments.kind)
    suffix = arguments.out.suffix.lower()
    if suffix not in (".html", ".htm", ".png", ".svg"):
        raise UsageError(f"--out {arguments.out}: the name does not say what to draw.",
                         "End it in .html for a report, or .png or .svg for pictures.")
    if not arguments.out.parent.is_dir():
        raise UsageError(f"--out {arguments.out}: there is no folder {arguments.out.parent}.",
                         "Make it, or name another.")
    findings, account = _gathered(arguments)
    if suffix in (".html", ".htm"):
        from pcap_tools.report import page_of

        page_of(findings, kinds or KINDS).write(arguments.out)
    else:
        _write_pictures(arguments, findings, kinds)
    from pcap_tools.naming import count_text

    sessions = findings.sessions()
    document = account.document() | {
        "file": str(arguments.out), "flows": findings.survey.flows,
        "sessions": [_session_document(flow, session) for flow, session in sessions]}
    say(arguments, document,
         f"{count_text(findings.survey.flows, 'flow')} of "
         f"{count_text(account.counters.packets, 'packet')} drawn in {arguments.out}"
         + (f"; {count_text(len(sessions), 'of them looks', 'of them look')} like a split model"
            if sessions else ""))
    return finished(account, "pcap plot")


def _kinds(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    kinds = tuple(word.strip().lower() for word in text.split(",") if word.strip())
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(f"--kind {kind}: there is no such picture.",
                             f"Choose among {', '.join(KINDS)}.")
    return kinds


def _gathered(arguments: argparse.Namespace) -> tuple[Findings, Account]:
    """Read once; keep what pictures need."""
    from pcap_tools.flow_engine import FlowEngine
    from pcap_tools.gather import read_through
    from pcap_tools.parse import parse
    from pcap_tools.read import open_captures
    from pcap_tools.report import Findings
    from pcap_tools.survey import Survey
    from pcap_tools.timing import find_log, read_times

    log = arguments.timing or find_log(arguments.captures)
    logged, problem = (None, None) if log is None else read_times(log)
    wanted = _wanted_flow(arguments.flow)
    survey, engine = Survey(), FlowEngine(flow_config(arguments, samples=False))
    chosen: list[Any] = []

    def keep(flows: Any) -> None:
        survey.add_flows(flows)
        if isinstance(wanted, int):
            chosen.extend(flows[flows["flow"] == wanted])

    def take(records: Any) -> None:
        packets = parse(records)
        survey.feed(packets)
        engine.feed_packets(packets)
        keep(engine.flows())

    account = read_through(open_captures(arguments.captures), take, arguments.quiet)
    engine.finish()
    keep(engine.flows())
    if wanted == "largest":
        chosen = list(survey.top[:1])
    if wanted is not None and not chosen:
        raise UsageError(f"--flow {arguments.flow}: the capture has no such flow.",
                         f"It has {survey.flows:,}; `airsplit pcap flows` lists them.")
    if problem is not None:
        account.warnings.append(problem)
    names = tuple(account.files) or tuple(arguments.captures)
    return Findings(tuple(Path(name).name if name != "-" else "standard input" for name in names),
                    survey, account.counters, tuple(account.warnings),
                    chosen[0] if chosen else None, logged), account


def _wanted_flow(text: str | None) -> int | str | None:
    if text is None or text == "largest":
        return text
    if not text.isdigit():
        raise UsageError(f"--flow {text}: that is no flow's number.",
                         "Give a number of the report or of `airsplit pcap flows`, or `largest`.")
    return int(text)


def _write_pictures(
    arguments: argparse.Namespace, findings: Findings, kinds: tuple[str, ...]
) -> None:
    from pcap_tools.look import DARK, LIGHT, Look, write_pictures
    from pcap_tools.report import pictures

    if not kinds:
        kinds = ("phases",) if arguments.flow else (
            *KINDS[:-1], *(("phases",) if findings.sessions() else ()))
    drawn = pictures(findings, kinds)
    if not drawn:
        raise UsageError("There is nothing to draw: no flow is in the capture.",
                         "`airsplit pcap info` says what is.")
    write_pictures(drawn, Look(DARK if arguments.theme == "dark" else LIGHT), arguments.out)


def _session_document(flow: Any, session: Any) -> dict[str, Any]:
    from pcap_tools.report import flow_name

    rate = session.rate
    return {"flow": int(flow["flow"]), "name": flow_name(flow), "turns": session.turns,
            "tokens": session.tokens, "tokens_per_second": None if math.isnan(rate) else rate,
            "row_bytes": session.row, "answer_bytes": session.answer,
            "period": session.period, "on_beat": session.share,
            "spans": [{"phase": span.phase.name.lower(), "turn": span.turn, "start": span.start,
                       "end": span.end, "up": span.up, "down": span.down, "tokens": span.tokens}
                      for span in session.spans]}
