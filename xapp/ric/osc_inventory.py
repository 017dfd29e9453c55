"""Base stations as OSC's E2 manager tells of them, in JSON, read with caps.

    states = read_states(body)             # GET /v1/nodeb/states
    found = read_node(body)                # GET /v1/nodeb/{ranName}

The manager keeps what each announced at its E2 setup: its network and number, and its RAN functions
with their definitions in hexadecimal. What it does not keep is which unit a name stands for; that
is read off the name, as OSC's E2 termination makes it: gnbd_... is a DU, gnbc_... a CU-UP, each
with its number at the end, and gnb_... says nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from xapp.e2.aper import BitString
from xapp.e2.e2ap_identities import GlobalGnbId, GnbNodeId
from xapp.e2.e2ap_types import RanFunction
from xapp.errors import ProtocolError
from xapp.ric.osc_config import RAN_NAME
from xapp.ric.osc_messages import read_json, read_object

MOST_RANS = 64  # base stations: a process keeps up with some ten
MOST_LISTED = 4096  # of a list, before those that are not wanted are left out
MOST_FUNCTIONS = 256  # of a node: as many as one E2AP message can list
MOST_DEFINITION = 64 << 10  # octets; the largest seen has under 4 KiB
CONNECTED = "CONNECTED"
_UNIT = re.compile(r"gnb(?P<unit>[dc])_.*_(?P<number>[0-9]{1,11})")


@dataclass(frozen=True, slots=True)
class RanInfo:
    """A base station, or a unit of one."""

    name: str
    connected: bool
    node: GnbNodeId
    functions: tuple[RanFunction, ...]
    since: int = 0  # when its state changed last, as the manager counts; another: it came again


def read_states(data: bytes) -> dict[str, bool]:
    """Which there are, and whether each is connected."""
    listed = read_json(data, "The E2 manager's list")
    if not isinstance(listed, list) or len(listed) > MOST_LISTED:
        raise ProtocolError("The E2 manager's list is none.")
    found = {}
    for one in listed:
        name = one.get("inventoryName") if isinstance(one, dict) else None
        if isinstance(name, str) and RAN_NAME.fullmatch(name) is not None:
            found[name] = one.get("connectionStatus") == CONNECTED
    return found


def read_node(data: bytes, name: str) -> RanInfo:
    """All that is known of one."""
    what = f"What the E2 manager says of {name}"
    fields = read_object(data, what)
    if fields.get("ranName") != name:
        raise ProtocolError(f"{what} is of another.")
    gnb = fields.get("gnb")
    if not isinstance(gnb, dict):
        raise ProtocolError(f"{what} is of no gNB.")
    listed = gnb.get("ranFunctions") or []
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_FUNCTIONS:
        raise ProtocolError(f"{what} has no list of RAN functions.")
    functions = {one.id: one for one in (_function(one, what) for one in listed)}
    since = str(fields.get("statusUpdateTimeStamp", 0))  # 64 bits: text in protobuf's JSON
    return RanInfo(name, fields.get("connectionStatus") == CONNECTED,
                   _identity(fields.get("globalNbId"), name, what), tuple(functions.values()),
                   int(since) if since.isascii() and since.isdigit() and len(since) < 21 else 0)


def _identity(value: Any, name: str, what: str) -> GnbNodeId:
    fields = value if isinstance(value, dict) else {}
    plmn, bits = fields.get("plmnId"), fields.get("nbId")
    if not isinstance(plmn, str) or re.fullmatch(r"[0-9A-Fa-f]{6}", plmn) is None:
        raise ProtocolError(f"{what} names no network.")
    if not isinstance(bits, str) or re.fullmatch(r"[01]{22,32}", bits) is None:
        raise ProtocolError(f"{what} names no gNB of 22 to 32 bits.")
    gnb = GlobalGnbId(bytes.fromhex(plmn), BitString(int(bits, 2), len(bits)))
    unit = _UNIT.fullmatch(name)
    if unit is None or int(unit["number"]) >= 1 << 36:
        return GnbNodeId(gnb)
    number = int(unit["number"])
    return (GnbNodeId(gnb, du_id=number) if unit["unit"] == "d"
            else GnbNodeId(gnb, cu_up_id=number))


def _function(value: Any, what: str) -> RanFunction:
    fields = value if isinstance(value, dict) else {}
    numbers = [fields.get(name, 0) for name in ("ranFunctionId", "ranFunctionRevision")]
    if any(type(one) is not int or not 0 <= one < 4096 for one in numbers):
        raise ProtocolError(f"{what} has a RAN function without a number.")
    oid, definition = fields.get("ranFunctionOid", ""), fields.get("ranFunctionDefinition", "")
    if not isinstance(oid, str) or not oid.isascii() or not 0 < len(oid) <= 1000:
        raise ProtocolError(f"{what} has a RAN function without an OID.")
    if not isinstance(definition, str) or len(definition) > 2 * MOST_DEFINITION:
        raise ProtocolError(f"{what} has a RAN function without a definition.")
    try:
        octets = bytes.fromhex(definition)
    except ValueError:
        raise ProtocolError(f"{what} has a definition that is not hexadecimal.") from None
    return RanFunction(numbers[0], octets, numbers[1], oid)
