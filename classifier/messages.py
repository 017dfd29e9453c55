"""What the tap says of flows, as bytes: label messages for whoever steers, and how the tap is.

A message has two parts: the topic, and one JSON object. `Labelled` goes out when a flow's label is
first known, when it changes and when the flow ends; of a split model's also while it lasts. Its
topic is `label.` and the label, so that a subscriber may ask for one label alone. `TapStatus` goes
out every second, and so do `AddressRates`: what the UEs' addresses sent and received. Each topic
counts its own messages, so a subscriber sees what it missed (`Gaps`).

Bytes from the network are a stranger's: sizes are capped, every field is checked, and what does not
fit is one `BadMessage`. It knows neither sockets nor packets.
"""

from __future__ import annotations

import dataclasses
import math
import socket
from dataclasses import dataclass, field
from typing import Any, ClassVar

import orjson

from classifier.errors import BadMessage

VERSION = 1
MOST_BYTES = 4096  # of a message; they have some hundred
LABEL_TOPIC, STATUS_TOPIC, RATES_TOPIC = "label.", "status", "rates"
MOST_RATES = 32  # addresses in one message: at most 100 B each
_ADVICE = "Run the same version of airsplit on both sides."
_LARGEST = 2**64 - 1


@dataclass(frozen=True)
class Labelled:
    """What a flow is, as far as is known at `at`."""

    flow: int  # the tap's number of it, unique while the tap (`tap`) runs
    label: str
    confidence: float  # 0 to 1
    stage: str  # name of a `Sampled`: what the label rests on
    at: int  # nanoseconds since 1970 of the packet or moment that decided
    source: str  # address of whoever began the flow
    destination: str
    source_port: int
    destination_port: int
    protocol: int  # IP's number
    ended: bool = False  # the flow is over
    teid_up: int = 0  # GTP-U tunnels, as seen beside a UPF; 0 where there are none
    teid_down: int = 0
    qfi: int = 255  # 5G QoS flow; 255 where none was seen
    tap: str = ""  # which tap, and which run of it
    model: str = ""  # first digits of the model's hash
    sequence: int = 0  # of its topic, from 1
    version: int = VERSION
    up_rate: int = 0  # bytes of payload a second from whoever began it; 0: not told, as below
    down_rate: int = 0
    step_bytes: int = 0  # of turns up that repeat: a split model's activation row
    step_us: int = 0  # microseconds from one turn up to the next, mean

    @property
    def topic(self) -> str:
        return LABEL_TOPIC + self.label

    MOST: ClassVar[dict[str, int]] = {
        "source_port": 65535, "destination_port": 65535, "protocol": 255, "qfi": 255,
        "teid_up": 2**32 - 1, "teid_down": 2**32 - 1}


@dataclass(frozen=True)
class TapStatus:
    """How the tap fares; counters are since its start."""

    at: int  # nanoseconds since 1970
    uptime: float  # seconds
    packets: int
    bytes: int
    dropped: int  # packets that the kernel had no room for
    flows: int  # begun
    live: int  # under way
    evicted: int  # given up because the table was full
    labels: int  # messages sent
    drift: float  # share of features outside what training saw, lately; 0 to 1
    tap: str = ""
    model: str = ""
    sequence: int = 0
    version: int = VERSION
    judged: int = 0  # samples of flows that the model was asked about

    @property
    def topic(self) -> str:
        return STATUS_TOPIC

    MOST: ClassVar[dict[str, int]] = {}


@dataclass(frozen=True)
class AddressRates:
    """What addresses of UEs sent and received in the last `seconds`, all their flows together."""

    at: int  # nanoseconds since 1970: the end of that time
    seconds: float
    rates: tuple[tuple[str, int, int], ...]  # address, bytes of payload a second from it and to it
    tap: str = ""
    sequence: int = 0
    version: int = VERSION

    @property
    def topic(self) -> str:
        return RATES_TOPIC

    MOST: ClassVar[dict[str, int]] = {}


Message = Labelled | TapStatus | AddressRates


def encode(message: Message, sequence: int | None = None) -> tuple[bytes, bytes]:
    """Topic and payload; with the number `sequence` where one is given."""
    values = vars(message) if sequence is None else vars(message) | {"sequence": sequence}
    return message.topic.encode(), orjson.dumps(values)


def decode(parts: list[bytes]) -> Message:
    """The message, or BadMessage."""
    if len(parts) != 2 or sum(map(len, parts)) > MOST_BYTES:
        raise BadMessage("A label message has two parts and at most 4 KiB.", _ADVICE)
    try:
        values = orjson.loads(parts[1])
    except orjson.JSONDecodeError as error:
        raise BadMessage(f"A label message is no JSON: {error}.", _ADVICE) from None
    if not isinstance(values, dict) or values.get("version") != VERSION:
        raise BadMessage(f"A label message of another version than {VERSION}.", _ADVICE)
    kind = _KINDS.get(parts[0], Labelled)
    message = _build(kind, values)
    if message.topic.encode() != parts[0]:
        raise BadMessage("A label message under another topic than its own.", _ADVICE)
    return message


def _build(kind: type[Message], values: dict[str, Any]) -> Message:
    known: dict[str, Any] = {}
    for name, wanted, most, needed in _FIELDS[kind]:
        if name in values:
            known[name] = _checked(name, wanted, values[name], most)
        elif needed:
            raise BadMessage(f"A label message without {name}.", _ADVICE)
    message = kind(**known)
    if isinstance(message, Labelled):
        if not 0 <= message.confidence <= 1:
            raise BadMessage(f"A confidence of {message.confidence}.", _ADVICE)
        _check_addresses((message.source, message.destination))
    return message


def _check_addresses(addresses: tuple[str, ...]) -> None:
    for address in addresses:
        try:
            socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
        except (OSError, ValueError):  # or an octet 0 within
            raise BadMessage("A label message whose address is none.", _ADVICE) from None


def _rates(value: Any) -> tuple[tuple[str, int, int], ...]:
    """The list of an `AddressRates`."""
    if type(value) is not list or len(value) > MOST_RATES:
        raise BadMessage(f"Rates of more than {MOST_RATES} addresses, or no list.", _ADVICE)
    found = []
    for one in value:
        if type(one) is not list or len(one) != 3:
            raise BadMessage("A rate that is not of an address, up and down.", _ADVICE)
        found.append((_checked("address", str, one[0], 0), _checked("rate", int, one[1], _LARGEST),
                      _checked("rate", int, one[2], _LARGEST)))
    _check_addresses(tuple(address for address, _, _ in found))
    return tuple(found)


def _checked(name: str, wanted: Any, value: Any, most: int) -> Any:
    """`value`, if it is what the field holds."""
    if wanted is tuple:
        return _rates(value)
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise BadMessage(f"A label message whose {name} is not of type {wanted.__name__}.", _ADVICE)
    if (wanted is int and not 0 <= value <= most) or (
            wanted is float and not math.isfinite(value)) or (
            wanted is str and not (len(value) <= 64 and value.isprintable())):
        raise BadMessage(f"A label message whose {name} is out of bounds.", _ADVICE)
    return value


def _fields(kind: type[Message]) -> list[tuple[str, type, int, bool]]:
    """Of each field its name, its type, the largest number, and whether it has to be there."""
    types: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool}
    return [(entry.name, types.get(str(entry.type), tuple), kind.MOST.get(entry.name, _LARGEST),
             entry.default is dataclasses.MISSING) for entry in dataclasses.fields(kind)]


_KINDS: dict[bytes, type[Message]] = {STATUS_TOPIC.encode(): TapStatus,
                                      RATES_TOPIC.encode(): AddressRates}
_FIELDS = {kind: _fields(kind) for kind in (Labelled, TapStatus, AddressRates)}


@dataclass
class Gaps:
    """Counts what a subscriber missed, topic by topic; a tap that was started anew begins anew."""

    missed: int = 0
    _last: dict[str, tuple[str, int]] = field(default_factory=dict)

    def saw(self, message: Message) -> int:
        """How many messages of its topic were lost just before this one."""
        tap, last = self._last.get(message.topic, (message.tap, 0))
        joined_late = message.topic not in self._last or tap != message.tap
        lost = 0 if joined_late else max(message.sequence - last - 1, 0)
        if len(self._last) < 1024 or message.topic in self._last:  # topics come from the network
            self._last[message.topic] = (message.tap, message.sequence)
        self.missed += lost
        return lost
