"""`airsplit testbed phones`: models of recorded phones' traffic, made from any recordings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.ran.traffic.config import TrafficConfig

EXAMPLES = """examples:
  airsplit testbed phones                                     what the bundled models are like
  airsplit testbed phones --use video=youtube.pcap --use video=netflix.pcapng \\
      --use calls=meet.csv.gz --out phones.json
  then in a cell's file:  traffic: [{kind: phones, file: phones.json, phones: 4}]
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `airsplit testbed phones`."""
    parser.description = (
        "Make models of phones' traffic from recordings (pcap, pcapng, CSV of packets), for cells\n"
        "to make traffic from: figures only, no packet, address or content. Without --use: tell\n"
        "what a file of models has.")
    parser.epilog = EXAMPLES
    parser.add_argument("models", nargs="?", type=Path, metavar="MODELS",
                        help="a file to tell of (default: the bundled one)")
    parser.add_argument("--use", action="append", default=[], metavar="NAME=RECORDING",
                        help="a recording of that use; those of one name become one model")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the models there")
    parser.add_argument("--source", default="", metavar="TEXT",
                        help="where the recordings are from and their licence, kept in the file")
    parser.add_argument("--user", metavar="ADDRESS",
                        help="the phone's address in all of them (default: whose most packets are)")
    parser.add_argument("--header-bytes", type=int, default=0, metavar="N",
                        help="of a CSV's lengths, what is before the IP packet (default: 0)")
    parser.add_argument("--bin", type=float, default=0.1, metavar="SECONDS",
                        help="of a model's time (default: %(default)s)")
    parser.add_argument("--longest-gap", type=float, default=10.0, metavar="SECONDS",
                        help="longer silences become so long (default: %(default)s)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make models, or tell of some."""
    from testbed.ran.traffic.phone_model import BUNDLED, fit_model, read_models, write_models
    from testbed.ran.traffic.recording import read_recording
    from xapp.errors import ConfigurationError

    if bool(arguments.use) != (arguments.out is not None) or (
            arguments.use and arguments.models is not None):
        raise ConfigurationError("--use and --out belong together, without MODELS.",
                                 "See airsplit testbed phones --help.")
    if not 1e-3 <= arguments.bin <= 60:
        raise ConfigurationError(f"--bin {arguments.bin:g} is no length.", "Give 0.001 to 60.")
    path = arguments.out or arguments.models or BUNDLED
    if arguments.use:
        write_models(path, {
            name: fit_model([read_recording(one) for one in ones], arguments.bin)
            for name, ones in _recordings(arguments).items()}, arguments.source)
    print(f"{'use':<16}{'down kbit/s':>12}{'up kbit/s':>12}{'recorded s':>12}{'silent':>9}")
    for name, one in read_models(path).items():
        print(f"{name:<16}{one.down_kbps:>12,.1f}{one.up_kbps:>12,.1f}{one.seconds:>12,.0f}"
              f"{one.silent_share:>9.0%}")
    return 0


def _recordings(arguments: argparse.Namespace) -> dict[str, list[TrafficConfig]]:
    from testbed.ran.traffic.config import Kind, TrafficConfig
    from xapp.errors import ConfigurationError

    found: dict[str, list[TrafficConfig]] = {}
    for text in arguments.use:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise ConfigurationError(f"--use {text} is no NAME=RECORDING.",
                                     "Such as --use video=youtube.pcap.")
        found.setdefault(name, []).append(TrafficConfig(
            Kind.REPLAY, file=Path(path), user=arguments.user,
            header_bytes=arguments.header_bytes, longest_gap=arguments.longest_gap))
    return found
