"""Names of base stations and of their UEs, as observations and actuators speak of them.

    name_of(key)                         # gnb_00101_0000019b
    Ues("gnb_00101_0000019b", observer.names)[UeKey("gnb_00101_0000019b", "du:3")]

It keeps nothing itself: which UEs there are is asked each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from xapp.e2.node import NodeKey
from xapp.e2.ue_id import UeId
from xapp.observations import UeKey
from xapp.ue_names import Seen


class Ues(Mapping[UeKey, UeId]):
    """The UEs of a node in full, as they are now: those that it reports, and no others.

    A number alone, such as a DU's, would address a UE that left, or whoever has its number now.
    """

    def __init__(self, name: str, seen: Callable[[str], Seen | None]) -> None:
        self._name, self._seen = name, seen

    def __getitem__(self, key: UeKey) -> UeId:
        if key.node == self._name:
            seen = self._seen(self._name)
            found = None if seen is None else seen.full(key.ue)
            if found is not None:
                return found
        raise KeyError(key)

    def __iter__(self) -> Iterator[UeKey]:
        seen = self._seen(self._name)
        return iter(()) if seen is None else (UeKey(self._name, text) for text in seen.texts())

    def __len__(self) -> int:
        seen = self._seen(self._name)
        return 0 if seen is None else len(seen)


def name_of(key: NodeKey) -> str:
    """Without blanks and slashes, as observations name it: gnb_00101_0000019b."""
    kind, _, rest = str(key).partition(" ")
    network, _, number = rest.partition("-")
    return f"{kind.lower().replace('-', '')}_{network}_{number}"


def name_plmn(key: NodeKey) -> str:
    """The digits of its network."""
    return name_of(key).split("_")[1]
