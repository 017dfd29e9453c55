"""`airsplit pcap flows` and `features`: captures to tables."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pcap_tools.common_options import (
    CODES,
    add_flow_options,
    add_input,
    add_job_options,
    add_output,
    finished,
    flow_config,
    say,
)
from pcap_tools.errors import UsageError

if TYPE_CHECKING:
    from pcap_tools.export import TableWriter
    from pcap_tools.gather import Account
    from pcap_tools.parallel import Wanted
    from pcap_tools.records import Records

FLOWS_EXAMPLES = """examples:
  airsplit pcap flows capture.pcap --out flows.parquet
  airsplit pcap flows captures/ --out flows.csv --columns 'source*,destination*,bytes_*'
  airsplit pcap flows capture.pcap --out flows.jsonl --idle 30 --active 300
  airsplit pcap flows captures/ --out flows.parquet --jobs 4
  airsplit pcap flows - --out - --format csv
"""
FEATURES_EXAMPLES = """examples:
  airsplit pcap features capture.pcap --out samples.parquet
  airsplit pcap features capture.pcap --out early.csv --at packets_10,after_1_s
  airsplit pcap features capture.pcap --out windows.parquet --at window_1_s --columns '!source*'
  airsplit pcap features --list
"""


def configure_flows(parser: argparse.ArgumentParser) -> None:
    parser.description = ("Write one row for each flow: its ends, when it was, packets and bytes "
                          "each way. Whoever sent the first packet goes up.")
    parser.epilog = FLOWS_EXAMPLES + "\n" + CODES
    add_input(parser)
    add_output(parser)
    add_flow_options(parser)
    add_job_options(parser)
    parser.set_defaults(run=run_flows)


def configure_features(parser: argparse.ArgumentParser) -> None:
    parser.description = ("Write the features of flows, one row for each flow and moment: after "
                          "its first 5, 10 and 20 packets, 0.1, 1, 2 and 10 s, at its end, and "
                          "for every window where asked for. Of moments between which no "
                          "packet came only the first is there.")
    parser.epilog = FEATURES_EXAMPLES + "\n" + CODES
    add_input(parser, needed=False)
    add_output(parser, needed=False)
    add_flow_options(parser)
    add_job_options(parser)
    parser.add_argument("--at", metavar="MOMENTS", help="only these, such as packets_10,whole or "
                        "window_1_s (default: all but windows)")
    parser.add_argument("--list", action="store_true",
                        help="print every feature with its unit and meaning, and read nothing")
    parser.set_defaults(run=run_features)


def run_flows(arguments: argparse.Namespace) -> int:
    """Write a table of flows."""
    from pcap_tools.parallel import Wanted

    return _write_table(arguments, Wanted(flow_config(arguments, samples=False)), ())


def run_features(arguments: argparse.Namespace) -> int:
    """Write a table of samples, or say what the features are."""
    from pcap_tools.features import FEATURES
    from pcap_tools.parallel import Wanted

    if arguments.list:
        return _list_features(arguments.json)
    if not arguments.captures or arguments.out is None:
        raise UsageError("Features need a capture and --out FILE.",
                         "Give both, or --list for their meaning.")
    moments = _moments(arguments.at)
    config = flow_config(arguments, windows=any("window" in name for name in moments))
    wanted = Wanted(config, samples=True, moments=tuple(moments.values()))
    return _write_table(arguments, wanted, [feature.name for feature in FEATURES])


def _list_features(as_json: bool) -> int:
    from pcap_tools.features import FEATURES, SCHEMA

    if as_json:
        print(json.dumps({"schema": SCHEMA, "features": [
            {"name": feature.name, "unit": feature.unit, "meaning": feature.meaning,
             "robust": feature.robust} for feature in FEATURES]}))
        return 0
    print(f"schema {SCHEMA}; * survives a change of rate, round trip and MTU")
    for feature in FEATURES:
        unit = f" ({feature.unit})" if feature.unit else ""
        print(f"{'*' if feature.robust else ' '} {feature.name:<26}{feature.meaning}{unit}")
    return 0


def _moments(text: str | None) -> dict[str, int]:
    """The moments of `--at`, by name."""
    from pcap_tools.flows import Sampled

    known = {moment.name.lower(): int(moment) for moment in Sampled}
    if text is None:
        return {name: code for name, code in known.items() if "window" not in name}
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise UsageError(f"--at {name}: there is no such moment.",
                             f"Choose among {', '.join(known)}.")
    return {name: known[name] for name in names}


def _write_table(arguments: argparse.Namespace, wanted: Wanted, features: Sequence[str]) -> int:
    """Read, write what is wanted, and say what was written."""
    from pcap_tools.export import TableWriter, chosen_columns, column_names
    from pcap_tools.naming import count_text

    names = chosen_columns(column_names(wanted.kind, features), arguments.columns)
    fill = _fill_in_parallel if arguments.ray or arguments.jobs > 1 else _fill
    with TableWriter(arguments.out, wanted.kind, names, arguments.format, features) as writer:
        account, counts = fill(arguments, wanted, writer)
    what = "samples" if features else "flows"
    document = account.document() | {
        "file": arguments.out, "format": writer.format, "columns": names, "rows": writer.rows,
        what: writer.rows, "counters": counts}
    say(arguments, document, f"{count_text(writer.rows, what[:-1])} of "
                             f"{count_text(document['packets'], 'packet')} in {arguments.out}")
    return finished(account, f"pcap {arguments.pcap_command}")


def _fill(arguments: argparse.Namespace, wanted: Wanted, writer: TableWriter
          ) -> tuple[Account, dict[str, Any]]:
    """All captures through one table of flows: a flow may go on in the next file."""
    import numpy as np

    from pcap_tools.flow_engine import FlowEngine
    from pcap_tools.gather import flow_counts, read_through
    from pcap_tools.read import open_captures

    engine = FlowEngine(wanted.config)

    def fetch() -> None:
        flows = engine.flows()
        rows = engine.samples() if wanted.samples else flows
        if wanted.samples and wanted.moments is not None:
            rows = rows[np.isin(rows["kind"], wanted.moments)]
        writer.write(rows)

    def take(records: Records) -> None:
        engine.feed(records)
        fetch()

    account = read_through(open_captures(arguments.captures), take, arguments.quiet)
    engine.finish()
    fetch()
    counters = engine.counters
    return account, flow_counts(counters.packets, counters.flows, counters.evicted)


def _fill_in_parallel(arguments: argparse.Namespace, wanted: Wanted, writer: TableWriter
                      ) -> tuple[Account, dict[str, Any]]:
    """Each capture by itself, on several processes or machines."""
    from pcap_tools.gather import flow_counts, read_through
    from pcap_tools.parallel import ParallelTables

    source = ParallelTables(arguments.captures, wanted, arguments.jobs, arguments.ray)
    account = read_through(source, writer.write, arguments.quiet)
    return account, flow_counts(source.packets, source.flows, source.evicted)
