"""`airsplit radio`: join virtual radios, and change the air between them while they run."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from testbed.radio.broker import Happened
    from testbed.radio.settings import RadioSettings

CONTROL = "ipc:///tmp/airsplit-radio.control"
EXAMPLES = """examples:
  airsplit radio run                             one gNB and one srsUE at srsRAN's usual ports
  airsplit radio run --ues 3 --rate 11.52e6      three UEs, at 2101/2100, 2201/2200, 2301/2300
  airsplit radio run --config radio.yaml --script walk.csv
  airsplit radio run --config radio.yaml --check
  airsplit radio path gnb-ue1 --loss 12 --delay 3.5 --profile tdla30 --doppler 10
  airsplit radio path gnb-ue1 --outage yes
  airsplit radio noise ue1 25                    25 dB of SNR where nothing is lost on the path
  airsplit radio status

  A receiver's address is bound by the broker, a transmitter's by the radio, as in:
    gNB  device_args: tx_port=tcp://127.0.0.1:2000,rx_port=tcp://127.0.0.1:2001
    UE   device_args: tx_port=tcp://127.0.0.1:2101,rx_port=tcp://127.0.0.1:2100

It asks for a real-time priority, since radios wait for it, and says whether it got one. Without
root: sudo prlimit --rtprio=10 sudo -u $USER airsplit radio run
Who is the slowest, `awaited` of the status tells: seconds that all others waited for it.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "The air between virtual radios that speak ZeroMQ, as srsRAN's do: path loss, delay,\n"
        "noise, fading and outages between one or two cells and several UEs.")
    parser.epilog = EXAMPLES
    orders = parser.add_subparsers(dest="radio_command", required=True, metavar="COMMAND")
    run_ = orders.add_parser("run", help="join radios until Ctrl-C")
    run_.add_argument("--config", type=Path, metavar="FILE", help="stations and paths in YAML")
    run_.add_argument("--ues", type=int, default=1, metavar="N",
                      help="without a file: so many UEs (default: 1)")
    run_.add_argument("--rate", type=float, metavar="SAMPLES",
                      help="samples a second (default: 23.04e6); it has to be the radios' own")
    run_.add_argument("--script", type=Path, metavar="FILE", help="changes by time, as CSV")
    run_.add_argument("--pace", action="store_true", help="go no faster than real time")
    run_.add_argument("--together", action="store_true",
                      help="let time begin when every station is there")
    run_.add_argument("--real-time-priority", type=int, metavar="N",
                      help="of the broker, where permitted: 1 to 98; 0 is none (default: 10)")
    run_.add_argument("--control", metavar="ADDRESS", help=f"of orders (default: {CONTROL})")
    run_.add_argument("--check", action="store_true",
                      help="check configuration and script, print the former, and end")
    path = orders.add_parser("path", help="change the path between a cell and a UE")
    path.add_argument("link", help="such as gnb-ue1")
    path.add_argument("--loss", type=float, metavar="DB", dest="path_loss")
    path.add_argument("--delay", type=float, metavar="MICROSECONDS")
    path.add_argument("--profile", help="of fading: none, flat, tdla30, tdlb100, tdlc300, epa, "
                                        "eva, etu")
    path.add_argument("--doppler", type=float, metavar="HZ")
    path.add_argument("--outage", choices=("yes", "no"))
    noise = orders.add_parser("noise", help="change the noise at a station")
    noise.add_argument("station")
    noise.add_argument("snr", help="dB over what is sent, or `none`")
    orders.add_parser("status", help="who is there, and how much went by")
    orders.add_parser("stop", help="end the broker")
    for one in (path, noise, *(orders.choices[name] for name in ("status", "stop"))):
        one.add_argument("--control", metavar="ADDRESS", default=CONTROL,
                         help="of the broker (default: %(default)s)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run a broker, or give orders to one."""
    if arguments.radio_command == "run":
        return _broker(arguments)
    print(json.dumps(_ask(arguments.control, _order(arguments)), indent=2))
    return 0


def _order(arguments: argparse.Namespace) -> dict[str, Any]:
    from testbed.radio.errors import RadioError

    if arguments.radio_command == "path":
        names = ("path_loss", "delay", "profile", "doppler")
        values = {name: getattr(arguments, name) for name in names
                  if getattr(arguments, name) is not None}
        if arguments.outage is not None:
            values["outage"] = arguments.outage == "yes"
        if not values:
            raise RadioError("Say what to change: --loss, --delay, --profile, --doppler, --outage.")
        return {"order": "path", "link": arguments.link, "set": values}
    if arguments.radio_command == "noise":
        try:
            snr = None if arguments.snr == "none" else float(arguments.snr)
        except ValueError:
            raise RadioError(f"{arguments.snr!r} is no SNR: give decibels, or none.") from None
        return {"order": "noise", "station": arguments.station, "snr": snr}
    return {"order": arguments.radio_command}


def _ask(place: str, order: dict[str, Any]) -> dict[str, Any]:
    from testbed.radio.client import ask

    return ask(place, order)


def _settings(arguments: argparse.Namespace) -> RadioSettings:
    from dataclasses import replace

    from testbed.radio.errors import RadioError
    from testbed.radio.settings import load, usual

    if arguments.config is not None:
        if arguments.ues != 1:
            raise RadioError("--config says what UEs there are: leave out --ues, or the file.")
        settings = load(arguments.config)
    else:
        settings = usual(arguments.ues)
    changes: dict[str, Any] = {"pace": arguments.pace or settings.pace,
                               "together": arguments.together or settings.together}
    if arguments.rate is not None:
        changes["rate"] = arguments.rate
    if arguments.control is not None:
        changes["control"] = arguments.control
    if arguments.real_time_priority is not None:
        changes["real_time_priority"] = arguments.real_time_priority
    if arguments.script is not None:
        changes["script"] = str(arguments.script)
    return replace(settings, **changes)


def _broker(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    from testbed.radio import script

    changes = () if settings.script is None else script.load(Path(settings.script))
    if arguments.check:
        from dataclasses import asdict

        from testbed.radio.mixer import Mixer

        script.Script(changes, Mixer(settings))
        print(json.dumps(asdict(settings), indent=2))
        return 0
    from testbed.radio.broker import Broker

    broker = Broker(settings, tell=_say)
    if changes:
        broker.script = script.Script(changes, broker.mixer)
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: broker.stop())
    _introduce(settings)
    broker.run()
    seconds = broker.mixer.position / settings.rate
    print(f"{broker.mixer.position:,} samples went by, {seconds:.1f} s of the radio.",
          file=sys.stderr)
    return 0


def _introduce(settings: RadioSettings) -> None:
    for one in settings.stations:
        print(f"{one.name}: asks {one.transmits or 'nobody'}, listens at "
              f"{one.receives or 'nothing'}", file=sys.stderr)
    print(f"orders at {settings.control}; Ctrl-C ends", file=sys.stderr, flush=True)


def _say(happened: Happened) -> None:
    print(f"{happened.seconds:10.3f} s  {happened.station} {happened.what}"
          f"{': ' + happened.note if happened.note else ''}", file=sys.stderr, flush=True)
