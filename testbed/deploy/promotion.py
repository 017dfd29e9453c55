"""What deployments have to do with promotion of single flows, which is the xApp's own (`xapp`).

Subscribers need a PCC rule of the 5QI that a promoted flow gets; the command line names flows.
"""

from __future__ import annotations

from xapp.flow_ends import FlowEnds
from xapp.promotion import PROMOTED_5QI, Wish

__all__ = ("PROMOTED_5QI", "Wish", "parse_flow")


def parse_flow(text: str) -> FlowEnds:
    """From PROTOCOL:UE:PORT:PEER:PORT; IPv6 addresses in brackets."""
    return FlowEnds.parse(text)
