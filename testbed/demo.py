"""`airsplit demo`: the closed loop as a story of two minutes, watched live, with its report.

Only options and the order of things: programs, figures and pictures are `testbed.loop`'s.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

EXAMPLES = """examples:
  airsplit demo                       two minutes: the whole story
  airsplit demo --keep                leave all of it up until Ctrl-C, to play with
  airsplit demo --quick --no-pages    half a minute, without the pages in the browser
  airsplit demo --load saturation     packet after packet in the place of phones' traffic
  airsplit demo --replay phone.pcap   a phone that you recorded, by all of the crowd
  airsplit demo --sessions one        one session, whose flow the emulator moves to its slice
  airsplit demo --mode relay          without namespaces: loopback relays, the same scheduler

  Everything is real but the radio: packets between network namespaces through an emulated cell,
  with Open5GS's addresses; a language model cut in two; the classifier's tap beside the core; the
  xApp with its own E2 termination. Where no terminal watches, plain lines tell the story.
  As an ordinary user it runs in a user namespace, or by relays where there is none, and says so.
"""
QUICK: dict[str, Any] = {"calm_seconds": 5.0, "congested_seconds": 7.0, "steered_seconds": 7.0,
                         "after_seconds": 3.0, "rest_seconds": 40.0}
WHOLE: dict[str, Any] = {"calm_seconds": 20.0, "congested_seconds": 25.0, "steered_seconds": 30.0,
                         "after_seconds": 15.0, "rest_seconds": 40.0}


def configure(parser: argparse.ArgumentParser, model: Path) -> None:
    """Add this command's options."""
    from testbed.loop.loop_command import add_options
    from testbed.loop.ordinary import add_mode
    from testbed.loop.settings import Load

    parser.description = (
        "A phone asks a split model over a cell. A crowd comes, tokens wait; the classifier names\n"
        "the flow, the xApp makes room for it, tokens flow; the crowd goes, quotas return.")
    parser.epilog = EXAMPLES
    parser.add_argument("--out", type=Path, default=Path("demo-report"), metavar="FOLDER",
                        help="for summary.json, loop.png, report.html, logs "
                             "(default: %(default)s)")
    parser.add_argument("--keep", action="store_true",
                        help="leave everything up afterwards, until Ctrl-C")
    crowd = parser.add_mutually_exclusive_group()
    crowd.add_argument("--load", choices=(Load.PHONES.value, Load.SATURATION.value),
                       default=Load.PHONES.value,
                       help="what the crowd does: traffic modelled on recorded phones, or packet "
                            "after packet (default: %(default)s)")
    crowd.add_argument("--replay", metavar="FILE",
                       help="a phone's recorded traffic in their place: pcap, pcapng, or a CSV "
                            "with Time, Source, Destination, Length; each of the crowd replays it "
                            "from somewhere of its own, again and again")
    add_options(parser, model)
    parser.add_argument("--no-pages", action="store_true",
                        help="without the phone's page and the operator's console")
    parser.add_argument("--api-port", type=int, default=8480, metavar="PORT",
                        help="of the xApp (default: %(default)s); of ports that are taken, free "
                             "ones are used in their place")
    add_mode(parser)
    parser.add_argument("--plain", action="store_true", help="lines, on a terminal too")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Tell the story; 130 after Ctrl-C and 143 after SIGTERM, with everything taken away."""
    from testbed.loop.cell_check import check_and_tell
    from testbed.loop.ending import ending_in_order
    from testbed.loop.ordinary import standing
    from testbed.loop.settings import Load, LoopSettings, Sessions
    from testbed.loop.telling import Options, tell

    settings = LoopSettings(
        name="airsplit-demo", crowd=arguments.crowd, seed=arguments.seed,
        load=Load(arguments.load) if arguments.replay is None else Load.RECORDING,
        recording=arguments.replay, sessions=Sessions(arguments.sessions),
        page=not arguments.no_pages, api_port=arguments.api_port,
        **(QUICK if arguments.quick else WHOLE))
    options = Options(arguments.out, arguments.model, arguments.keep,
                      sys.stdout.isatty() and not arguments.plain)
    with ending_in_order():
        if arguments.inside is None:
            check_and_tell(settings, lambda text: print(text, flush=True))
        settings, status = standing(settings, arguments.mode, arguments.inside)
        if status is not None:
            return status
        tell(settings, options)
    return 0
