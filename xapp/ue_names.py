"""UEs' names as text: kind and number, one form for each way in which a RAN names its UEs.

    name(GnbDuUe(3))                  # "du:3"
    parse("du:3")                     # GnbDuUe(3)
    name(GnbUe(17, guami))            # "amf:17"; of OpenAirInterface's gNBs its own number, "oai:5"

Kinds are kept apart: `du:3` and `amf:3` are two names, of one UE or of two: E2 does not tell.
A number alone is not enough to address a UE over a CU-CP: `Seen` remembers the rest.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from xapp.e2.ue_id import (
    EnbUe,
    EnGnbUe,
    GnbCuUpUe,
    GnbDuUe,
    GnbUe,
    Guami,
    NgEnbDuUe,
    NgEnbUe,
    UeId,
)
from xapp.errors import ConfigurationError

MOST_SEEN = 65_536  # names of one node: more UEs than any gNB has
MOST_NAMED = 16_384  # of their objects, which may be new with each report: some 3 MB
_NAME = re.compile(r"([a-z0-9]{1,8}):(\d{1,20})")
_PREFIXES: dict[type[Any], tuple[str, str]] = {
    GnbUe: ("amf", "amf_id"), GnbDuUe: ("du", "f1_id"), GnbCuUpUe: ("cuup", "e1_id"),
    NgEnbUe: ("ngenb", "amf_id"), NgEnbDuUe: ("w1", "w1_id"), EnGnbUe: ("x2", "x2_id"),
    EnbUe: ("mme", "mme_id")}
_PLAIN: dict[str, Callable[[int], UeId]] = {
    "du": GnbDuUe, "cuup": GnbCuUpUe, "w1": NgEnbDuUe}
KINDS = ("oai", *(prefix for prefix, _ in _PREFIXES.values()))


def name(ue: UeId, oai: bool = False) -> str:
    """Kind and number; with `oai` the number that OpenAirInterface gives in every report."""
    if oai and (ran := getattr(ue, "ran_id", None)) is not None:
        return f"oai:{int.from_bytes(ran)}"
    prefix, number = _PREFIXES[type(ue)]
    return f"{prefix}:{getattr(ue, number)}"


def parse(text: str, guami: Guami | None = None) -> UeId:
    """The UE id that this is the name of; a CU-CP's needs its AMF as well."""
    kind, number = split(text)
    if kind in _PLAIN:
        return _PLAIN[kind](number)
    if kind in ("amf", "oai") and guami is not None:
        return GnbUe(number, guami, ran_id=number.to_bytes(8) if kind == "oai" else None)
    raise ConfigurationError(f"{text!r} is not enough to address a UE.",
                             "Wait until its node has reported it.")


def split(text: str) -> tuple[str, int]:
    """Kind and number of a name."""
    found = _NAME.fullmatch(text)
    if found is None or found[1] not in KINDS or int(found[2]) >= 2**64:
        raise ConfigurationError(f"{text!r} is no name of a UE.",
                                 f"Write KIND:NUMBER; kinds are {', '.join(KINDS)}.")
    return found[1], int(found[2])


class Seen:
    """What one node calls its UEs in full, by name: needed to address them."""

    def __init__(self, oai: bool = False) -> None:
        self._oai = oai
        self._full: OrderedDict[str, UeId] = OrderedDict()
        # Names by the ids' objects, since reports repeat them; an object stays as long as it is
        # in here, so that no other one has its number.
        self._named: dict[int, tuple[UeId, str]] = {}

    def __len__(self) -> int:
        return len(self._full)

    def take(self, ue: UeId) -> str:
        """The name of a UE that the node spoke of; what it said last is kept."""
        named = self._named.get(id(ue))
        if named is not None and self._full.get(named[1]) is ue:
            return named[1]
        text = name(ue, self._oai)
        if len(self._named) >= MOST_NAMED:
            self._named.clear()
        self._named[id(ue)] = ue, text
        known = self._full.get(text)
        if known is not ue and known != ue:
            self._full[text] = ue
            if len(self._full) > MOST_SEEN:
                self._full.popitem(last=False)
        return text

    def full(self, text: str) -> UeId | None:
        return self._full.get(text)

    def texts(self) -> tuple[str, ...]:
        """All names that are known."""
        return tuple(self._full)

    def drop(self, text: str) -> None:
        """A UE that left: its number may be another's soon."""
        self._full.pop(text, None)

    def forget(self) -> None:
        """The node is lost: its names may mean others when it is back."""
        self._full.clear()
        self._named.clear()
