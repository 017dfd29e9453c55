"""One flow by its 5-tuple, the UE's side first: what tap, xApp and core mean by the same flow.

    flow = FlowEnds("10.46.0.2", 40000, "192.0.2.7", 8470)
    FlowEnds.parse(str(flow)) == flow

It knows no packets and no labels.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from xapp.errors import ConfigurationError

PROTOCOLS: Mapping[str, int] = {"tcp": 6, "udp": 17}
NAMES: Mapping[int, str] = {number: name for name, number in PROTOCOLS.items()}
_HOST = r"(?:[0-9.]+|\[[0-9a-fA-F:.]+\])"
_FLOW = re.compile(rf"(?P<protocol>tcp|udp):(?P<ue>{_HOST}):(?P<from>\d{{1,5}}):"
                   rf"(?P<peer>{_HOST}):(?P<to>\d{{1,5}})")


@dataclass(frozen=True, slots=True)
class FlowEnds:
    """A 5-tuple."""

    ue: str  # as `ipaddress` writes it
    ue_port: int
    peer: str
    peer_port: int
    protocol: str = "tcp"

    def __post_init__(self) -> None:
        try:
            versions = {ipaddress.ip_address(one).version for one in (self.ue, self.peer)}
        except ValueError as error:
            raise ConfigurationError(f"{error}: give IP addresses.") from None
        if len(versions) > 1:
            raise ConfigurationError(f"{self.ue} and {self.peer} are of two kinds of address.")
        if self.protocol not in PROTOCOLS:
            raise ConfigurationError(f"{self.protocol!r}: give tcp or udp.")
        for port in (self.ue_port, self.peer_port):
            if not 1 <= port <= 65535:
                raise ConfigurationError(f"{port} is no port.")

    @classmethod
    def parse(cls, text: str) -> FlowEnds:
        """From PROTOCOL:UE:PORT:PEER:PORT; IPv6 addresses in brackets."""
        found = _FLOW.fullmatch(text)
        if found is None:
            raise ConfigurationError(f"{text[:80]!r} is no flow: give such as "
                                     "tcp:10.46.0.2:40000:192.0.2.7:8470.")
        ue, peer = (found[name].strip("[]") for name in ("ue", "peer"))
        return cls(ue, int(found["from"]), peer, int(found["to"]), found["protocol"])

    def __str__(self) -> str:
        return (f"{self.protocol}:{_bracketed(self.ue)}:{self.ue_port}:"
                f"{_bracketed(self.peer)}:{self.peer_port}")


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def ends_of(protocol: int, ue: str, ue_port: int, peer: str, peer_port: int) -> FlowEnds | None:
    """The 5-tuple that a tap saw; None of what is none, such as what has no ports."""
    name = NAMES.get(protocol)
    if name is None or not ue_port or not peer_port:
        return None
    try:
        return FlowEnds(ue, ue_port, peer, peer_port, name)
    except ConfigurationError:  # a tap that says so is a stranger, and its flow stays where it is
        return None
