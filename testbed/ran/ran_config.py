"""A whole emulated cell as one file: carriers, slices, UEs with their radio, traffic, E2.

    config = load(Path("cell.yaml"))

The dataclasses are the schema, with units in their comments. Files that it names are looked for
beside it. What follows from it is worked out here too: bearers by number, addresses, and which
sessions a piece of traffic is for. It runs nothing.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from testbed.ran.fluid_cell import SliceConfig
from testbed.ran.mac.channel import Channel, ChannelConfig, make_channel
from testbed.ran.mac.config import PROFILES, Bearer, Layout, MacConfig
from testbed.ran.mac.tables import MOST_PRBS, carrier_prbs
from testbed.ran.plane import config as plane
from testbed.ran.plane.htb import HtbConfig
from testbed.ran.ran_e2 import E2Config
from testbed.ran.ran_events import MOST_BACKHAUL_MS, EventConfig
from testbed.ran.ran_events import check as check_event
from testbed.ran.traffic.arrivals import Source, User
from testbed.ran.traffic.config import TrafficConfig
from testbed.ran.traffic.sources import make_source
from xapp.config_reading import build, yaml_document
from xapp.e2.common import plmn_octets
from xapp.errors import ConfigurationError, ProtocolError
from xapp.observations import Snssai

MOST_NAMED = 5  # doubled names that a message has
MOST_UES = 1024  # beyond it a slot takes longer than it stands for
_Described = TypeVar("_Described", ChannelConfig, TrafficConfig)


class Backend(enum.Enum):
    """What carries packets."""

    SLOTS = "slots"  # the scheduler: resource blocks, HARQ, radio channels
    HTB = "htb"  # the kernel's token buckets: rates alone


@dataclass(frozen=True)
class CarrierConfig:
    """A cell's carrier."""

    nci: int  # NR cell identity
    bandwidth_mhz: int = 20
    spacing_khz: int = 15  # of subcarriers: 15 has slots of 1 ms, 30 of 0.5 ms
    prbs: int | None = None  # None: what 38.101-1 has for that bandwidth; 50 is LTE's 10 MHz

    def __post_init__(self) -> None:
        if not 0 <= self.nci < 1 << 36:
            raise ConfigurationError(f"nci {self.nci:#x} is no NR cell identity.",
                                     "It has 36 bits.")
        if self.spacing_khz not in (15, 30):
            raise ConfigurationError(f"spacing_khz is {self.spacing_khz}.", "Give 15 or 30.")
        if self.prbs is not None and not 1 <= self.prbs <= MOST_PRBS:
            raise ConfigurationError(f"prbs is {self.prbs}.", f"Give 1 to {MOST_PRBS}.")
        _ = self.blocks  # a bandwidth that is none says so now

    @property
    def blocks(self) -> int:
        """Resource blocks."""
        return self.prbs or carrier_prbs(self.bandwidth_mhz, self.spacing_khz)

    @property
    def slot_us(self) -> int:
        return 15_000 // self.spacing_khz


@dataclass(frozen=True)
class SessionConfig:
    """A PDU session of a UE."""

    dnn: str = "internet"
    slice: Snssai = field(default_factory=lambda: Snssai(1))
    qfi: int = 1


@dataclass(frozen=True)
class UeConfig:
    """A UE, or `count` of them that are alike but for chance."""

    name: str = "ue"  # with a count: a number follows, from 1
    count: int | None = None
    cell: int = 0  # place in `cells` where it begins
    sessions: tuple[SessionConfig, ...] = (SessionConfig(),)
    channel: ChannelConfig = field(default_factory=ChannelConfig)

    def __post_init__(self) -> None:
        if self.count is not None and not 1 <= self.count <= MOST_UES:
            raise ConfigurationError(f"count is {self.count}.", f"Give 1 to {MOST_UES}.")
        if not self.sessions:
            raise ConfigurationError(f"UE {self.name} has no session.",
                                     "Leave `sessions` out for one of `internet`.")


@dataclass(frozen=True)
class WayConfig:
    """What carries packets, and the way to the core."""

    name: str = "airsplit-ran"  # that namespaces begin with; one run of a name at a time
    tunnel: plane.TunnelConfig | None = None  # N3 with GTP-U; `{}` for its usual addresses
    mtu: int = 1400  # bytes
    backhaul_loss: float = 0.0  # share of packets
    backhaul_ms: float = 0.0  # each way
    real_time: bool = True  # ask for SCHED_FIFO
    devices: Path | None = None  # a socket where programs are given the devices' other ends, in
    # the place of namespaces: no kernel handles packets then, and no privilege is needed

    def __post_init__(self) -> None:
        if not (0 <= self.backhaul_loss <= 1 and 0 <= self.backhaul_ms <= MOST_BACKHAUL_MS):
            raise ConfigurationError(
                f"backhaul_loss is {self.backhaul_loss:g}, backhaul_ms {self.backhaul_ms:g}.",
                f"Give a share from 0 to 1, and 0 to {MOST_BACKHAUL_MS:g} ms.")


@dataclass(frozen=True)
class RemapConfig:
    """Single flows may leave their session's slice: an emulator's own, as no real network can.

    Every UE that has one session, in another slice than this, has a second bearer here.
    """

    slice: Snssai  # that flows may be put into
    qfi: int = 2  # of them, as a tunnel's header has it
    pcf_port: int = 8004  # on this machine, where a core's policy function would be asked


@dataclass(frozen=True)
class RanConfig:
    """All of it."""

    cells: tuple[CarrierConfig, ...]
    ues: tuple[UeConfig, ...] = (UeConfig(),)
    slices: tuple[SliceConfig, ...] = (SliceConfig(),)
    dnns: tuple[plane.DnnConfig, ...] = (
        plane.DnnConfig(), plane.DnnConfig("llm", "n6-llm", "10.46.0.0/16", "fd46::/48"))
    traffic: tuple[TrafficConfig, ...] = ()
    profile: str | None = None  # lte-lab or 5g-lab: where `mac` begins; None: its own defaults
    mac: MacConfig = field(default_factory=MacConfig)
    way: WayConfig = field(default_factory=WayConfig)
    events: tuple[EventConfig, ...] = ()  # what happens, and when
    e2: E2Config | None = None  # `{}` for the usual; none without
    remap: RemapConfig | None = None  # single flows into another slice; None: a session is in one
    backend: Backend = Backend.SLOTS
    htb: HtbConfig = field(default_factory=HtbConfig)  # of that backend
    plmn: str = "00101"
    seed: int = 1  # of all that is by chance

    def __post_init__(self) -> None:
        try:
            plmn_octets(self.plmn)
        except ProtocolError:
            raise ConfigurationError(
                f"plmn: {self.plmn!r} is no PLMN.",
                'Write 3 digits of country and 2 or 3 of network, such as "00101".') from None
        if not self.cells or len({one.nci for one in self.cells}) < len(self.cells):
            raise ConfigurationError("cells: each needs an identity of its own, and one is needed.",
                                     "Give each another `nci`.")
        if self.profile is not None and self.profile not in PROFILES:
            raise ConfigurationError(f"profile: there is no {self.profile!r}.",
                                     f"There are {', '.join(PROFILES)}.")
        if len({one.spacing_khz for one in self.cells}) > 1:
            raise ConfigurationError("cells: their slots are of different lengths.",
                                     "Give all the same `spacing_khz`.")
        _check_slices(self.slices)
        _check_ues(self)
        for place, traffic in enumerate(self.traffic):
            _check_traffic(self, traffic, f"traffic[{place}]")
        if self.remap is not None:
            _check_remap(self, self.remap)
        names = [one.name for one in self.phones]
        for place, event in enumerate(self.events):
            check_event(event, names, len(self.cells), f"events[{place}]")
        _ = plane_config(self)

    @property
    def phones(self) -> tuple[UeConfig, ...]:
        """Every UE by itself."""
        return tuple(replace(one, name=name, count=None)
                     for one in self.ues for name in _names(one))


def _names(ue: UeConfig) -> list[str]:
    return [ue.name] if ue.count is None else [f"{ue.name}{1 + n}" for n in range(ue.count)]


def _check_slices(slices: Sequence[SliceConfig]) -> None:
    names = [one.slice for one in slices]
    if not names or len(set(names)) < len(names):
        raise ConfigurationError("slices: there are none, or two of one name.",
                                 "Name each once; leave `slices` out for slice 1 alone.")
    total = sum(max(one.minimum, one.dedicated) for one in slices)
    if total > 100:
        raise ConfigurationError(f"slices: together they are guaranteed {total} % of a cell.",
                                 "Let `minimum` and `dedicated` add up to 100 at most.")


def _check_ues(config: RanConfig) -> None:
    names = [name for one in config.ues for name in _names(one)]
    if not 1 <= len(names) <= MOST_UES:
        raise ConfigurationError(f"ues: there are {len(names)}.",
                                 f"A cell's file has 1 to {MOST_UES}, counts included.")
    doubled = [name for name, times in Counter(names).items() if times > 1]
    if doubled:
        raise ConfigurationError(
            f"ues: two of one name, {', '.join(map(repr, doubled[:MOST_NAMED]))}.",
            "Give each another `name`; a `count` numbers its own from 1.")
    slices = {one.slice for one in config.slices}
    dnns = {one.name for one in config.dnns}
    for place, ue in enumerate(config.ues):
        where = f"ues[{place}]"
        if not 0 <= ue.cell < len(config.cells):
            raise ConfigurationError(f"{where}.cell: {ue.cell} is none.",
                                     f"There are 0 to {len(config.cells) - 1}.")
        if len({one.slice for one in ue.sessions}) < len(ue.sessions):
            raise ConfigurationError(f"{where}.sessions: two are in one slice.",
                                     "Put them into slices of their own, or leave one out.")
        for session in ue.sessions:
            if session.slice not in slices:
                raise ConfigurationError(f"{where}.sessions: slice {session.slice} is none.",
                                         f"`slices` has {', '.join(map(str, slices))}.")
            if session.dnn not in dnns:
                raise ConfigurationError(f"{where}.sessions: there is no network {session.dnn!r}.",
                                         f"`dnns` has {', '.join(dnns)}.")


def _check_remap(config: RanConfig, remap: RemapConfig) -> None:
    slices = [one.slice for one in config.slices]
    if remap.slice not in slices:
        raise ConfigurationError(f"remap.slice: {remap.slice} is none.",
                                 f"`slices` has {', '.join(map(str, slices))}.")
    if not 0 <= remap.pcf_port < 65536:
        raise ConfigurationError(f"remap.pcf_port: {remap.pcf_port} is no port.",
                                 "Give 0 to 65535.")
    if config.backend is not Backend.SLOTS:
        raise ConfigurationError("remap: the kernel's token buckets know no single flows.",
                                 "Leave `backend` out, or `remap`.")
    if not seconds_of(config):
        raise ConfigurationError("remap: no UE has one session alone, in another slice.",
                                 f"Give one a single session outside {remap.slice}.")


def _check_traffic(config: RanConfig, traffic: TrafficConfig, where: str) -> None:
    known = {one.name for one in config.phones} | {one.name for one in config.ues}
    for name in traffic.ues:
        if name not in known:
            raise ConfigurationError(f"{where}.ues: there is no UE {name!r}.",
                                     f"There are {', '.join(sorted(known)[:12])}.")
    if not users_of(config, traffic):
        raise ConfigurationError(f"{where}.dnn: none of its UEs has a session of {traffic.dnn!r}.",
                                 "Name a network that they have, or other UEs.")


def users_of(config: RanConfig, traffic: TrafficConfig) -> list[User]:
    """The sessions that a piece of traffic is for; a name with a count means all of them."""
    groups = {name: one.name for one in config.ues for name in _names(one)}
    found = []
    for place, ue in enumerate(config.phones):
        if traffic.ues and not {ue.name, groups[ue.name]} & set(traffic.ues):
            continue
        for number, session in enumerate(ue.sessions):
            if traffic.dnn in (None, session.dnn):
                found.append((place, number))
                break
    return found


def sources_of(config: RanConfig) -> list[Source]:
    """All traffic, each piece with chances of its own."""
    return [make_source(one, users_of(config, one), config.seed * 1000 + place)
            for place, one in enumerate(config.traffic)]


def channels_of(config: RanConfig) -> list[Channel]:
    """Each UE's radio, with CQIs of the table that the scheduler reads them by."""
    return [make_channel(replace(ue.channel, cqi_table=config.mac.cqi_table),
                         config.seed * 100_003 + place)
            for place, ue in enumerate(config.phones)]


def layout_of(config: RanConfig) -> Layout:
    """The scheduler's view of it."""
    slices = {one.slice: place for place, one in enumerate(config.slices)}
    phones = config.phones
    return Layout(
        tuple(one.blocks for one in config.cells), tuple(ue.cell for ue in phones),
        (*(Bearer(place, slices[session.slice]) for place, ue in enumerate(phones)
           for session in ue.sessions),
         *(Bearer(place, slices[config.remap.slice]) for place in seconds_of(config)
           if config.remap is not None)),
        tuple((one.minimum, one.maximum, one.dedicated) for one in config.slices),
        tuple(channels_of(config)))


def bearers_of(config: RanConfig) -> dict[User, int]:
    """Each session's number for scheduler and user plane."""
    users = ((place, number) for place, ue in enumerate(config.phones)
             for number in range(len(ue.sessions)))
    return {user: bearer for bearer, user in enumerate(users)}


def seconds_of(config: RanConfig) -> dict[int, int]:
    """By place, the UEs that have a second bearer for single flows, and its number."""
    if config.remap is None:
        return {}
    first = len(bearers_of(config))
    places = [place for place, ue in enumerate(config.phones)
              if len(ue.sessions) == 1 and ue.sessions[0].slice != config.remap.slice]
    return {place: first + number for number, place in enumerate(places)}


def plane_config(config: RanConfig) -> plane.PlaneConfig:
    """The user plane's view of it: the n-th session of a network has its n-th address."""
    dnns = {one.name: one for one in config.dnns}
    numbers: Mapping[str, Iterator[int]] = {name: iter(range(1, 1 << 20)) for name in dnns}
    bearers, seconds = bearers_of(config), seconds_of(config)
    second_qfi = 2 if config.remap is None else config.remap.qfi
    ues = tuple(plane.UeConfig(ue.name, tuple(
        plane.SessionConfig(bearers[place, number], one.dnn, *plane.nth_addresses(
            dnns[one.dnn], next(numbers[one.dnn])), one.qfi, seconds.get(place), second_qfi)
        for number, one in enumerate(ue.sessions))) for place, ue in enumerate(config.phones))
    way = config.way
    return plane.PlaneConfig(ues, config.dnns, way.tunnel, way.name, way.mtu,
                             config.cells[0].slot_us, real_time=way.real_time, seed=config.seed)


def load(path: Path) -> RanConfig:
    """What a file says."""
    document = yaml_document(path)
    if "cells" not in document:
        raise ConfigurationError(
            f"{path} is not complete: it has no `cells`.",
            "Add them, such as `cells: [{nci: 1}]`; docs/examples/cell.yaml is an example.")
    config = _with_profile(build(RanConfig, document), document)
    folder = path.resolve().parent
    return replace(
        config, traffic=tuple(_beside(one, folder) for one in config.traffic),
        ues=tuple(replace(one, channel=_beside(one.channel, folder)) for one in config.ues))


def _with_profile(config: RanConfig, document: Mapping[str, Any]) -> RanConfig:
    """What the file says of `mac` goes before what the profile says."""
    if config.profile is None:
        return config
    said = {name: getattr(config.mac, name) for name in document.get("mac") or {}}
    return replace(config, mac=replace(PROFILES[config.profile], **said))


def _beside(one: _Described, folder: Path) -> _Described:
    return one if one.file is None else replace(one, file=folder / one.file)
