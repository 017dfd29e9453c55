"""`airsplit pcap flows` and `features`: captures to tables."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pcap_tools.common_options import (
    CODES,
    add_flow_options,
    add_input,
    add_output,
    finished,
    flow_config,
    say,
)
from pcap_tools.errors import UsageError

if TYPE_CHECKING:
    from pcap_tools.flows import FlowConfig

FLOWS_EXAMPLES = """examples:
  airsplit pcap flows capture.pcap --out flows.parquet
  airsplit pcap flows captures/ --out flows.csv --columns 'source*,destination*,bytes_*'
  airsplit pcap flows capture.pcap --out flows.jsonl --idle 30 --active 300
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
    parser.add_argument("--at", metavar="MOMENTS", help="only these, such as packets_10,whole or "
                        "window_1_s (default: all but windows)")
    parser.add_argument("--list", action="store_true",
                        help="print every feature with its unit and meaning, and read nothing")
    parser.set_defaults(run=run_features)


def run_flows(arguments: argparse.Namespace) -> int:
    """Write a table of flows."""
    from pcap_tools.flow_table import FLOW

    return _write_table(arguments, FLOW, (), lambda engine: engine.flows(), flow_config(
        arguments, samples=False))


def run_features(arguments: argparse.Namespace) -> int:
    """Write a table of samples, or say what the features are."""
    from pcap_tools.features import FEATURES
    from pcap_tools.flow_table import SAMPLE

    if arguments.list:
        return _list_features(arguments.json)
    if not arguments.captures or arguments.out is None:
        raise UsageError("Features need a capture and --out FILE.",
                         "Give both, or --list for their meaning.")
    moments = _moments(arguments.at)
    config = flow_config(arguments, windows=any("window" in name for name in moments))
    wanted = list(moments.values())

    def samples(engine: Any) -> Any:
        import numpy as np

        rows = engine.samples()
        engine.flows()  # not wanted, and not to be kept
        return rows[np.isin(rows["kind"], wanted)]

    return _write_table(arguments, SAMPLE, [feature.name for feature in FEATURES], samples, config)


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


def _write_table(
    arguments: argparse.Namespace, kind: Any, features: Any, rows_of: Callable[[Any], Any],
    config: FlowConfig,
) -> int:
    """Read, write what `rows_of` takes from the engine, and say what was written."""
    from pcap_tools.export import TableWriter, chosen_columns, column_names
    from pcap_tools.flow_engine import FlowEngine
    from pcap_tools.gather import engine_counts, read_through
    from pcap_tools.naming import count_text
    from pcap_tools.read import open_captures

    names = chosen_columns(column_names(kind, features), arguments.columns)
    engine = FlowEngine(config)
    source = open_captures(arguments.captures)
    with TableWriter(arguments.out, kind, names, arguments.format, features) as writer:

        def take(records: Any) -> None:
            engine.feed(records)
            writer.write(rows_of(engine))

        account = read_through(source, take, arguments.quiet)
        engine.finish()
        writer.write(rows_of(engine))
    what = "samples" if features else "flows"
    counts = engine_counts(engine)
    document = account.document() | {"file": arguments.out, "format": writer.format,
                                     "columns": names, "rows": writer.rows, "counters": counts}
    document[what] = writer.rows
    say(arguments, document, f"{count_text(writer.rows, what[:-1])} of "
                              f"{count_text(document['packets'], 'packet')} in {arguments.out}")
    return finished(account, f"pcap {arguments.pcap_command}")
