"""`airsplit pcap`: captures to figures, tables, pictures. Heavy libraries load only when it runs.

Exit codes of every command: 0 all was read; 3 a part could not be read, the rest is delivered; 1
nothing was delivered; 130 Ctrl-C ended the reading, what was read until then is delivered.
"""

from __future__ import annotations

import argparse

from pcap_tools import (
    info_command,
    label_commands,
    plot_command,
    table_commands,
    traffic_commands,
)
from pcap_tools.common_options import CODES

EXAMPLES = """examples:
  airsplit pcap info capture.pcap                        packets, bytes, times, what is damaged
  airsplit pcap flows captures/ --out flows.parquet      one row a flow, of every capture there
  airsplit pcap features capture.pcap --out samples.csv  what a classifier learns from
  airsplit pcap plot capture.pcap --out report.html      one page that opens offline
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands to `parser`."""
    parser.description = "Read captures: what is in them, flows, features, pictures."
    parser.epilog = EXAMPLES + "\n" + CODES
    commands = parser.add_subparsers(dest="pcap_command", required=True, metavar="COMMAND")

    def add(name: str, summary: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)

    info_command.configure_info(add("info", "what a capture holds"))
    table_commands.configure_flows(add("flows", "one row a flow"))
    table_commands.configure_features(add("features", "what a classifier learns from"))
    plot_command.configure_plot(add("plot", "pictures, or a report in one file"))
    traffic_commands.configure_record(add("record", "packets of an interface into a capture"))
    traffic_commands.configure_replay(add("replay", "a capture's packets onto an interface"))
    label_commands.configure_anonymise(add("anonymise", "a capture that can be shown"))
    label_commands.configure_merge_labels(
        add("merge-labels", "flows with the labels somebody gave them"))
