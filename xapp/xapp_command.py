"""`airsplit xapp`: options and start of the xApp. Heavy libraries load when it runs."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xapp import audit_command, decode_command
from xapp.errors import ConfigurationError

if TYPE_CHECKING:
    from xapp.app import XappServer
    from xapp.config import XappConfig
    from xapp.urgency import SchedulingConfig

EXAMPLES = """examples:
  airsplit xapp                                   a one-box lab: base stations connect to 36421
  airsplit xapp --dry-run                         decide and record, send nothing
  airsplit xapp --config xapp.yaml --e2-capture e2.pcap
  airsplit xapp --config xapp.yaml --check        is the configuration sound? then show it whole
  airsplit xapp audit xapp.db                     what it did, for whom, why, and what came of it
  airsplit xapp decode e2.pcap                    any E2 message as a tree

  airsplit xapp-console                           all of it in the browser
  airsplit e2-node --profile oai                  a base station to try it on

On one box, with a base station that is emulated:
  airsplit e2-node --profile oai --load overload --map-port 8002 --tap-port 5556
  airsplit xapp --config docs/examples/one-box.yaml
It asks for a real-time priority, so that controls go out in time beside other work; the log and
the metric airsplit_xapp_real_time_priority say whether it got one. Without root:
  sudo prlimit --rtprio=10 sudo -u $USER airsplit xapp --config xapp.yaml
On an OSC near-RT RIC: docs/osc.md.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "Recognise split-LLM traffic and make room for it: a near-RT RIC's xApp with an E2\n"
        "termination of its own. Ctrl-C puts quotas back as they were found, and ends it.")
    parser.epilog = EXAMPLES
    parser.add_argument("--config", type=Path, metavar="FILE",
                        help="configuration in YAML (default: a one-box lab)")
    parser.add_argument("--listen", action="append", metavar="ADDRESS",
                        help="where base stations connect to, such as auto://0.0.0.0:36421 or "
                             "usrsctp://127.0.0.1:36421?udp=9899; may be repeated")
    parser.add_argument("--tap", action="append", metavar="ADDRESS",
                        help="a tap's address, such as tcp://127.0.0.1:5556; may be repeated")
    parser.add_argument("--store", type=Path, metavar="FILE",
                        help="what must survive (default: xapp.db)")
    parser.add_argument("--api-port", type=int, metavar="PORT",
                        help="of the REST API on this machine; 0 picks a free one (default: 8480)")
    parser.add_argument("--token-file", type=Path, metavar="FILE",
                        help="the operator's token; made where there is none")
    parser.add_argument("--dry-run", action="store_true",
                        help="decide and record, but send no control")
    parser.add_argument("--real-time-priority", type=int, metavar="N",
                        help="of the loop, where permitted: 1 to 98; 0 is none (default: 10)")
    parser.add_argument("--e2-capture", type=Path, metavar="FILE",
                        help="write every E2 message as SCTP packets that Wireshark opens")
    parser.add_argument("--check", action="store_true",
                        help="read the configuration, print all of it as JSON, and end")
    parser.add_argument("--log-level", default="info",
                        choices=("debug", "info", "warning", "error"))
    parser.set_defaults(run=run)
    commands = parser.add_subparsers(title="commands", dest="xapp_command", metavar="COMMAND")
    form = argparse.RawDescriptionHelpFormatter
    audit_command.configure(commands.add_parser(
        "audit", help="print or check the audit log", formatter_class=form))
    decode_command.configure(commands.add_parser(
        "decode", help="print E2 messages as trees", formatter_class=form))


def run(arguments: argparse.Namespace) -> int:
    """Steer until SIGINT or SIGTERM."""
    config = _config(arguments)
    if arguments.check:
        return _check(config)
    import asyncio

    from xapp.app import XappServer
    from xapp.log_aside import logging_aside

    with logging_aside(arguments.log_level):
        asyncio.run(XappServer(config, arguments.e2_capture, _ready).run())
    return 0


def _check(config: XappConfig) -> int:
    """Print all of it, where nothing in it would end a start; nothing is opened but its files."""
    import json
    import os

    from xapp.access import default_token_file, load_token
    from xapp.map_source import MapSource
    from xapp.operating import plain
    from xapp.policy import STRATEGIES
    from xapp.slice_policy import check_all

    check_all(config.policies, config.limits, STRATEGIES)
    MapSource(config.ue_map, dict)
    token = config.api.token_file or default_token_file()
    if config.api.on and os.path.exists(token):  # else a start makes it
        load_token(token)
    print(json.dumps(plain(config), indent=2))
    return 0


def _config(arguments: argparse.Namespace) -> XappConfig:
    """The file, with what the options say above it."""
    from xapp.config import TapSource, load
    from xapp.ric.address import Address

    config = load(arguments.config)
    if arguments.listen:
        config = replace(config, listen=tuple(map(Address.parse, arguments.listen)))
    if arguments.tap:
        config = replace(config, taps=tuple(TapSource(one) for one in arguments.tap))
    if arguments.store is not None:
        config = replace(config, store=arguments.store)
    if arguments.api_port is not None:
        if not 0 <= arguments.api_port < 65536:
            raise ConfigurationError(f"--api-port {arguments.api_port} is no port.",
                                     "Give 0 to 65535.")
        config = replace(config, api=replace(config.api, port=arguments.api_port))
    if arguments.token_file is not None:
        config = replace(config, api=replace(config.api, token_file=arguments.token_file))
    if arguments.real_time_priority is not None:
        config = replace(config, scheduling=_scheduling(config, arguments.real_time_priority))
    if arguments.dry_run:
        config = replace(config, steering=replace(config.steering, dry_run=True))
    return config


def _scheduling(config: XappConfig, priority: int) -> SchedulingConfig:
    if priority == 0:
        return replace(config.scheduling, real_time=False)
    return replace(config.scheduling, real_time=True, priority=priority)


def _ready(server: XappServer) -> None:
    from xapp.ric.osc_shell import OscTermination

    if isinstance(server.termination, OscTermination):
        where = f"the RIC whose E2 manager is {server.termination.config.e2mgr}"
    else:
        where = ", ".join(str(one.address) for one in server.termination.listeners)
    api = "" if server.api is None else f"; REST API at {server.api.url}"
    mode = " (dry run)" if server.core.steering.dry_run else ""
    # In one piece: a line of the log must not come between it and its end.
    sys.stdout.write(f"airsplit xapp: base stations connect to {where}{api}{mode}\n")
    sys.stdout.flush()
