"""What the user plane is made of: networks, UEs with their sessions, and the way to the core.

    config = simple_plane(ues=3)      # each with an address of `internet`, the first of `llm` too

Names of namespaces are `<name>-n6`, `<name>-gnb` and `<name>-<ue>`. It knows no radio: a session's
bearer is a number that the scheduler gives a meaning.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from testbed.ran.plane.memory import BEARERS, MOST_MTU, PLACES
from xapp.errors import ConfigurationError

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
DEVICE = re.compile(r"[a-z][a-z0-9-]{0,14}")  # Linux's limit is 15
SESSION_BITS = 64  # of an IPv6 prefix: each session has a whole /64, as TS 23.501 (5.8.2.2) has it
SMALLEST_MTU = 1280  # IPv6's
MOST_QFI = 63
MOST_TUNNEL_MTU = 9000  # a jumbo frame
MOST_TEID = (1 << 32) - (1 << 18)  # tunnels of all bearers, of either end, follow the first
_ROUTABLE = (ipaddress.ip_network("2000::/3"), ipaddress.ip_network("fc00::/7"))


@dataclass(frozen=True)
class DnnConfig:
    """A data network: one TUN device on the N6 side, which has the first address of each pool."""

    name: str = "internet"
    device: str = "n6-internet"
    pool: str = "10.45.0.0/16"  # of UE addresses
    pool6: str | None = "fd45::/48"  # of UE prefixes

    def gateways(self) -> Iterator[str]:
        """The device's own addresses, with their pools' lengths."""
        for pool in filter(None, (self.pool, self.pool6)):
            network = ipaddress.ip_network(pool)
            yield f"{network[1]}/{network.prefixlen}"


@dataclass(frozen=True)
class SessionConfig:
    """A PDU session: an address in its UE's namespace that belongs to one bearer."""

    bearer: int  # the scheduler's number of it
    dnn: str = "internet"
    address: str | None = None  # IPv4
    address6: str | None = None  # IPv6; its /64 is the session's
    qfi: int = 1  # QoS flow, as the tunnel's header has it
    second: int | None = None  # bearer that single flows of it may be put into; None: it has none
    second_qfi: int = 2  # of these

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(one for one in (self.address, self.address6) if one is not None)


@dataclass(frozen=True)
class UeConfig:
    """A UE: a namespace with a device for each session, `ue0` and on."""

    name: str
    sessions: tuple[SessionConfig, ...]


@dataclass(frozen=True)
class TunnelConfig:
    """N3: GTP-U between base station and core, over a veth pair that a tap can hear."""

    gnb: str = "192.168.3.1"
    upf: str = "192.168.3.2"
    prefix: int = 30
    mtu: int = 2000  # bytes: a user packet and 44 of headers fit unbroken
    first_teid: int = 0x1000  # of a bearer: this and its number; the core's end has another 65536

    def __post_init__(self) -> None:
        try:
            ends = [ipaddress.IPv4Interface(f"{one}/{self.prefix}") for one in (self.gnb, self.upf)]
        except ValueError as error:
            raise ConfigurationError(f"tunnel: {error}.",
                                     "Give two IPv4 addresses and a prefix of 1 to 30.") from error
        if ends[0].network != ends[1].network or ends[0].ip == ends[1].ip:
            raise ConfigurationError(
                f"tunnel: {self.gnb} and {self.upf} are not two ends of one /{self.prefix}.",
                "Take two addresses of one network.")
        if not SMALLEST_MTU <= self.mtu <= MOST_TUNNEL_MTU:
            raise ConfigurationError(f"tunnel: an mtu of {self.mtu} cannot be.",
                                     f"Give {SMALLEST_MTU} to {MOST_TUNNEL_MTU}.")
        if not 0 < self.first_teid < MOST_TEID:
            raise ConfigurationError(f"tunnel: first_teid is {self.first_teid}.",
                                     f"Give 1 to {MOST_TEID - 1}.")


@dataclass(frozen=True)
class PlaneConfig:
    """All of it."""

    ues: tuple[UeConfig, ...]
    dnns: tuple[DnnConfig, ...] = (DnnConfig(),)
    tunnel: TunnelConfig | None = None  # None: the core's devices are the base station's own
    name: str = "airsplit-ran"  # that all namespaces begin with; one run of a name at a time
    mtu: int = 1400  # bytes of an IP packet, as mobile cores announce it
    slot_us: int = 1000  # microseconds: 1000 or 500 as a radio's; what the loop keeps to
    places: int = PLACES  # packets inside at most
    most_taken: int = 1024  # packets read in a slot at most; the rest waits in the devices
    queue: int = 2000  # packets that wait in a device at most before the kernel drops
    real_time: bool = True  # ask for SCHED_FIFO
    priority: int = 20  # of SCHED_FIFO, 1 to 99
    seed: int = 1  # of losses on the way to the core

    def __post_init__(self) -> None:
        _check_names(self)
        _check_numbers(self)
        _check_sessions(self)

    def dnn(self, name: str) -> DnnConfig:
        for one in self.dnns:
            if one.name == name:
                return one
        raise ConfigurationError(f"There is no data network {name!r}.",
                                 f"There are: {', '.join(one.name for one in self.dnns)}.")

    def ue(self, name: str) -> UeConfig:
        for one in self.ues:
            if one.name == name:
                return one
        raise ConfigurationError(f"There is no UE {name!r}.",
                                 f"There are: {', '.join(one.name for one in self.ues)}.")

    def sessions(self) -> Iterator[tuple[UeConfig, int, SessionConfig]]:
        """Each session with its UE and its place there."""
        for ue in self.ues:
            for place, session in enumerate(ue.sessions):
                yield ue, place, session


def check_addresses(config: PlaneConfig, session: SessionConfig) -> None:
    """Raise unless a session's addresses are of their network's pools."""
    dnn = config.dnn(session.dnn)
    if not session.addresses:
        raise ConfigurationError(f"The session of bearer {session.bearer} has no address.",
                                 f"Give it one of {dnn.pool}.")
    for address, pool, version in ((session.address, dnn.pool, 4),
                                   (session.address6, dnn.pool6, 6)):
        if address is None:
            continue
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError as error:
            raise ConfigurationError(f"{address!r} is no address.") from error
        network = None if pool is None else ipaddress.ip_network(pool)
        if parsed.version != version or network is None or parsed not in network:
            raise ConfigurationError(f"{address} is not of {dnn.name}'s pool {pool}.",
                                     "Take an address of that pool.")
        if _subnet(address) == _subnet(str(network[1])):
            raise ConfigurationError(f"{address} belongs to the core.",
                                     f"{pool} begins with the core's own.")


def _subnet(address: str) -> str:
    """What of an address tells sessions apart."""
    parsed = ipaddress.ip_address(address)
    return str(parsed) if parsed.version == 4 else str(int(parsed) >> SESSION_BITS)


def _check_names(config: PlaneConfig) -> None:
    ues = [ue.name for ue in config.ues]
    for name in (config.name, *ues):
        if not NAME.fullmatch(name):
            raise ConfigurationError(f"{name!r} cannot name a namespace.",
                                     "Use small letters, digits and hyphens, at most 40.")
    for dnn in config.dnns:
        if not DEVICE.fullmatch(dnn.device):
            raise ConfigurationError(f"{dnn.device!r} cannot name a device.",
                                     "Use small letters, digits and hyphens, at most 15.")
    for kind, names in (("UEs", [*ues, "n6", "gnb"]), ("devices", [d.device for d in config.dnns]),
                        ("data networks", [d.name for d in config.dnns])):
        if len(set(names)) < len(names):
            raise ConfigurationError(f"Two {kind} have one name.", "n6 and gnb are taken.")


def _check_numbers(config: PlaneConfig) -> None:
    limits = ((config.mtu, SMALLEST_MTU, MOST_MTU, "MTU in bytes"),
              (config.slot_us, 125, 10_000, "slot in microseconds"),
              (config.places, 16, PLACES, "number of places for packets"),
              (config.most_taken, 1, PLACES, "number of packets read in a slot"),
              (config.queue, 1, 1_000_000, "length of a device's queue"),
              (config.priority, 1, 99, "priority"))
    for value, least, most, what in limits:
        if not least <= value <= most:
            raise ConfigurationError(f"{value} is no {what}.", f"Give {least} to {most}.")


def _check_sessions(config: PlaneConfig) -> None:
    for dnn in config.dnns:
        _check_pools(dnn)
    for one, other in itertools.combinations(config.dnns, 2):
        if _overlap(one.pool, other.pool) or (
                one.pool6 and other.pool6 and _overlap(one.pool6, other.pool6)):
            raise ConfigurationError(f"Networks {one.name} and {other.name} share addresses.",
                                     "Give each a `pool` and a `pool6` of its own.")
    bearers: set[int] = set()
    subnets: set[str] = set()
    for ue, _, session in config.sessions():
        check_addresses(config, session)
        if not 0 <= session.bearer < BEARERS or session.bearer in bearers:
            raise ConfigurationError(f"{ue.name} has bearer {session.bearer}.",
                                     f"Each session has one of its own, below {BEARERS}.")
        bearers.add(session.bearer)
        if session.second is not None:
            if not 0 <= session.second < BEARERS or session.second in bearers:
                raise ConfigurationError(f"{ue.name} has bearer {session.second} for its flows.",
                                         f"Each has a number of its own, below {BEARERS}.")
            bearers.add(session.second)
        for qfi in (session.qfi, session.second_qfi):
            if not 0 <= qfi <= MOST_QFI:
                raise ConfigurationError(f"{ue.name} has QFI {qfi}.", "Give 0 to 63.")
        for subnet in map(_subnet, session.addresses):
            if subnet in subnets:
                raise ConfigurationError(f"{ue.name} has an address of another session.",
                                         "Each IPv4 address and each IPv6 /64 has one session.")
            subnets.add(subnet)


def _overlap(one: str, other: str) -> bool:
    first, second = ipaddress.ip_network(one), ipaddress.ip_network(other)
    return first.version == second.version and first.overlaps(second)


def _check_pools(dnn: DnnConfig) -> None:
    try:
        network = ipaddress.ip_network(dnn.pool)
        network6 = None if dnn.pool6 is None else ipaddress.IPv6Network(dnn.pool6)
    except ValueError as error:
        raise ConfigurationError(f"{dnn.name} has a pool that is none: {error}.") from error
    if network.version != 4 or network.num_addresses < 4:
        raise ConfigurationError(f"{dnn.pool} is no pool of IPv4 addresses.")
    if network6 is not None and (network6.prefixlen > SESSION_BITS or not any(
            network6.subnet_of(one) for one in _ROUTABLE if isinstance(one, type(network6)))):
        raise ConfigurationError(f"{dnn.pool6} has no /64 for a session.",
                                 "Take a prefix of fc00::/7 or 2000::/3, of at most 64 bits.")


def simple_plane(ues: int = 2, name: str = "airsplit-ran", tunnel: TunnelConfig | None = None,
                 llm_ues: int = 1, **others: int | bool) -> PlaneConfig:
    """UEs `ue1` and on with a session of `internet`; the first `llm_ues` also have one of `llm`."""
    dnns = (DnnConfig(), DnnConfig("llm", "n6-llm", "10.46.0.0/16", "fd46::/48"))
    made = []
    bearer = 0
    for number in range(1, ues + 1):
        sessions = []
        for dnn in dnns[:2 if number <= llm_ues else 1]:
            sessions.append(SessionConfig(bearer, dnn.name, *nth_addresses(dnn, number),
                                          qfi=1 if dnn is dnns[0] else 2))
            bearer += 1
        made.append(UeConfig(f"ue{number}", tuple(sessions)))
    return PlaneConfig(tuple(made), dnns, tunnel, name, **others)  # type: ignore[arg-type]  # numbers


def nth_addresses(dnn: DnnConfig, number: int) -> tuple[str, str | None]:
    """A session's addresses from its network's pools; `number` counts from 1."""
    network = ipaddress.ip_network(dnn.pool)
    if not 1 <= number < network.num_addresses - 2:
        raise ConfigurationError(f"{dnn.pool} has no address {number}.", "Take a larger pool.")
    first = str(network[1 + number])
    if dnn.pool6 is None:
        return first, None
    network6 = ipaddress.IPv6Network(dnn.pool6)
    prefix = int(network6.network_address) + (number << SESSION_BITS)
    return first, str(ipaddress.IPv6Address(prefix + 1))
