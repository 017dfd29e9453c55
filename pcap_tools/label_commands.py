"""`airsplit pcap anonymise` and `airsplit pcap merge-labels`.

Options, progress and summaries; the work is in `anonymise` and `merge_labels`.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcap_tools.errors import CaptureError, OutputError, UsageError

if TYPE_CHECKING:
    from pcap_tools.read import CaptureReader

MOST_KEY = 4096  # bytes of a key file that are read
ANONYMISE_EXAMPLES = """examples:
  airsplit pcap anonymise trace.pcap --out shown.pcap
  airsplit pcap anonymise day1.pcap day2.pcap --out days.pcap --key secret.key
  airsplit pcap anonymise own.pcapng --out own-shown.pcap --payload keep

IP and MAC addresses become pseudonyms, inside tunnels too; two addresses of one network stay in
one network. Times, lengths, ports and TCP's flags stay, so flows and features are the same. Frames
that cannot be looked into are left out and counted (exit code 3). With the same key the same
address always gets the same pseudonym; without --key a key is drawn and forgotten."""
MERGE_EXAMPLES = """examples:
  airsplit pcap flows trace.pcap --out flows.parquet
  airsplit pcap merge-labels flows.parquet --labels labels.csv --out labelled.parquet

The label file is a CSV with the columns address_a, port_a, address_b, port_b, transport and label,
and optionally start and end (seconds since 1970) and capture. The ends may stand in either order.
A flow that is named twice, differently, gets no label and is counted."""


def configure_anonymise(parser: argparse.ArgumentParser) -> None:
    """Add the options of `anonymise`."""
    parser.epilog = ANONYMISE_EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("captures", nargs="+", metavar="CAPTURE",
                        help="files or folders; - is standard input")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="pcap to write")
    parser.add_argument("--key", type=Path, metavar="FILE",
                        help="any bytes, at least 16: the same key gives the same pseudonyms")
    parser.add_argument("--payload", choices=["cut", "zero", "keep"], default="cut",
                        help="what becomes of the bytes after the transport header "
                             "(default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one object with the counts")
    parser.set_defaults(run=run_anonymise)


def configure_merge_labels(parser: argparse.ArgumentParser) -> None:
    """Add the options of `merge-labels`."""
    parser.epilog = MERGE_EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("flows", type=Path, metavar="FLOWS",
                        help="table of flows: .parquet, .csv or .jsonl")
    parser.add_argument("--labels", type=Path, required=True, metavar="FILE",
                        help="CSV that says what flows are")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE",
                        help="table to write; its ending says the format")
    parser.add_argument("--column", default="label", metavar="NAME",
                        help="of the labels in it (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one object with the counts")
    parser.set_defaults(run=run_merge_labels)


def run_anonymise(arguments: argparse.Namespace) -> int:
    """Write the capture without people."""
    from pcap_tools.gather import ALL_READ, PARTIAL
    from pcap_tools.pseudonyms import KEY_BYTES, Pseudonyms
    from pcap_tools.read import open_captures

    key = secrets.token_bytes(KEY_BYTES) if arguments.key is None else _key(arguments.key)
    with open_captures(arguments.captures) as reader:
        counts = _anonymise_all(reader, arguments, Pseudonyms(key))
        warnings = [str(warning) for warning in reader.warnings]
    for warning in warnings:
        print(f"airsplit pcap anonymise: {warning}", file=sys.stderr)
    written = counts.pop("written")
    summary = {"file": str(arguments.out), "written": written, "left_out": dict(counts),
               "warnings": len(warnings)}
    if arguments.json:
        print(json.dumps(summary))
    else:
        left_out = ", ".join(f"{number:,} {reason}" for reason, number in counts.most_common())
        print(f"{arguments.out}: {written:,} frames"
              + (f"; left out: {left_out}" if left_out else ""))
    return PARTIAL if counts or warnings else ALL_READ


def _key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            key = file.read(MOST_KEY)
    except OSError as error:
        raise UsageError(f"The key in {path} cannot be read: {error.strerror}.",
                         "Make one: head -c 32 /dev/urandom > FILE") from error
    if len(key) < 16:
        raise UsageError(f"The key in {path} has {len(key)} bytes.", "Give at least 16.")
    return key


def _anonymise_all(
    reader: CaptureReader, arguments: argparse.Namespace, names: Any,
) -> Counter[str]:
    """Frames through, into a file that has its name once it is whole; counts by what became."""
    from pcap_tools.anonymise import Payload, Unclear, anonymise
    from pcap_tools.gather import progress_bar
    from pcap_tools.write import PcapWriter

    payload, counts, writer = Payload(arguments.payload), Counter({"written": 0}), None
    part = arguments.out.with_name(arguments.out.name + ".part")
    try:
        with progress_bar(reader, quiet=False) as advance:
            for records in reader:
                for at in range(len(records)):
                    link, length = int(records.link[at]), int(records.length[at])
                    writer = writer or PcapWriter(part, link)
                    if link != writer.link:
                        counts["of another link type"] += 1
                        continue
                    begin = int(records.start[at])
                    frame = records.data[begin:begin + int(records.captured[at])].tobytes()
                    try:
                        shown = anonymise(frame, length, link, names, payload)
                    except Unclear as reason:
                        counts[str(reason)] += 1
                        continue
                    writer.write_frame(int(records.time[at]), shown, length)
                    counts["written"] += 1
                advance()
        if writer is None:
            raise CaptureError("There are no frames in it.", "Give a capture that holds some.")
        writer.close()
        try:
            os.replace(part, arguments.out)
        except OSError as error:
            raise OutputError(f"{arguments.out} cannot be written: {error.strerror}.",
                              "Name another file.") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return counts


def run_merge_labels(arguments: argparse.Namespace) -> int:
    """Write the flows with their labels."""
    from pcap_tools.merge_labels import LabelFile, merge_labels

    merged = merge_labels(arguments.flows, LabelFile(arguments.labels), arguments.out,
                          arguments.column)
    if arguments.json:
        print(json.dumps({
            "file": str(arguments.out), "flows": merged.flows, "labelled": merged.labelled,
            "without": merged.without, "conflicting": merged.conflicting, "lines": merged.lines,
            "unused": merged.unused}))
    else:
        print(f"{arguments.out}: {merged.labelled:,} of {merged.flows:,} flows labelled; "
              f"{merged.without:,} that no line names, {merged.conflicting:,} named differently; "
              f"{merged.unused:,} of {merged.lines:,} lines name no flow")
    return 0
