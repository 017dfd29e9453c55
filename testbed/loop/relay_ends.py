"""What is at the ends of a cell without namespaces: `python -m testbed.loop.relay_ends ENDS.yaml`.

Programs know loopback TCP alone; the cell carries IP packets alone. For each phone this listens at
a loopback port, and carries what comes there as the phone's TCP through the cell, with headers,
acknowledgements and retransmissions of its own (`stack`); on the core's side it ends that TCP, and
connects to the edge. Packets that pass the core's side are told to the tap, and those of the edge
are captured. It gives the cell's devices to whoever sends as the crowd, so that the tap sees that,
too. One JSON object a line says which ports it has; a line `end capture` ends the capture, and the
input's end the program.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from testbed.loop.relay_core import Core
    from testbed.loop.relay_link import Link

END_CAPTURE = "end capture"
HOST = "127.0.0.1"


@dataclass(frozen=True)
class PhoneEnd:
    """A phone's session that its programs use."""

    name: str  # the UE's
    device: str  # such as ue1
    address: str  # IPv4, of the session


@dataclass(frozen=True)
class EndsConfig:
    """All of it."""

    name: str  # that the cell's names begin with
    cell: Path  # the cell's socket for devices
    devices: Path  # ours: the same, but packets into the core's network pass here
    copies: Path  # where packets are told
    capture: Path  # a pcap of the edge's flows
    phones: tuple[PhoneEnd, ...]
    networks: tuple[str, ...]  # the core's devices
    edge_device: str  # of these
    edge_address: str
    edge_port: int  # as phones have it
    edge_to: int  # of 127.0.0.1, where the edge really listens
    snap: int = 128  # bytes of each packet that the capture keeps
    mtu: int = 1400  # bytes
    seed: int = 1


def main() -> int:
    from edge_server.errors import EdgeError
    from xapp.config_reading import build, yaml_document
    from xapp.errors import XappError

    try:
        asyncio.run(serve(build(EndsConfig, yaml_document(Path(sys.argv[1])))))
    except (EdgeError, XappError, OSError) as error:
        print(f"ends: {error}", file=sys.stderr)
        return 1
    return 0


async def serve(config: EndsConfig) -> None:
    """Until the input ends."""
    from testbed.loop.relay_core import Core
    from testbed.loop.relay_link import Link
    from testbed.loop.stack.host import Host
    from testbed.loop.stack.segments import End
    from testbed.ran.relay_devices import name_of, taken

    chance = random.Random(config.seed)
    edge = End(config.edge_address, config.edge_port)
    with Core(config, Host(edge.address, chance, (edge.port,), config.mtu)) as core:
        links: list[Link] = [core.link]
        doors: dict[str, int] = {}
        servers = []
        try:
            for phone in config.phones:
                end = taken(config.cell, name_of(f"{config.name}-{phone.name}", phone.device))
                link = Link(Host(phone.address, chance, (), config.mtu), end)
                links.append(link)
                server = await asyncio.start_server(link.door(edge), HOST, 0)
                servers.append(server)
                doors[phone.name] = server.sockets[0].getsockname()[1]
            say({"doors": doors})
            await _orders(core)
            say({"account": _account(core, links)})
        finally:
            for server in servers:
                server.close()
            for link in links:
                await link.close()


async def _orders(core: Core) -> None:
    """Lines of the input, until it ends."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.strip() == END_CAPTURE:
            core.end_capture()
            say({"captured": time.monotonic()})


def _account(core: Core, links: list[Link]) -> dict[str, Any]:
    return {"core": core.account(), "phones": [one.account() for one in links[1:]]}


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
