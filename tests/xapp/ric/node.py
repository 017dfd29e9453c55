"""The other end of an association in a process of its own, to be killed, measured or met.

    python -m tests.xapp.ric.node echo ADDRESS         listens, answers every message with itself
    python -m tests.xapp.ric.node stay ADDRESS [N]     connects N times, says hello on each, stays
    python -m tests.xapp.ric.node restart ADDRESS UDP  the same from a fixed UDP and SCTP port

Its first line on stdout says that it is ready: "ready ADDRESS".
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

from xapp.ric import usrsctp_stack
from xapp.ric.encapsulation import Way
from xapp.ric.transport import PPID_DU, Address, Association, Limits, connect, listen

HELLO = b"hello"
FIXED_PORT = 50123


async def echo(association: Association) -> None:
    """Send back what comes, until the peer is gone."""
    while (message := await association.receive()) is not None:
        association.send(message.payload, message.ppid)


async def serve(address: Address) -> None:
    tasks: set[asyncio.Task[None]] = set()

    def take(association: Association) -> None:
        task = asyncio.create_task(echo(association))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await listen(address, take, Limits())
    print(f"ready {listener.address}", flush=True)
    await asyncio.Event().wait()


async def stay(address: Address, number: int) -> None:
    associations = [await connect(address) for _ in range(number)]
    for association in associations:
        association.send(HELLO, PPID_DU)
    print(f"ready {address}", flush=True)
    for association in associations:
        while await association.receive() is not None:
            pass
    print(f"ended {associations[0].ended}", flush=True)


def from_fixed_ports(udp: int) -> None:
    """As a node with configured ports comes back after its end: SCTP calls that a restart."""
    open_way = usrsctp_stack.Stack.open_way

    def opened(stack: usrsctp_stack.Stack, here: Address, asked: Address) -> Way:
        return open_way(stack, replace(here, udp=udp), asked)

    usrsctp_stack.Stack.open_way = opened  # type: ignore[method-assign,assignment]  # here only
    usrsctp_stack.FREE_PORTS = range(FIXED_PORT, FIXED_PORT + 1)


def main() -> None:
    what, address = sys.argv[1], Address.parse(sys.argv[2])
    number = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    if what == "echo":
        asyncio.run(serve(address))
    elif what == "restart":
        from_fixed_ports(number)
        asyncio.run(stay(address, 1))
    else:
        asyncio.run(stay(address, number))


if __name__ == "__main__":
    main()
