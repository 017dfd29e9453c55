"""`airsplit pcap info`: what captures hold, and what of them cannot be read."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from pcap_tools.common_options import CODES, add_input, finished

if TYPE_CHECKING:
    from pcap_tools.gather import Account

INFO_EXAMPLES = """examples:
  airsplit pcap info capture.pcap
  airsplit pcap info captures/ more.pcapng.gz --json
  zcat capture.pcap.gz | airsplit pcap info -
"""


def configure_info(parser: argparse.ArgumentParser) -> None:
    parser.description = "Count what captures hold, and say what cannot be read."
    parser.epilog = INFO_EXAMPLES + "\n" + CODES
    add_input(parser)
    parser.set_defaults(run=run_info)


def run_info(arguments: argparse.Namespace) -> int:
    """Count everything, print it."""
    from pcap_tools.gather import Tally, read_through
    from pcap_tools.read import open_captures

    tally = Tally()
    account = read_through(open_captures(arguments.captures), tally.take, arguments.quiet)
    if arguments.json:
        print(json.dumps(account.document() | dict(tally.document())))
    else:
        _print_info(account, tally.document())
    return finished(account, "pcap info")


def _print_info(account: Account, kinds: Any) -> None:
    from pcap_tools.naming import duration_text, size_text

    document = account.document()

    def line(name: str, value: str) -> None:
        print(f"{name:<13}{value}")

    def counts(values: dict[str, int]) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in values.items())

    files = document["files"]
    line("files", ", ".join(files) if len(files) <= 3 else f"{len(files):,}")
    line("packets", f"{document['packets']:,}")
    line("bytes", f"{document['bytes']:,} ({size_text(document['bytes'])}), captured "
                  f"{document['captured_bytes']:,}")
    if document["first"] is not None:
        line("first", document["first"])
        line("last", f"{document['last']} ({duration_text(document['seconds'])} later)")
    line("links", counts(document["link_types"]))
    line("kinds", counts({name.replace("_", " "): count
                          for name, count in kinds["kinds"].items()}))
    if kinds["protocols"]:
        line("protocols", counts(kinds["protocols"]))
    if kinds["tunnels"]:
        line("tunnels", counts(kinds["tunnels"]))
    line("truncated", f"{document['truncated']:,} packets")
    if document["dropped"] is not None:
        line("dropped", f"{document['dropped']:,} packets while capturing")
    if account.partial:
        line("damaged", f"{document['bad_records']:,} records, {document['skipped']:,} bytes "
                        "skipped")
