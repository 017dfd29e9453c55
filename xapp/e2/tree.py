"""A PDU as a tree for people, or as a document for programs; payloads are looked into.

`document` makes plain values of a message (what JSON can hold); `text` indents them. Absent
elements are left out. Octets of a service model are shown as what they mean, with the octets beside
them in the document; those of other protocols stay octets. In a document, `class` names what an
object is in this package, and `is` what some octets mean.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, cast

from xapp.e2.aper import BitString, Chosen
from xapp.e2.common import plmn_text
from xapp.e2.e2ap import Reading, read
from xapp.e2.e2ap_causes import GROUPS, Cause, UnknownCause, say_cause
from xapp.e2.e2ap_messages import (
    ControlAcknowledge,
    ControlFailure,
    ControlRequest,
    Indication,
    SubscriptionDetails,
    SubscriptionRequest,
)
from xapp.e2.e2ap_types import Action, RanFunction
from xapp.e2.tree_payloads import KnownFunctions, Meaning, meaning, model_of, plainly
from xapp.errors import ProtocolError

# Which attribute of what holds which part of a service model.
PARTS: dict[tuple[type, str], str] = {
    (RanFunction, "definition"): "function",
    (SubscriptionDetails, "trigger"): "trigger",
    (Action, "definition"): "action",
    (Indication, "header"): "header",
    (Indication, "message"): "message",
    (ControlRequest, "header"): "control_header",
    (ControlRequest, "message"): "control_message",
    (ControlAcknowledge, "outcome"): "control_outcome",
    (ControlFailure, "outcome"): "control_outcome",
}
OF_A_FUNCTION = (Indication, ControlRequest, ControlAcknowledge, ControlFailure,
                 SubscriptionRequest)
CAUSES: tuple[type, ...] = (*(kind for _, kind, _ in GROUPS), UnknownCause)
LONGEST_OCTETS = 32  # shown in a line; more are counted
LONGEST_LIST = 12  # numbers and words shown in one line
Document = dict[str, Any]


def document(data: bytes, known: KnownFunctions, association: Hashable = None) -> Document:
    """What `data` is, in plain values; damage too is told as a document, with `problem`."""
    try:
        found = read(data)
    except ProtocolError as error:
        return {"problem": plainly(error), "octets": data.hex()}
    shown: Document = {
        "message": found.name, "kind": found.pdu.kind.name.lower(),
        "procedure": found.pdu.procedure, "octets": len(data)}
    if found.where:
        shown["problem"] = found.where
        shown["cause"] = say_cause(found.cause)
    return shown | _content(found, known, association)


def _content(found: Reading, known: KnownFunctions, association: Hashable) -> Document:
    if found.message is None:
        # What was understood of it, without what its function number would mean.
        view = _View(known, association, None)
        values = {name: value for name, value in found.values.items() if value not in (None, ())}
        return {"understood": {name: view.plain(value) for name, value in values.items()}}
    known.learn(found.message, association)
    function = found.message.function if isinstance(found.message, OF_A_FUNCTION) else None
    plain = _View(known, association, function).plain(found.message)
    del plain["class"]  # it is the message's name
    return {"content": plain}


class _View:
    """Values of one message as plain ones."""

    def __init__(self, known: KnownFunctions, association: Hashable, function: int | None) -> None:
        self._known, self._association, self._function = known, association, function

    def plain(self, value: Any, name: str = "") -> Any:
        if isinstance(value, CAUSES):
            return say_cause(cast(Cause, value))
        if isinstance(value, Enum):
            return value.value if isinstance(value.value, str) else value.name.lower()
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, bytes):
            return _octets(value, name)
        if isinstance(value, BitString):
            digits = (value.width + 3) // 4
            return f"0x{value.value:0{digits}x} ({value.width} bits)"
        if isinstance(value, Chosen):
            return {"class": value.name, "value": self.plain(value.value)}
        if isinstance(value, dict):
            return {str(key): self.plain(one) for key, one in value.items()}
        if isinstance(value, tuple | list):
            return [self.plain(one) for one in value]
        if is_dataclass(value):
            return self._object(value)
        return str(value)

    def _object(self, value: Any) -> Document:
        shown: Document = {"class": type(value).__name__}
        for entry in fields(value):
            one = getattr(value, entry.name)
            if one is None or one == ():
                continue
            part = PARTS.get((type(value), entry.name))
            shown[entry.name] = (self.plain(one, entry.name) if part is None
                                 else self._payload(value, part, one))
        return shown

    def _payload(self, holder: Any, part: str, data: bytes) -> Any:
        profile = self._known.profile(self._association)
        if isinstance(holder, RanFunction):
            model, guessed = model_of(holder), False
        elif self._function is None:
            return data.hex()
        else:
            function = self._known.of(self._function, self._association)
            model, guessed = function.model, function.guessed
        if model is None:
            return data.hex()
        found = meaning(part, data, model, profile)
        return self._meaning(found, data, guessed)

    def _meaning(self, found: Meaning, data: bytes, guessed: bool) -> Document:
        shown: Document = {"is": found.title}
        if guessed:
            shown["guess"] = (f"no setup was seen; function {self._function} is taken for "
                              f"{found.title.split()[0]}")
        shown["octets"] = data.hex()
        if found.problem:
            shown["problem"] = found.problem
        else:
            shown["value"] = self.plain(found.value)
        return shown


def _octets(value: bytes, name: str) -> str:
    if name == "plmn" and len(value) == 3:
        try:
            return plmn_text(value)
        except ProtocolError:
            pass  # digits that are none stay octets
    return value.hex()


def text(shown: Document) -> Iterator[str]:
    """A document's parts, one a line, indented."""
    if "message" not in shown:
        yield f"no PDU: {shown['problem']}"
        yield f"  octets: {_shown(shown['octets'])}"
        return
    yield (f"{shown['message']} ({shown['kind']}, procedure {shown['procedure']}, "
           f"{shown['octets']:,} octets)")
    for name in ("problem", "cause"):
        if name in shown:
            yield f"  {name}: {shown[name]}"
    yield from _lines(shown.get("content") or shown.get("understood") or {}, 1)


def _lines(value: Document, depth: int) -> Iterator[str]:
    for name, one in value.items():
        if name != "class":
            yield from _entry(str(name), one, depth)


def _entry(name: str, value: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(value, list):
        yield from _list(name, value, depth)
    elif not isinstance(value, dict):
        yield f"{indent}{name}: {_shown(value)}"
    elif "is" in value:
        yield f"{indent}{name}: {value['is']}"
        yield from _meant(value, depth + 1)
    elif value.keys() == {"class", "value"} and not isinstance(value["value"], dict | list):
        yield f"{indent}{name}: {_shown(value['value'])}"
    else:
        yield f"{indent}{name}: {value.get('class', '')}".rstrip()
        yield from _lines(value, depth + 1)


def _meant(payload: Document, depth: int) -> Iterator[str]:
    """A payload: what it means, or its octets where nothing."""
    indent = "  " * depth
    for name in ("guess", "problem"):
        if name in payload:
            yield f"{indent}{name}: {payload[name]}"
    value = payload.get("value")
    if isinstance(value, dict):
        yield from _lines(value, depth)
    elif value is not None:
        yield from _entry("value", value, depth)
    else:
        yield f"{indent}octets: {_shown(payload['octets'])}"


def _list(name: str, values: list[Any], depth: int) -> Iterator[str]:
    indent = "  " * depth
    simple = not any(isinstance(one, dict | list) for one in values)
    if simple and len(values) <= LONGEST_LIST:
        yield f"{indent}{name}: {', '.join(map(_shown, values))}"
        return
    yield f"{indent}{name}: {len(values)}"
    for number, one in enumerate(values):
        yield from _entry(f"[{number}]", one, depth + 1)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if len(text) > 2 * LONGEST_OCTETS and all(one in "0123456789abcdef" for one in text):
        return f"{text[:2 * LONGEST_OCTETS]}... ({len(text) // 2} octets)"
    return text
