"""`airsplit testbed loop`: the closed loop on this machine, with its table, picture and figures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

EXAMPLES = """examples:
  airsplit testbed loop                         about two minutes
  airsplit testbed loop --crowd 40 --out report
  airsplit testbed loop --quick                 short phases, to see that it runs
  airsplit testbed loop --load recording --recording phone.pcap
  airsplit testbed loop --sessions one          one session; the emulator moves the flow
  airsplit testbed loop --mode relay            without namespaces and root

  Everything is real but the radio: packets between network namespaces through an emulated cell, a
  language model cut in two, the classifier's tap, the xApp with its own E2 termination.
"""


def configure(parser: argparse.ArgumentParser, model: Path) -> None:
    """Add this command's options."""
    from testbed.loop.ordinary import add_mode
    from testbed.loop.settings import Load

    parser.description = (
        "A phone asks a split model over a cell that a crowd then fills; the xApp finds the\n"
        "traffic by its label, watches at first, then makes room for it, and takes it back.")
    parser.epilog = EXAMPLES
    parser.add_argument("--out", type=Path, default=Path("loop-report"), metavar="FOLDER",
                        help="for summary.json, loop.png, logs (default: %(default)s)")
    parser.add_argument("--load", choices=[one.value for one in Load if one is not Load.MIX],
                        default=Load.SATURATION.value,
                        help="what the crowd does: nothing, traffic modelled on recorded phones, "
                             "packet after packet, or a recording replayed (default: "
                             "%(default)s)")
    parser.add_argument("--recording", metavar="FILE",
                        help="what is replayed: pcap, pcapng, or a CSV with Time, Source, "
                             "Destination, Length; by each of the crowd from somewhere of its "
                             "own, again and again")
    add_options(parser, model)
    add_mode(parser)
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser, model: Path) -> None:
    """What can be said of any run of the loop."""
    from testbed.loop.settings import Sessions

    parser.add_argument("--crowd", type=int, default=24, metavar="N",
                        help="phones that load the cell (default: %(default)s)")
    parser.add_argument("--model", type=Path, default=model, metavar="FOLDER",
                        help="checkpoint (default: the bundled one)")
    parser.add_argument("--sessions", choices=[one.value for one in Sessions],
                        default=Sessions.TWO.value,
                        help="of the phone: two, one in each slice, as on a real core; or one in "
                             "the others', of which the emulator moves the model's flow "
                             "(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is by chance")
    parser.add_argument("--quick", action="store_true", help="phases of some seconds")


def run(arguments: argparse.Namespace) -> int:
    """Run it, show the table, and leave the report behind."""
    from rich.console import Console

    from testbed.loop.cell_check import check_and_tell
    from testbed.loop.ending import ending_in_order
    from testbed.loop.ordinary import standing
    from testbed.loop.parts import written_to
    from testbed.loop.report import show, write
    from testbed.loop.run import run_loop
    from testbed.loop.settings import Load, LoopSettings, Sessions

    quick: dict[str, Any] = {"calm_seconds": 5.0, "congested_seconds": 7.0,
                             "steered_seconds": 10.0, "after_seconds": 5.0}
    settings = LoopSettings(crowd=arguments.crowd, seed=arguments.seed,
                            sessions=Sessions(arguments.sessions), load=Load(arguments.load),
                            recording=arguments.recording,
                            **(quick if arguments.quick else {}))
    with ending_in_order():
        if arguments.inside is None:
            check_and_tell(settings, _say)
        settings, status = standing(settings, arguments.mode, arguments.inside)
        if status is not None:
            return status
        result = run_loop(settings, arguments.out, arguments.model, _say)
    show(result, Console(highlight=False))
    with written_to(arguments.out):
        write(result, arguments.out)
    print(f"Figures, picture and logs are in {arguments.out}/.")
    return 0


def _say(text: str) -> None:
    print(f"airsplit testbed: {text}", file=sys.stderr, flush=True)
