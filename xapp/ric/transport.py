"""Associations that carry messages between an E2 node and the RIC: what they promise, and the way
to one.

A message is bytes with a payload protocol identifier beside it. What is in the bytes is not known
here. All of it is used from one event loop and never blocks it. Heartbeats are SCTP's own, set in
`Limits`. Several addresses of one host (multi-homing) are not used.

    listener = await listen(Address.parse("auto://0.0.0.0:36421"), on_association)
    association = await connect(Address.parse("sctp://192.0.2.7:36421"))
    association.send(pdu, PPID_DU)
    while (message := await association.receive()) is not None: ...
    print(association.ended)
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from xapp.errors import ConfigurationError
from xapp.ric.address import AUTO, SCTP, TCP, USRSCTP, Address

__all__ = ["PPID_CU_CP", "PPID_CU_UP", "PPID_DU", "Address", "Association", "Limits", "Listener",
           "Message", "available", "connect", "listen"]

PPID_CU_CP, PPID_CU_UP, PPID_DU = 70, 71, 72  # whose E2AP a message is
_log = logging.getLogger("xapp.ric")


@dataclass(frozen=True)
class Message:
    """What a peer sent in one piece."""

    ppid: int
    payload: bytes


@dataclass(frozen=True)
class Limits:
    """What associations may cost, and how long things may take."""

    # Bytes of one message. KPM of 256 UEs takes about 50 KiB and a setup with every RAN function
    # 30; a kernel of default settings sends up to 416 KiB in one piece.
    message_bytes: int = 256 << 10
    # Bytes handed to `send` that SCTP has not taken yet. Seconds of reports: who is behind by more
    # gets decisions too late to be of use.
    unsent_bytes: int = 4 << 20
    # Bytes that came and nobody has received yet; beyond it the peer has to wait.
    unread_bytes: int = 1 << 20
    associations: int = 192  # of a listener at a time: 64 gNBs of three units
    of_address: int = 48  # of these from one IP address; emulators run many nodes on one
    connect_seconds: float = 5.0  # until an association is up
    first_message_seconds: float = 30.0  # of silence after an E2 node came; it has to speak first
    close_seconds: float = 2.0  # to hand over what is unsent before a close turns into an abort
    heartbeat_seconds: float = 2.0  # of silence before the peer is asked whether it is there
    retransmissions: int = 5  # unanswered ones in a row before it counts as lost
    first_timeout_seconds: float = 0.2  # of a retransmission, before round trips were measured
    least_timeout_seconds: float = 0.1  # of a retransmission
    most_timeout_seconds: float = 1.0  # of a retransmission; with the above, lost in under 8 s


class Association(Protocol):
    """One SCTP association, or what stands for it."""

    peer: str  # its address, with the transport: "sctp://192.0.2.7:40112"
    host: str  # its IP address
    ended: str | None  # why there is no association any more; None while there is

    @property
    def waiting(self) -> int:
        """Messages that came and were not received."""

    async def receive(self) -> Message | None:
        """The next message; None when the peer is gone, with the reason in `ended`."""

    def send(self, payload: bytes, ppid: int) -> None:
        """Hand a message over; never waits.

        Raises MessageTooLarge, and TransportError where the association has ended. It also ends,
        aborted, with a peer that is too far behind.
        """

    def close(self) -> None:
        """End it once what is unsent is delivered; `wait_closed` waits for it."""

    def abort(self, reason: str = "aborted here") -> None:
        """End it at once; the peer notices."""

    async def wait_closed(self) -> None:
        """Until nothing of it is left."""


class Listener(Protocol):
    """Takes associations of E2 nodes."""

    address: Address  # with the transport and the ports that it came to

    @property
    def port(self) -> int:
        """Of SCTP (of TCP in tests)."""

    @property
    def refused(self) -> Counter[str]:
        """Why callers were turned away, and how often."""

    def close(self) -> None:
        """Take no more; the associations stay."""

    async def wait_closed(self) -> None:
        """Until the port is free for others."""


OnAssociation = Callable[[Association], None]


async def listen(
    address: Address, on_association: OnAssociation, limits: Limits | None = None
) -> Listener:
    """Call `on_association` with every association that an E2 node opens."""
    chosen = await _chosen(address).resolved()
    limits = limits or Limits()
    listener: Listener
    if chosen.scheme == SCTP:
        from xapp.ric import kernel_sctp
        listener = kernel_sctp.listen(chosen, on_association, limits)
    elif chosen.scheme == USRSCTP:
        from xapp.ric import usrsctp
        listener = usrsctp.listen(chosen, on_association, limits)
    else:
        from xapp.ric import tcp_framing
        listener = await tcp_framing.listen(chosen, on_association, limits)
    _log.info("listens on %s%s", listener.address, _remark(chosen))
    return listener


async def connect(address: Address, limits: Limits | None = None) -> Association:
    """An association with the RIC (or node) at `address`."""
    chosen = _chosen(address)
    if chosen.port == 0 or (chosen.scheme == USRSCTP and chosen.udp is None):
        raise ConfigurationError(f"{address} cannot be connected to: a free port is for who "
                                 "listens.", "Write the port that the peer listens on.")
    chosen, limits = await chosen.resolved(), limits or Limits()
    if chosen.scheme == SCTP:
        from xapp.ric import kernel_sctp
        return await kernel_sctp.connect(chosen, limits)
    if chosen.scheme == USRSCTP:
        from xapp.ric import usrsctp
        return await usrsctp.connect(chosen, limits)
    from xapp.ric import tcp_framing
    return await tcp_framing.connect(chosen, limits)


def available() -> dict[str, bool]:
    """Which transports this machine has."""
    from xapp.ric import kernel_sctp, usrsctp
    return {SCTP: kernel_sctp.available(), USRSCTP: usrsctp.available(), TCP: True}


def _chosen(address: Address) -> Address:
    """The same with a transport instead of `auto`."""
    if address.scheme != AUTO:
        return address
    from xapp.ric import kernel_sctp
    if kernel_sctp.available():
        return replace(address, scheme=SCTP, udp=0)
    _log.info("this kernel has no SCTP: %s is reached with usrsctp", address)
    return replace(address, scheme=USRSCTP)


def _remark(address: Address) -> str:
    return " (frames over TCP, for tests only: no RAN speaks it)" if address.scheme == TCP else ""
