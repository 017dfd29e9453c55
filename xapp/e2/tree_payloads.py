"""What the service models' octets inside a PDU mean, by what nodes announced in their setups.

A RAN function's number says nothing by itself: the OID that came with it in a setup does, and what
the node announced tells which layout it writes. Numbers never seen are taken for those an srsRAN
gNB has, and marked as a guess. Where several layouts read some octets, the node's own goes first.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from xapp.e2 import strict_json
from xapp.e2.announced import guess, read_functions
from xapp.e2.aper import Codec
from xapp.e2.common import CCC_OIDS, KPM_OIDS, RC_OIDS
from xapp.e2.e2ap_messages import E2SetupRequest, Message, ServiceUpdate
from xapp.e2.e2ap_types import RanFunction
from xapp.e2.kpm import FUNCTION, KPM_FLEXRIC_V3, KPM_V2, KPM_V3, KPM_V5, Kpm
from xapp.e2.profiles import SPEC, Profile
from xapp.e2.rc import RC, RC_FLEXRIC, Rc
from xapp.e2.rc_function import RC_FUNCTION
from xapp.errors import ProtocolError

MODELS = {oid: model for model, oids in (("KPM", KPM_OIDS), ("RC", RC_OIDS), ("CCC", CCC_OIDS))
          for oid in oids}
USUAL = {2: "KPM", 3: "RC", 4: "CCC"}  # an srsRAN gNB's numbers
MOST_ASSOCIATIONS = 4096  # whose functions are remembered
KPM_LAYOUTS = {"KPM 3": KPM_V3, "KPM 2": KPM_V2, "KPM 5": KPM_V5, "FlexRIC's KPM 3": KPM_FLEXRIC_V3}
RC_LAYOUTS = {"RC": RC, "FlexRIC's RC": RC_FLEXRIC}
KPM_PARTS = {"trigger": "event", "action": "action", "header": "header", "message": "message"}
RC_PARTS = {"control_header": "header", "control_message": "message", "control_outcome": "outcome"}


@dataclass(frozen=True)
class Meaning:
    """Octets that were understood, or why not."""

    title: str  # the model and part, in words
    value: Any = None
    problem: str = ""
    guessed: bool = False  # no setup said that this function is of this model


@dataclass(frozen=True)
class _Function:
    model: str | None
    guessed: bool = False


class KnownFunctions:
    """Which function is of which model, association by association."""

    def __init__(self, given: dict[int, str] | None = None) -> None:
        self._given = given or {}
        self._seen: dict[Hashable, dict[int, str]] = {}
        self._everywhere: dict[int, str] = {}
        self._profiles: dict[Hashable, Profile] = {}

    def learn(self, message: Message, association: Hashable = None) -> None:
        """Remember what a node announces."""
        if isinstance(message, E2SetupRequest):
            functions = message.functions
            self._profiles[association] = guess(read_functions(
                (one.id, one.oid, one.definition) for one in functions)).profile
            self._seen[association] = {}
        elif isinstance(message, ServiceUpdate):
            functions = message.added + message.modified
        else:
            return
        if association not in self._seen and len(self._seen) >= MOST_ASSOCIATIONS:
            self._seen.clear()
            self._profiles.clear()
        seen = self._seen.setdefault(association, {})
        for function in functions:
            model = model_of(function)
            if model is not None:
                seen[function.id] = self._everywhere[function.id] = model

    def of(self, function: int, association: Hashable = None) -> _Function:
        """A function's model; what was given on the command line goes before all else."""
        for known in (self._given, self._seen.get(association, {}), self._everywhere):
            if function in known:
                return _Function(known[function])
        if self._given or self._seen.get(association):
            return _Function(None)  # somebody said which ones there are
        return _Function(USUAL.get(function), guessed=True)

    def profile(self, association: Hashable = None) -> Profile:
        return self._profiles.get(association, SPEC)


def model_of(function: RanFunction) -> str | None:
    """The service model that a function's OID names, as far as it is known here."""
    return MODELS.get(function.oid.strip("\0 "))


def meaning(part: str, data: bytes, model: str, profile: Profile = SPEC) -> Meaning:
    """What some octets of a model are."""
    words = part.replace("_", " ")
    title = f"{model} {words}"
    attempts = list(_attempts(part, model, profile))
    if not attempts:
        return Meaning(title, problem=f"{model} has no {words} that is known")
    readings: list[tuple[str, Any, bool]] = []
    problem = ""
    for name, read, write in attempts:
        try:
            value = read(data)
        except ProtocolError as error:
            problem = problem or plainly(error)
            continue
        readings.append((name, value, write is None or write(value) == data))
    if not readings:
        return Meaning(title, problem=problem)
    # Several layouts may read the same octets; one that would write them alike goes first.
    name, value, _ = next((one for one in readings if one[2]), readings[0])
    return Meaning(title if name in ("", attempts[0][0]) else f"{title}, as {name} has it", value)


def plainly(error: ProtocolError) -> str:
    """What is wrong, without saying again that it is no message."""
    return error.problem.replace("No E2 message: ", "").rstrip(".")


Attempt = tuple[str, Callable[[bytes], Any], Callable[[Any], bytes] | None]


def _attempts(part: str, model: str, profile: Profile) -> Iterable[Attempt]:
    """Ways to read a part, the likeliest first."""
    if model == "CCC":
        yield "", strict_json.load, None
    elif part == "function":
        codec: Codec[Any] = FUNCTION if model == "KPM" else RC_FUNCTION
        yield "", codec.decode, None
    elif model == "KPM" and part in KPM_PARTS:
        for name, kpm in _own_first(profile.kpm, KPM_LAYOUTS):
            yield _attempt(name, getattr(kpm, KPM_PARTS[part]))
    elif model == "RC" and part in RC_PARTS:
        for name, rc in _own_first(profile.rc, RC_LAYOUTS):
            yield _attempt(name, getattr(rc, RC_PARTS[part]))


def _attempt(name: str, codec: Codec[Any]) -> Attempt:
    return name, codec.decode, codec.encode


def _own_first(own: Kpm | Rc, layouts: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(layouts.items(), key=lambda item: item[1] is not own)
