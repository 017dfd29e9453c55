"""`airsplit`: one entry point for every program, each in its own package.

It only gathers options and prints errors; a command's heavy libraries load when it runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import classifier.classify_command
import classifier.command
import classifier.tap_command
import edge_server.command
import pcap_tools.pcap_command
import testbed.bed.bed_command
import testbed.deploy.deploy_command
import testbed.experiments.experiment_command
import testbed.loop.loop_command
import testbed.modes.modes_command
import testbed.radio.radio_command
import testbed.ran.e2_node_command
import testbed.ran.ran_command
import testbed.ran.traffic.phones_command
import testbed.record_sessions
import testbed.split_command
import ue_app.app_command
import ue_app.command
import ue_app.encoding_command
import ue_app.gateway_command
import xapp.console_command
import xapp.xapp_command
from classifier.errors import ClassifierError
from edge_server.errors import EdgeError
from pcap_tools.errors import PcapError
from testbed import demo, pair
from ue_app.errors import PhoneError
from xapp.errors import XappError

BUNDLED_MODEL = Path(__file__).parent / "models" / "story-gemma3"
EDGE_COMMAND = (sys.executable, "-m", "testbed.cli", "edge")
EXAMPLES = """examples:
  airsplit demo                        the whole story in two minutes (root)
  airsplit edge                        serve the bundled model
  airsplit ue "Once upon a time"       ask it
  airsplit app                         chat with it in the browser
  airsplit split gemma-2-2b --at 1 --out gemma-2-2b-split
  airsplit inspect gemma-2-2b-split/head
  airsplit tap eth0                    say which flows are split-LLM traffic
  airsplit xapp --dry-run              say what it would do for them in a cell
  airsplit e2-node --profile oai       a base station to try it on
  airsplit ran --config cell.yaml      a cell that carries packets
  airsplit experiment run steering-pays-quick
"""
TESTBED_EXAMPLES = """examples:
  airsplit testbed up                                  cell, edge, tap, xApp, in the background
  airsplit testbed doctor                              what this machine lacks for that
  airsplit testbed loop                                the closed loop, with its figures
  airsplit testbed pair                                a phone and an edge, no cell between
  airsplit testbed record-sessions --out sessions --count 12
  airsplit testbed record-sessions --out sessions --seed 7 --count 600 --jobs 4
  airsplit testbed record-sessions --out sessions --count 600 --only split
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors a user can act on are one line, anything else is a bug."""
    parsed = build_parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except (EdgeError, PhoneError, PcapError, ClassifierError, XappError) as error:
        print(f"airsplit {parsed.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output left; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = argparse.ArgumentParser(
        prog="airsplit", epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="One language model in two halves, over a mobile link.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, summary: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)

    demo.configure(add("demo", "the whole story in two minutes"), BUNDLED_MODEL)
    edge_server.command.configure(add("edge", "run the later layers for phones"), BUNDLED_MODEL)
    ue_app.command.configure(add("ue", "run the first layers and ask"), BUNDLED_MODEL)
    ue_app.app_command.configure(
        add("app", "chat in the browser: the phone's page"), BUNDLED_MODEL, EDGE_COMMAND)
    ue_app.gateway_command.configure(
        add("gateway", "serve an OpenAI-compatible API over the split"), BUNDLED_MODEL)
    ue_app.encoding_command.configure(
        add("encodings", "what the encodings of activation rows cost"), BUNDLED_MODEL)
    testbed.split_command.configure_split(add("split", "cut a checkpoint into parts"))
    testbed.split_command.configure_inspect(
        add("inspect", "explain a checkpoint folder or a part"), BUNDLED_MODEL)
    pcap_tools.pcap_command.configure(add("pcap", "read captures: flows, features, pictures"))
    classifier.classify_command.configure(add("classify", "say what the flows of captures are"))
    classifier.command.configure(add("classifier", "train, judge and explain models of flows"))
    classifier.tap_command.configure(add("tap", "label live traffic, and publish the labels"))
    xapp.xapp_command.configure(add("xapp", "steer a cell's slices by what is in them"))
    xapp.console_command.configure(add("xapp-console", "watch and steer an xApp in the browser"))
    testbed.ran.e2_node_command.configure(
        add("e2-node", "be a base station to try an xApp or a RIC on"))
    testbed.radio.radio_command.configure(
        add("radio", "be the air between virtual radios, as srsRAN's"))
    testbed.ran.ran_command.configure(
        add("ran", "run an emulated cell that carries packets"))
    testbed.deploy.deploy_command.configure(
        add("deploy", "configure real gNBs, cores and RICs from one description"))
    testbed.experiments.experiment_command.configure(
        add("experiment", "run trials by a scenario, and say what they come to"))
    testbed.modes.modes_command.configure(
        add("modes", "ways of putting one model across a link"), BUNDLED_MODEL)
    _add_testbed(add("testbed", "emulated links, and data recorded over them"))
    return parser


def _add_testbed(parser: argparse.ArgumentParser) -> None:
    parser.description = "Emulated links, and data recorded over them."
    parser.epilog = TESTBED_EXAMPLES
    commands = parser.add_subparsers(dest="testbed_command", required=True, metavar="COMMAND")
    testbed.record_sessions.configure(commands.add_parser(
        "record-sessions", help="record labelled traffic, split-LLM sessions and other",
        formatter_class=argparse.RawDescriptionHelpFormatter), BUNDLED_MODEL)
    testbed.loop.loop_command.configure(commands.add_parser(
        "loop", help="the closed loop: a cell fills up, the xApp makes room for tokens",
        formatter_class=argparse.RawDescriptionHelpFormatter), BUNDLED_MODEL)
    testbed.ran.traffic.phones_command.configure(commands.add_parser(
        "phones", help="models of recorded phones' traffic, for cells to make more from",
        formatter_class=argparse.RawDescriptionHelpFormatter))
    testbed.bed.bed_command.configure(lambda name, summary: commands.add_parser(
        name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter), BUNDLED_MODEL)
    pair.configure(commands.add_parser(
        "pair", help="an edge and a phone on this machine, compared with the model unsplit",
        formatter_class=argparse.RawDescriptionHelpFormatter), BUNDLED_MODEL)


if __name__ == "__main__":
    sys.exit(main())
