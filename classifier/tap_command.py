"""`airsplit tap`: label the flows on an interface, and publish the labels.

Only options and printing; what is heavy is imported when it runs.
"""

from __future__ import annotations

import argparse
import gc
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from classifier.messages import TapStatus

EXAMPLES = """examples:
  airsplit tap eth0                                 label all traffic, publish on 127.0.0.1:5556
  airsplit tap n3 --filter 'udp port 2152'          beside a UPF: GTP-U is looked into
  airsplit tap eth0 --labels llm_split llm_chat     speak of these alone
  airsplit tap keys --out keys                      CURVE keys: tap.key, tap.key_secret
  airsplit tap eth0 --publish tcp://0.0.0.0:5556 --curve keys/tap.key_secret
  airsplit tap watch tcp://127.0.0.1:5556           print what a tap says

Needs CAP_NET_RAW (run it as root, or: setcap cap_net_raw+ep on a copy of Python)."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `airsplit tap` to `parser`."""
    parser.epilog = EXAMPLES
    parser.add_argument("interface", metavar="INTERFACE|keys|watch",
                        help="what to listen to; `keys` makes CURVE keys, `watch` prints labels")
    parser.add_argument("address", nargs="?", help="with `watch`: where the tap publishes "
                        "(default: tcp://127.0.0.1:5556)")
    parser.add_argument("--filter", default="", metavar="EXPRESSION",
                        help="only these frames, such as 'udp port 2152' (default: all)")
    parser.add_argument("--bundle", type=Path, metavar="FOLDER",
                        help="model to label with (default: the shipped one)")
    parser.add_argument("--labels", nargs="+", default=[], metavar="LABEL",
                        help="speak only of flows that get one of these (default: all but unknown)")
    parser.add_argument("--publish", default="tcp://127.0.0.1:5556", metavar="ADDRESS",
                        help="where subscribers connect to (default: %(default)s)")
    parser.add_argument("--curve", type=Path, metavar="FILE",
                        help="a .key_secret file: encrypt, and prove who we are")
    parser.add_argument("--server-key", type=Path, metavar="FILE",
                        help="with `watch`: the tap's .key file")
    parser.add_argument("--idle", type=float, default=30.0, metavar="SECONDS",
                        help="silence after which a flow is over (default: %(default)g)")
    parser.add_argument("--most-flows", type=int, default=1 << 17, metavar="N",
                        help="flows at a time; then the longest silent one makes room "
                             "(default: %(default)s)")
    parser.add_argument("--rates-of", nargs="*", metavar="NETWORK",
                        help="UEs' networks, of whose addresses rates are told each second; none "
                             "to tell none (default: Open5GS's 10.45.0.0/16, 10.46.0.0/16, IPv6)")
    parser.add_argument("--no-windows", action="store_true",
                        help="judge flows by their beginning alone")
    parser.add_argument("--duration", type=float, metavar="SECONDS",
                        help="end after so long (default: at Ctrl-C)")
    parser.add_argument("--out", type=Path, default=Path("keys"), metavar="FOLDER",
                        help="with `keys`: where they go (default: %(default)s)")
    parser.add_argument("--json", action="store_true",
                        help="print each status, or with `watch` each message, as a JSON line")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make keys, watch, or listen until Ctrl-C or SIGTERM."""
    if arguments.interface == "keys":
        return _keys(arguments.out)
    if arguments.interface == "watch":
        return _watch(arguments)
    return _listen(arguments)


def _keys(folder: Path) -> int:
    from classifier.publisher import make_keys

    public, secret = make_keys(folder, "tap")
    print(f"{secret} is the tap's own: --curve {secret}\n"
          f"{public} is for its subscribers: --server-key {public}")
    return 0


def _listen(arguments: argparse.Namespace) -> int:
    from classifier import labels
    from classifier.bundle import load
    from classifier.errors import UsageError
    from classifier.publisher import read_keys
    from classifier.rates import DEFAULT_NETWORKS
    from classifier.tap import Tap, TapConfig, default_bundle
    from pcap_tools.flows import FlowConfig
    from pcap_tools.live import LiveConfig, RingShape, RingSource

    strange = set(arguments.labels) - set(labels.MEANINGS)
    if strange:
        raise UsageError(f"--labels {' '.join(sorted(strange))}: there is no such label.",
                         f"There are {', '.join(labels.MEANINGS)}.")
    bundle = load(arguments.bundle or default_bundle())
    keys = None if arguments.curve is None else read_keys(arguments.curve)
    config = TapConfig(arguments.publish, keys, frozenset(arguments.labels),
                       not arguments.no_windows,
                       rates_of=(DEFAULT_NETWORKS if arguments.rates_of is None
                                 else tuple(arguments.rates_of)),
                       flows=FlowConfig(idle=arguments.idle, most=arguments.most_flows))
    # A label waits for the block that its packet is in; more and smaller ones cost more calls.
    ring = RingShape(block_bytes=1 << 20, blocks=64, retire_ms=8)
    source = RingSource(arguments.interface, arguments.filter,
                        LiveConfig(duration=arguments.duration, tick=0.01, ring=ring))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: source.close())
    tap = Tap(source, bundle, config)
    gc.freeze()  # what is loaded stays, and need not be looked through while packets wait
    print(f"airsplit tap: {arguments.interface} to {tap.publisher.address}, "
          f"model {bundle.hash[:12]}", file=sys.stderr, flush=True)
    last = None
    for last in tap.run():
        _show(last, arguments.json)
    if last is not None and not arguments.json:
        print(f"\n{last.packets:,} packets, {last.dropped:,} dropped, {last.flows:,} flows, "
              f"{last.labels:,} labels", file=sys.stderr)
    return 0


def _show(status: TapStatus, as_json: bool) -> None:
    if as_json:
        import dataclasses

        print(json.dumps(dataclasses.asdict(status)), flush=True)
    elif sys.stderr.isatty():
        print(f"\r{status.uptime:6.0f} s  {status.packets:12,} packets  {status.dropped:8,} dropped"
              f"  {status.live:7,} flows  {status.labels:8,} labels", end="", file=sys.stderr,
              flush=True)


def _watch(arguments: argparse.Namespace) -> int:
    import dataclasses

    from classifier.errors import BadMessage
    from classifier.messages import Labelled
    from classifier.publisher import Subscriber, read_keys, read_public

    topics = tuple(f"label.{label}" for label in arguments.labels) or ("",)
    subscriber = Subscriber(
        arguments.address or arguments.publish, topics,
        None if arguments.server_key is None else read_public(arguments.server_key),
        None if arguments.curve is None else read_keys(arguments.curve))
    missed = 0
    try:
        while True:
            try:
                message = subscriber.receive(3600.0)
            except BadMessage as error:
                print(error, file=sys.stderr)
                continue
            if subscriber.gaps.missed != missed:
                missed = subscriber.gaps.missed
                print(f"{missed} messages missed so far", file=sys.stderr)
            if message is None:
                continue
            if arguments.json:
                print(json.dumps(dataclasses.asdict(message)), flush=True)
            elif isinstance(message, Labelled):
                end = "ended" if message.ended else message.stage
                print(f"{message.label:12} {message.confidence:5.2f} {end:14} "
                      f"{message.source}:{message.source_port} > "
                      f"{message.destination}:{message.destination_port}", flush=True)
    finally:
        subscriber.close()
