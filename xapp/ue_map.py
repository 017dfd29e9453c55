"""Which address is which UE, in which slice: what several sources say, put together.

Each source tells all it knows at a time (`put`); an entry keeps from where each of its parts is and
how sure it is. Sources rank: what an operator wrote goes before what a core says, and that before
what was guessed from traffic. What two sources of one rank say of one address is not believed. When
a source tells again what it knows, only addresses of which it says another thing are looked at.

    ue_map.put(Origin.FILE, entries, now)
    ue_map.of_address("10.45.0.2").slice

It asks nobody; see `ue_map_file`, `open5gs` and `correlate` for who does.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce

from xapp.e2.ue_id import GnbUe, Guami, UeId
from xapp.observations import CellKey, Snssai, UeKey

MOST_ENTRIES = 65_536  # of one source


class Origin(enum.Enum):
    """Who says so; the first goes before the others."""

    FILE = "file"
    EMULATOR = "emulator"
    CORE = "open5gs"
    CORRELATION = "correlation"


@dataclass(frozen=True, slots=True)
class UeEntry:
    """An address, and whose it is, as far as is known."""

    address: str | None = None  # as `ipaddress` writes it
    ue: UeKey | None = None
    slice: Snssai | None = None
    cell: CellKey | None = None
    supi: str | None = None
    dnn: str | None = None
    teid_up: int | None = None  # of the tunnel into the UPF
    teid_down: int | None = None
    confidence: float = 1.0  # 0 to 1
    origins: tuple[Origin, ...] = ()  # of its parts
    core_name: tuple[int, Guami] | None = None  # AMF-UE-NGAP-ID and the AMF that gave it


@dataclass(frozen=True, slots=True)
class MapConfig:
    """How long what a source said is believed without being said again."""

    core: float = 60.0  # seconds
    emulator: float = 60.0
    correlation: float = 30.0

    def lifetime(self, origin: Origin) -> float:
        return {Origin.FILE: float("inf"), Origin.EMULATOR: self.emulator,
                Origin.CORE: self.core, Origin.CORRELATION: self.correlation}[origin]


class UeMap:
    """All sources' entries as one."""

    def __init__(self, config: MapConfig = MapConfig()) -> None:
        self._config = config
        self._said: dict[Origin, tuple[float, tuple[UeEntry, ...]]] = {}
        self._undisputed: dict[Origin, dict[str, UeEntry]] = {origin: {} for origin in Origin}
        self._addresses: dict[str, UeEntry] = {}
        self._ues: dict[UeKey, UeEntry] = {}
        self._by_ue: dict[UeKey, dict[str, UeEntry]] = {}
        self._tunnels: dict[int, set[str]] = {}
        self.version = 0  # another one whenever an entry is another
        self.refused = 0  # entries beyond what is remembered of a source

    def __len__(self) -> int:
        return len(self._addresses)

    def put(self, origin: Origin, entries: Iterable[UeEntry], now: float) -> None:
        """All that a source knows; what it said before is forgotten."""
        kept = tuple(entries)
        self.refused += max(len(kept) - MOST_ENTRIES, 0)
        before = self._said.get(origin)
        self._said[origin] = (now, kept[:MOST_ENTRIES])
        if before is None or before[1] != self._said[origin][1]:
            self._merge(origin)

    def expire(self, now: float) -> tuple[Origin, ...]:
        """Forget sources that have been silent for too long; which those were."""
        gone = tuple(origin for origin, (at, entries) in self._said.items()
                     if entries and now - at > self._config.lifetime(origin))
        for origin in gone:
            self._said[origin] = (now, ())
            self._merge(origin)
        return gone

    def of_address(self, address: str) -> UeEntry | None:
        return self._addresses.get(address)

    def of_ue(self, ue: UeKey) -> UeEntry | None:
        """Of all its addresses; the slice only where they share one."""
        return self._ues.get(ue)

    def addresses_of(self, ue: UeKey) -> tuple[str, ...]:
        """All that are known to be a UE's."""
        return tuple(self._by_ue.get(ue, ()))

    def slices_of(self, ue: UeKey) -> tuple[Snssai, ...]:
        """Those that its addresses are in."""
        return tuple(dict.fromkeys(entry.slice for entry in self._by_ue.get(ue, {}).values()
                                   if entry.slice is not None))

    def sessions_of(self, ue: UeKey) -> tuple[tuple[str, Snssai], ...]:
        """Its addresses and their slices; none unless all are known."""
        entries = self._by_ue.get(ue, {})
        known = tuple((address, entry.slice) for address, entry in entries.items()
                      if entry.slice is not None)
        return known if len(known) == len(entries) else ()

    def address_of_tunnel(self, teid_up: int) -> str | None:
        """The UE's address behind a tunnel into the UPF, or one of them."""
        return min(self._tunnels.get(teid_up, ()), key=_place, default=None)

    def entries(self) -> tuple[UeEntry, ...]:
        return tuple(self._addresses.values())

    def _merge(self, origin: Origin) -> None:
        """Take in what a source says now, where that is another thing than before."""
        before, now = self._undisputed[origin], _undisputed(self._said[origin][1])
        self._undisputed[origin] = now
        changed = [address for address, entry in now.items() if before.get(address) != entry]
        changed += [address for address in before if address not in now]
        self.version += bool(changed)
        ues: set[UeKey] = set()
        for address in changed:
            for entry in (self._taken_out(address), self._put_in(address)):
                if entry is not None and entry.ue is not None:
                    ues.add(entry.ue)
        for ue in ues:
            self._share(ue)

    def _taken_out(self, address: str) -> UeEntry | None:
        entry = self._addresses.pop(address, None)
        if entry is not None and entry.ue is not None:
            del self._by_ue[entry.ue][address]
        if entry is not None and entry.teid_up:
            self._tunnels[entry.teid_up].discard(address)
            if not self._tunnels[entry.teid_up]:
                del self._tunnels[entry.teid_up]
        return entry

    def _put_in(self, address: str) -> UeEntry | None:
        """What all sources say of it."""
        entry: UeEntry | None = None
        for origin in Origin:
            said = self._undisputed[origin].get(address)
            if said is not None:
                mine = replace(said, origins=(origin,))
                entry = mine if entry is None else _filled(entry, mine)
        if entry is not None:
            self._addresses[address] = entry
            if entry.ue is not None:
                self._by_ue.setdefault(entry.ue, {})[address] = entry
            if entry.teid_up:
                self._tunnels.setdefault(entry.teid_up, set()).add(address)
        return entry

    def _share(self, ue: UeKey) -> None:
        """What all addresses of a UE have in common, those that a higher source names first."""
        entries = self._by_ue[ue]
        if not entries:
            del self._by_ue[ue]
            self._ues.pop(ue, None)
            return
        if len(entries) > 1:
            ranks = list(Origin)
            self._by_ue[ue] = entries = dict(sorted(entries.items(), key=lambda item: (
                ranks.index(item[1].origins[0]), _place(item[0]))))
        self._ues[ue] = reduce(_shared, entries.values())


def _place(address: str) -> tuple[bool, str]:
    """By which a UE's addresses are told in the same order, however they became known."""
    return ":" in address, address


def _undisputed(entries: Iterable[UeEntry]) -> dict[str, UeEntry]:
    """By address; one that is given to two UEs or slices belongs to nobody."""
    found: dict[str, UeEntry] = {}
    disputed = set()
    for entry in entries:
        if entry.address is None:
            continue
        before = found.setdefault(entry.address, entry)
        if before is not entry and (before.ue, before.slice) != (entry.ue, entry.slice):
            disputed.add(entry.address)
    for address in disputed:
        del found[address]
    return found


def _filled(first: UeEntry, second: UeEntry) -> UeEntry:
    """What the first says, and of the second what the first leaves open."""
    parts = {name: getattr(second, name)
             for name in ("ue", "slice", "cell", "supi", "dnn", "teid_up", "teid_down",
                          "core_name")
             if getattr(first, name) is None and getattr(second, name) is not None}
    if not parts:
        return first
    confidence = min(first.confidence, second.confidence)
    return replace(first, confidence=confidence, origins=first.origins + second.origins, **parts)


def _shared(first: UeEntry, second: UeEntry) -> UeEntry:
    """What both addresses of one UE have in common."""
    return replace(
        first, slice=first.slice if first.slice == second.slice else None,
        cell=first.cell if first.cell == second.cell else first.cell or second.cell,
        core_name=first.core_name or second.core_name,
        confidence=min(first.confidence, second.confidence))


class CoreNames(Mapping[UeKey, UeId]):
    """UEs as a CU-CP wants them named, where the map says how their AMF knows them.

    A DU's name is the F1AP id that goes with it.
    """

    def __init__(self, ue_map: UeMap) -> None:
        self._map = ue_map

    def __getitem__(self, key: UeKey) -> UeId:
        entry = self._map.of_ue(key)
        kind, _, number = key.ue.partition(":")
        if entry is None or entry.core_name is None or kind != "du":
            raise KeyError(key)
        amf_id, guami = entry.core_name
        return GnbUe(amf_id, guami, (int(number),))

    def __iter__(self) -> Iterator[UeKey]:
        keys = (entry.ue for entry in self._map.entries())
        return (key for key in dict.fromkeys(keys) if key is not None and key in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def canonical(address: str) -> str | None:
    """An address as `ipaddress` writes it; None where it is none."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return None
