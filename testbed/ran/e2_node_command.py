"""`airsplit e2-node`: options and start of an emulated base station."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xapp.errors import ConfigurationError

if TYPE_CHECKING:
    from testbed.ran.e2_node_run import Options
    from testbed.ran.emulator_config import EmulatorConfig

PROFILES = ("spec", "srsran", "ocudu", "oai", "oai-old", "flexric")
LOADS = ("light", "busy", "overload")
EXAMPLES = """examples:
  airsplit e2-node                                    as srsRAN's gNB, to a RIC on this machine
  airsplit e2-node --profile oai --ric 192.0.2.7      as OpenAirInterface's gNB with slicing
  airsplit e2-node --profile ocudu --load overload --remote-port 8001 --map-port 8002
  airsplit e2-node --profile oai --load overload --map-port 8002 --tap-port 5556
  airsplit e2-node --ric 'usrsctp://127.0.0.1:36421?udp=9899' --e2-capture node.pcap
  airsplit e2-node --fault no-effect --fault drop-indications
  airsplit e2-node --config cell.yaml --check         is it sound? then show it whole

  With --map-port and --tap-port it is all that this needs:
  airsplit xapp --config docs/examples/one-box.yaml

  `airsplit xapp decode node.pcap` prints what was said, docs/osc.md is for a RIC that others
  made.

  SIGHUP restarts the base station, such as one whose DU hangs. Ctrl-C ends it.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "A base station to try a RIC on: real E2 over SCTP, cells that are reckoned and carry no\n"
        "packets. Each profile errs as that kind of base station was seen to err.")
    parser.epilog = EXAMPLES
    parser.add_argument("--profile", choices=PROFILES,
                        help="its kind (default: srsran); an xApp has to be told of spec and "
                             "ocudu, as they announce what others do")
    parser.add_argument("--ric", default="127.0.0.1:36421", metavar="ADDRESS",
                        help="where the RIC listens (default: %(default)s)")
    parser.add_argument("--config", type=Path, metavar="FILE",
                        help="cells, slices, UEs and their loads in YAML, instead of the next four")
    parser.add_argument("--cells", type=int, metavar="N", help="number of cells (default: 1)")
    parser.add_argument("--ues", type=int, metavar="N",
                        help="UEs in each cell, the first with a split LLM (default: 4)")
    parser.add_argument("--load", choices=LOADS,
                        help="of the cells by all but the split LLMs (default: busy)")
    parser.add_argument("--seed", type=int, help="of all that is by chance (default: 1)")
    parser.add_argument("--gnb-id", type=int, metavar="N", help="its number (default: 411)")
    parser.add_argument("--cu-up", action="store_true", help="open an association for a CU-UP too")
    parser.add_argument("--test-mode", action="store_true",
                        help="accept subscriptions to UEs' reports and send none")
    parser.add_argument("--report-period", type=float, metavar="SECONDS",
                        help="between renewals of figures (srsran, ocudu; default: 1); the others "
                             "measure anew for every report, and say that this changes nothing")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME",
                        help="what to do wrong beyond that; may be repeated, `list` shows them")
    parser.add_argument("--late-ack", type=float, metavar="SECONDS",
                        help="how late the fault late-ack answers (default: 4, which is longer "
                             "than a RIC waits)")
    parser.add_argument("--remote-port", type=int, metavar="PORT",
                        help="srsRAN's remote control (WebSocket) on this machine")
    parser.add_argument("--map-port", type=int, metavar="PORT",
                        help="the UE map as JSON at http://127.0.0.1:PORT/ues, and what quotas are "
                             "in force at /state; 0 picks a free port")
    parser.add_argument("--tap-port", type=int, metavar="PORT",
                        help="speak as a tap that knows the split LLMs' flows, at "
                             "tcp://127.0.0.1:PORT: a reckoned cell has no packets to see")
    parser.add_argument("--e2-capture", type=Path, metavar="FILE",
                        help="write every E2 message as SCTP packets that Wireshark opens")
    parser.add_argument("--check", action="store_true",
                        help="print the whole configuration as JSON, and end")
    parser.add_argument("--quiet", action="store_true", help="no status line")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Be a base station until SIGINT or SIGTERM."""
    from testbed.ran.faults import REMARKS, Fault

    if "list" in arguments.fault:
        for fault, remark in REMARKS.items():
            print(f"{fault.value:24}{remark}")
        return 0
    names = {one.value for one in Fault}
    for name in arguments.fault:
        if name not in names:
            raise ConfigurationError(f"There is no fault {name!r}.",
                                     "`--fault list` shows those that there are.")
    config = _config(arguments)
    _say_what_is_fixed(config)
    import asyncio

    from testbed.ran.e2_node_run import Options, serve

    options = Options(
        arguments.ric, frozenset(Fault(name) for name in arguments.fault),
        _port(arguments.remote_port, "--remote-port"), _port(arguments.map_port, "--map-port"),
        _port(arguments.tap_port, "--tap-port"),
        arguments.e2_capture, not arguments.quiet and sys.stderr.isatty())
    if arguments.check:
        return _check(config, options)
    asyncio.run(serve(config, options))
    return 0


def _say_what_is_fixed(config: EmulatorConfig) -> None:
    """A period that its profile does not have is told, and ends nothing."""
    from testbed.ran.e2_profiles import BEHAVIOURS

    node = config.node
    if node.report_period is not None and not BEHAVIOURS[node.profile].stale_seconds:
        print(f"airsplit e2-node: {node.profile} measures anew for every report, so a "
              f"report period of {node.report_period:g} s changes nothing", file=sys.stderr)


def _check(config: EmulatorConfig, options: Options) -> int:
    """Print it, where nothing in it or in the options would end a start."""
    import json

    from testbed.ran.e2_profiles import BEHAVIOURS
    from testbed.ran.node_config import units_of
    from xapp.operating import plain
    from xapp.ric.address import Address

    Address.parse(options.ric)
    units_of(config.node, BEHAVIOURS[config.node.profile])
    print(json.dumps(plain(config), indent=2))
    return 0


def _config(arguments: argparse.Namespace) -> EmulatorConfig:
    from testbed.ran import emulator_config

    shape = (arguments.cells, arguments.ues, arguments.load)
    if arguments.config is None:
        config = emulator_config.preset(
            arguments.profile or "srsran", _or(arguments.cells, 1), _or(arguments.ues, 4),
            arguments.load or "busy", _or(arguments.seed, 1), _or(arguments.gnb_id, 411))
    elif any(value is not None for value in shape):
        raise ConfigurationError("--config says what cells and UEs there are.",
                                 "Leave out --cells, --ues and --load, or the file.")
    else:
        config = emulator_config.load(arguments.config)
    node, carried = config.node, config.cells
    if arguments.config is not None:
        node = replace(node, profile=arguments.profile or node.profile,
                       gnb_id=_or(arguments.gnb_id, node.gnb_id))
        carried = (carried if arguments.seed is None
                   else replace(carried, seed=arguments.seed))
    node = replace(node, cu_up=node.cu_up or arguments.cu_up,
                   test_mode=node.test_mode or arguments.test_mode,
                   report_period=(node.report_period if arguments.report_period is None
                                  else arguments.report_period))
    if arguments.late_ack is not None:
        if not 0 <= arguments.late_ack <= 3600:
            raise ConfigurationError(f"--late-ack {arguments.late_ack:g} is no time to wait.",
                                     "Give seconds, such as 1.5.")
        node = replace(node, faults=replace(node.faults, late_ack_seconds=arguments.late_ack))
    return replace(config, node=node, cells=carried)


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _port(value: int | None, name: str) -> int | None:
    if value is not None and not 0 <= value < 65536:
        raise ConfigurationError(f"{name} {value} is no port.", "Give 0 to 65535.")
    return value
