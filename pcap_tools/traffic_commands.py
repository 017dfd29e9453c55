"""`airsplit pcap record` and `airsplit pcap replay`: options and printing; others do the work.

Exit codes: 0 all went well; 3 a part is missing (frames dropped, a damaged capture, a full disk),
the rest is there; 1 nothing was done. Heavy libraries load only when a command runs.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcap_tools.errors import OutputError

if TYPE_CHECKING:

    from pcap_tools.record import Recorded
    from pcap_tools.replay import Network

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
RECORD_EXAMPLES = """examples:
  sudo airsplit pcap record eth0 --host 192.0.2.7 --port 8470        until Ctrl-C
  sudo airsplit pcap record eth0 --port 8470-8480 --duration 60 --out run-1.pcap
  sudo airsplit pcap record any --rotate 100M --out day.pcap         day-0001.pcap, ...
  sudo airsplit pcap record n3 --filter 'udp port 2152' --snap 128 --json

Beside the capture there is NAME.timing.jsonl: a line each second with both clocks, packets, bytes
and drops. Instead of sudo: setcap cap_net_raw+ep on the Python that runs this.
"""
REPLAY_EXAMPLES = """examples:
  sudo airsplit pcap replay capture.pcap --interface veth0           at its own pace
  sudo airsplit pcap replay capture.pcap --interface veth0 --speed 10
  sudo airsplit pcap replay captures/ --interface veth0 --rate 50000 --json
  sudo airsplit pcap replay capture.pcap --interface veth0 --address 192.0.2.7=10.0.0.2 \\
      --destination-mac 02:00:00:00:00:01
"""


def configure_record(parser: argparse.ArgumentParser) -> None:
    """Add the options of `airsplit pcap record`."""
    _describe(parser, "Record an interface into a capture file, with a log of its times.",
              RECORD_EXAMPLES)
    parser.add_argument("interface", help="what to listen on, or any")
    parser.add_argument("--out", type=Path, metavar="FILE",
                        help="capture to write (default: INTERFACE-DATE-TIME.pcap)")
    parser.add_argument("--host", action="append", default=[], metavar="ADDRESS",
                        help="only traffic with this host; may be given several times")
    parser.add_argument("--port", action="append", default=[], metavar="PORT[-PORT]", type=_ports,
                        help="only traffic with this port or range; may be given several times")
    parser.add_argument("--filter", default="", metavar="EXPRESSION",
                        help="only frames that this capture filter passes, too")
    parser.add_argument("--duration", type=_positive, metavar="SECONDS", help="end after this time")
    parser.add_argument("--packets", type=_count, metavar="N", help="end after so many packets")
    parser.add_argument("--snap", type=_count, default=262_144, metavar="BYTES",
                        help="keep this much of each frame (default: all)")
    parser.add_argument("--rotate", type=_size, metavar="SIZE",
                        help="begin another file after this size, such as 100M")
    parser.add_argument("--keep-free", type=_size, default=256_000_000, metavar="SIZE",
                        help="end before less than this is free on the disk (default: 256M)")
    parser.add_argument("--buffer", type=_size, default=64 << 20, metavar="SIZE",
                        help="memory for frames that wait to be written (default: 67M)")
    parser.add_argument("--promiscuous", action="store_true",
                        help="hear frames for other stations, too")
    parser.add_argument("--sniffer", action="store_true",
                        help="listen through scapy: slow, some thousand packets a second")
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run_record)


def configure_replay(parser: argparse.ArgumentParser) -> None:
    """Add the options of `airsplit pcap replay`."""
    _describe(parser, "Send the frames of captures on an interface again, and say how late each "
                      "was.", REPLAY_EXAMPLES)
    parser.add_argument("captures", nargs="+", metavar="CAPTURE",
                        help="files or folders; - is standard input")
    parser.add_argument("--interface", required=True, help="where to send")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--speed", type=_positive, default=1.0, metavar="FACTOR",
                      help="times the original pace; inf: as fast as it goes (default: 1)")
    pace.add_argument("--rate", type=_positive, metavar="PACKETS_PER_S",
                      help="as many packets each second, whatever the original pace")
    parser.add_argument("--longest-gap", type=_positive, metavar="SECONDS",
                        help="shorten longer silences to this")
    parser.add_argument("--address", action="append", default=[], type=_exchange,
                        metavar="OLD=NEW",
                        help="exchange an address, or a network of the same size; may be given "
                             "several times")
    parser.add_argument("--source-mac", type=_mac, metavar="MAC", help="in every frame")
    parser.add_argument("--destination-mac", type=_mac, metavar="MAC", help="in every frame")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run_replay)


def run_record(arguments: argparse.Namespace) -> int:
    """Record until Ctrl-C, SIGTERM, or the time or number given."""
    from pcap_tools.gather import ALL_READ, PARTIAL
    from pcap_tools.live import LiveConfig, RingShape, RingSource, SnifferSource
    from pcap_tools.record import Clocks, RecordConfig, host_filter, numbered, record
    from pcap_tools.write import PcapWriter

    out = arguments.out or Path(f"{arguments.interface}-{datetime.now():%Y%m%d-%H%M%S}.pcap")
    rotated = arguments.rotate is not None
    _refuse_existing(numbered(out, 1) if rotated else out, arguments.force)
    blocks = max(arguments.buffer >> 20, 2)
    live = LiveConfig(arguments.snap, arguments.promiscuous, duration=arguments.duration,
                      tick=0.25, ring=RingShape(blocks=blocks, retire_ms=50))
    filter = host_filter(arguments.host, arguments.port, arguments.filter)
    kind = SnifferSource if arguments.sniffer else RingSource
    with kind(arguments.interface, filter, live) as source:
        about = {"interface": arguments.interface, "filter": filter, "link": source.link,
                 "snap": arguments.snap, "capture": str(out)}
        what = f"recording {arguments.interface}"
        with _ended_by_signals(source.close) as signals, _line(what) as say:
            done = record(
                source, out, lambda path: PcapWriter(path, source.link, snap=arguments.snap),
                RecordConfig(arguments.rotate, arguments.keep_free, arguments.packets),
                Clocks(time.time, time.monotonic), about, lambda state: say(_state_of(state)),
                lambda: signals[0] if signals else
                "the interface" if arguments.duration is None else "its duration")
        _warn(map(str, source.warnings))
    facts = {"files": done.files, "log": done.log, "packets": done.packets, "bytes": done.bytes,
             "dropped": done.dropped, "seconds": round(done.seconds, 3),
             "ended_by": done.ended_by, "problem": done.problem}
    _tell(arguments, facts, f"{', '.join(done.files)}: {_state_of(done)}; times in {done.log}")
    if done.problem:
        _warn([done.problem])
    return PARTIAL if done.problem or done.dropped else ALL_READ


def _state_of(state: Recorded) -> str:
    dropped = "drops unknown" if state.dropped is None else f"{state.dropped:,} dropped"
    return f"{state.packets:,} packets, {state.bytes:,} bytes, {dropped}"


def run_replay(arguments: argparse.Namespace) -> int:
    """Send captures; Ctrl-C ends it, with what was sent told."""
    from pcap_tools.gather import ALL_READ, INTERRUPTED, PARTIAL, progress_bar
    from pcap_tools.read import open_captures
    from pcap_tools.replay import ReplayConfig, Replayed, Rewrite, replay
    from pcap_tools.sending import Sender

    config = ReplayConfig(
        arguments.speed, arguments.rate, arguments.longest_gap,
        Rewrite(arguments.source_mac, arguments.destination_mac, tuple(arguments.address)))
    done, stopped = Replayed(), False
    with Sender(arguments.interface) as sender, open_captures(arguments.captures) as source:
        with progress_bar(source, quiet=False, what="sending") as advance:
            def told(state: Replayed) -> None:
                nonlocal done
                done = state
                advance()

            try:
                done = replay(source, sender, config, time.monotonic_ns, time.sleep, told)
            except KeyboardInterrupt:
                stopped = True
        _warn(map(str, source.warnings))
        sent = sender.sent
        facts = done.as_dict() | {"packets": sent.packets, "bytes": sent.bytes,
                                  "too_long": sent.too_long, "stopped": stopped}
    late = "" if facts["late_ms_p99"] is None else (
        f"; late by {facts['late_ms_p50']} ms (median), {facts['late_ms_p99']} ms (99 %), "
        f"{facts['late_ms_most']} ms at most")
    left = sum(done.left_out.values()) + sent.too_long
    _tell(arguments, facts, f"{sent.packets:,} packets in {done.seconds:.3f} s, {left:,} not sent, "
          f"{done.cut:,} sent short{late}")
    if stopped:
        return INTERRUPTED
    return PARTIAL if source.warnings or left else ALL_READ


def _describe(parser: argparse.ArgumentParser, text: str, examples: str) -> None:
    parser.description, parser.epilog = text, examples
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmg]?)b?", text.lower(), re.ASCII)
    if not match:
        raise argparse.ArgumentTypeError(f"{text} is no size; say 500k, 100M or 2G")
    return int(float(match[1]) * UNITS[match[2]])


def _ports(text: str) -> str:
    match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", text, re.ASCII)
    if not match or max(int(port) for port in match.groups("0")) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port, and no range such as 8470-8480")
    return text


def _mac(text: str) -> bytes:
    if not re.fullmatch(r"([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text} is no MAC address such as 02:00:00:00:00:01")
    return bytes.fromhex(re.sub("[:-]", "", text))


def _exchange(text: str) -> tuple[Network, Network]:
    try:
        old, new = (ipaddress.ip_network(part) for part in text.split("="))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text} exchanges nothing; say 192.0.2.7=10.0.0.2 or 192.0.2.0/24=10.0.0.0/24"
        ) from None
    if (old.version, old.prefixlen) != (new.version, new.prefixlen):
        raise argparse.ArgumentTypeError(f"the two sides of {text} are not of one size")
    return old, new


def _refuse_existing(path: Path, allowed: bool) -> None:
    if path.exists() and not allowed:
        raise OutputError(f"{path} is there already.",
                          "Give --force to replace it, or another --out.")


def _tell(arguments: argparse.Namespace, facts: Mapping[str, Any], sentence: str) -> None:
    print(json.dumps(facts) if arguments.json else sentence)


def _warn(problems: Iterator[str] | Sequence[str]) -> None:
    for problem in problems:
        print(f"warning: {problem}", file=sys.stderr)


@contextmanager
def _ended_by_signals(close: Callable[[], None]) -> Iterator[list[str]]:
    """Ctrl-C and SIGTERM end the work in good order; yields the names of those that came."""
    names, came = (signal.SIGINT, signal.SIGTERM), list[str]()

    def ended(number: int, _: object) -> None:
        came.append(signal.Signals(number).name)
        close()

    try:
        before = [signal.signal(name, ended) for name in names]
    except ValueError:  # not in the main thread: who runs us there ends us otherwise
        yield came
        return
    try:
        yield came
    finally:
        for name, handler in zip(names, before, strict=True):
            signal.signal(name, handler)


@contextmanager
def _line(what: str) -> Iterator[Callable[[str], None]]:
    """A line on the terminal that tells how it goes; nothing where there is no terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda state: None
        return
    with console.status(what) as status:
        yield lambda state: status.update(f"{what}: {state}")
