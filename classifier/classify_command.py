"""`airsplit classify`: what the flows of captures, or of an interface, are.

Heavy libraries load only when it runs. Exit codes as of `airsplit pcap`: 0 all was read; 3 a part
could not be read, the rest is labelled; 1 nothing was; 130 Ctrl-C ended the reading.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifier.errors import UsageError

if TYPE_CHECKING:
    from classifier.bundle import Bundle
    from classifier.classify import Classified

EXAMPLES = """examples:
  airsplit classify capture.pcap
  airsplit classify captures/ --report report.html --out labels.csv
  airsplit classify captures/ --truth labels.csv --report report.html --json
  airsplit classify --follow eth0 --filter 'not port 22'

The truth is a CSV with the columns address_a, port_a, address_b, port_b, transport and label, and
optionally start, end and capture; its ends may stand in either order.

exit codes: 0 all was read; 3 a part could not be read, the rest is labelled;
1 nothing was; 130 Ctrl-C ended the reading, what was read is labelled
"""
SHOWN = 30  # flows printed; a report or --out has them all


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options to `parser`."""
    parser.description = ("Say what the flows of captures are, how sure that is, and from when on "
                          "it was known. With the truth beside it, how good the labels are.")
    parser.epilog = EXAMPLES
    parser.add_argument("captures", nargs="*", metavar="CAPTURE",
                        help="captures, or folders of them; - is standard input")
    parser.add_argument("--report", type=Path, metavar="FILE.html",
                        help="write one page that opens offline")
    parser.add_argument("--out", metavar="FILE",
                        help="write a row for each flow; .csv or .jsonl, - is standard output")
    parser.add_argument("--truth", type=Path, metavar="FILE.csv",
                        help="the right labels, to be compared with")
    parser.add_argument("--bundle", type=Path, metavar="FOLDER",
                        help="model to label with (default: the shipped one)")
    parser.add_argument("--json", action="store_true",
                        help="print one JSON object with every flow; with --follow a line for "
                             "each label")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--seed", type=int, default=1,
                        help="of the shuffling that tells which features matter "
                             "(default: %(default)s)")
    live = parser.add_argument_group("live")
    live.add_argument("--follow", metavar="INTERFACE",
                      help="label what passes there until Ctrl-C, a line for each label")
    live.add_argument("--filter", default="", metavar="EXPRESSION",
                      help="only these frames, such as 'tcp port 443'")
    live.add_argument("--duration", type=float, metavar="SECONDS",
                      help="end after so long (default: at Ctrl-C)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Label captures, or follow an interface."""
    _check(arguments)
    from classifier.bundle import load
    from classifier.tap import default_bundle

    bundle = load(arguments.bundle or default_bundle())
    if arguments.follow is not None:
        return _follow(arguments, bundle)
    from classifier.classify import classify

    done = classify(arguments.captures, bundle, arguments.truth, arguments.report is not None,
                    arguments.seed, arguments.quiet)
    if arguments.report is not None:
        from classifier.report import page_of

        page_of(done.labelled).write(arguments.report)
    _write_rows(arguments.out, done)
    _print(arguments, done)
    from pcap_tools.gather import tell

    tell(list(done.labelled.warnings), "classify")
    return done.exit_code


def _check(arguments: argparse.Namespace) -> None:
    if (arguments.follow is None) == (not arguments.captures):
        raise UsageError("Either captures or --follow INTERFACE.", "Give one of them.")
    if arguments.follow is not None and (
            arguments.report or arguments.out or arguments.truth):
        raise UsageError("--report, --out and --truth are for captures.",
                         "Record first: airsplit pcap record.")
    if arguments.report is not None:
        if arguments.report.suffix.lower() not in (".html", ".htm"):
            raise UsageError(f"--report {arguments.report}: a report is a page.",
                             "End its name in .html.")
        if not arguments.report.parent.is_dir():
            raise UsageError(f"--report {arguments.report}: there is no folder "
                             f"{arguments.report.parent}.", "Make it, or name another.")
    if arguments.out not in (None, "-") and Path(arguments.out).suffix not in (".csv", ".jsonl"):
        raise UsageError(f"--out {arguments.out}: the name does not say which format to write.",
                         "End it in .csv or .jsonl.")
    if arguments.out == "-" and arguments.json:
        raise UsageError("--json and --out - would both print.", "Choose one.")


def _write_rows(out: str | None, done: Classified) -> None:
    if out is None:
        return
    import csv
    import io

    from classifier.report import lines_of
    from pcap_tools.look import write_whole

    rows = lines_of(done.labelled.judge.verdicts, done.labelled.truth)
    text = io.StringIO()
    if out == "-" or out.endswith(".csv"):
        writer = csv.DictWriter(text, list(rows[0]) if rows else ["flow"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        text.writelines(json.dumps(row) + "\n" for row in rows)
    if out == "-":
        sys.stdout.write(text.getvalue())
    else:
        write_whole(Path(out), text.getvalue().encode())


def _print(arguments: argparse.Namespace, done: Classified) -> None:
    from classifier.report import lines_of

    labelled = done.labelled
    if arguments.json:
        print(json.dumps(done.document() | {
            "report": None if arguments.report is None else str(arguments.report),
            "out": arguments.out,
            "flows": lines_of(labelled.judge.verdicts, labelled.truth)}))
        return
    stream = sys.stderr if arguments.out == "-" else sys.stdout
    largest = sorted(labelled.judge.verdicts, key=lambda verdict: -verdict.bytes)
    for row in lines_of(largest[:SHOWN], labelled.truth):
        truth = f"  truth {row['truth'] or '?'}" if labelled.truth is not None else ""
        print(f"{row['label']:<11}{row['confidence']:5.2f}  after {row['known_after']:8.3f} s  "
              f"{row['protocol']} {row['source']} > {row['destination']}{truth}", file=stream)
    left = labelled.judge.flows - SHOWN
    if left > 0:
        print(f"and {left:,} smaller flows: --report or --out has them", file=stream)
    counts = ", ".join(f"{label} {count:,}" for label, count in
                       labelled.judge.counts.most_common())
    print(f"{labelled.judge.flows:,} flows: {counts or 'none'}", file=stream)
    quality = labelled.quality
    if quality is not None:
        print(f"of {int(quality.table.sum()):,} whose truth is known {quality.accuracy:.1%} are "
              f"right; macro F1 {quality.macro_f1:.3f}", file=stream)


def _follow(arguments: argparse.Namespace, bundle: Bundle) -> int:
    """Print each label as it comes, until the end."""
    import dataclasses
    import signal
    import time

    from classifier.labeller import Labeller
    from classifier.tap import NO_FRAMES
    from pcap_tools.flow_engine import FlowEngine
    from pcap_tools.flows import FlowConfig, Sampled
    from pcap_tools.live import LiveConfig, RingSource

    # Shorter windows and the rows of flows that ended are looked at by nobody.
    windows = Sampled.WINDOW_10_S.name in bundle.decisions
    engine = FlowEngine(FlowConfig(
        idle=30.0, windows=windows, shortest=Sampled.WINDOW_10_S, rows=False))
    labeller = Labeller(engine, bundle, windows=windows)
    # Compiled code is loaded now, not when the first frames wait.
    engine.feed(NO_FRAMES)
    labeller.warm()
    source = RingSource(arguments.follow, arguments.filter,
                        LiveConfig(duration=arguments.duration, tick=0.05))
    before = {number: signal.signal(number, lambda *_: source.close())
              for number in (signal.SIGTERM, signal.SIGINT)}
    print(f"airsplit classify: {arguments.follow}, model {bundle.hash[:12]}", file=sys.stderr,
          flush=True)
    labels = 0
    try:
        for records in source:
            for message in labeller.take(records, time.time_ns()):
                labels += 1
                if arguments.json:
                    print(json.dumps(dataclasses.asdict(message)), flush=True)
                else:
                    print(_line(message), flush=True)
    finally:
        source.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    counters = source.counters
    print(f"airsplit classify: {counters.packets:,} packets, {counters.dropped or 0:,} dropped, "
          f"{labels:,} labels", file=sys.stderr)
    return 0


def _line(message: Any) -> str:
    from pcap_tools.naming import end_text, protocol_name

    when = "ended" if message.ended else message.stage.lower()
    return (f"{message.label:<11}{message.confidence:5.2f}  {when:<13}"
            f"{protocol_name(message.protocol)} {end_text(message.source, message.source_port)} > "
            f"{end_text(message.destination, message.destination_port)}")
