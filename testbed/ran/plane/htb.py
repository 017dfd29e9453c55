"""A cell that is only a rate: the kernel's HTB on a veth pair, slices as its classes.

    with HtbCell(simple_plane(2), HtbConfig(down_mbps=50.0, up_mbps=15.0)) as cell:
        cell.set_share("llm", Share(minimum=40))

Namespaces, addresses and devices of UEs are those of `user_plane`, so programs run in either. A
slice here is a data network. There is no radio: no slots, no grants, no retransmissions, and a
class's queue is one for all its UEs. It costs no process, and needs a kernel with HTB and u32.
"""

from __future__ import annotations

import ipaddress
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from testbed import namespaces
from testbed.errors import LinkFailure
from testbed.ran.cell_model import Share
from testbed.ran.plane import leftovers, topology
from testbed.ran.plane.config import DnnConfig, PlaneConfig, SessionConfig
from testbed.ran.plane.topology import batch
from xapp.errors import ConfigurationError

CORE_DEVICE, CELL_DEVICE = "n6", "cell"  # the pair's ends: in the core, and in the base station
_NEAR, _FAR = "169.254.1.1", "169.254.1.2"  # of the core and the base station, on that pair
_GATEWAY = "169.254.2.1"  # of the base station, towards each UE
_NEAR_6, _FAR_6 = "fe80::1", "fe80::2"
_FROM_UES = 200  # routing table of what UEs send: all of it to the core
_FIRST_CLASS = 0x10
_DIRECTIONS = ("down", "up")
_COUNTS = re.compile(r"class htb 1:([0-9a-f]+) [^\n]*\n\s*Sent (\d+) bytes (\d+) pkt "
                     r"\(dropped (\d+),[^\n]*\n(?:\s*rate [^\n]*\n)?\s*backlog \S+ (\d+)p")
_QUANTUM = 3000  # bytes: what nobody has a claim to is lent in equal parts
LEAST_MBPS = 0.01  # of a class: HTB knows no rate of 0


@dataclass(frozen=True)
class HtbConfig:
    """The cell's rates."""

    down_mbps: float = 100.0  # Mbit/s of IP packets
    up_mbps: float = 25.0
    queue: int = 300  # packets that wait in a slice at most

    def __post_init__(self) -> None:
        if min(self.down_mbps, self.up_mbps) < LEAST_MBPS or self.queue < 1:
            raise ConfigurationError("A cell needs a rate and a queue.",
                                     f"Give at least {LEAST_MBPS} Mbit/s and one packet.")


@dataclass(frozen=True)
class ClassCounts:
    """What one slice's class did in one direction."""

    bytes: int  # sent, Ethernet headers included
    packets: int
    dropped: int
    waiting: int  # packets


class HtbCell:
    """One run."""

    def __init__(self, config: PlaneConfig, rates: HtbConfig | None = None) -> None:
        self.config, self.rates = config, rates or HtbConfig()
        self._undo = ExitStack()
        self._classes = {dnn.name: _FIRST_CLASS + place for place, dnn in enumerate(config.dnns)}

    @property
    def n6(self) -> str:
        return topology.n6_namespace(self.config)

    @property
    def gnb(self) -> str:
        return topology.gnb_namespace(self.config)

    def namespace(self, ue: str) -> str:
        return topology.ue_namespace(self.config, self.config.ue(ue).name)

    def __enter__(self) -> HtbCell:
        namespaces.require()
        try:
            self._make()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take all of it away. Nothing happens the second time."""
        self._undo.close()

    def _make(self) -> None:
        config = self.config
        made = (self.n6, self.gnb, *(self.namespace(ue.name) for ue in config.ues))
        leftovers.claim(config.name, made)
        self._undo.callback(leftovers.give_up, config.name)
        for name in made:
            self._undo.callback(namespaces.remove, name)
            namespaces.add(name)
            namespaces.inside(name, topology.set_kernel)
        for name in (self.n6, self.gnb):
            namespaces.inside(name, topology.let_pass)
        _join(self.n6, CORE_DEVICE, self.gnb, CELL_DEVICE, config.mtu)
        batch(self.n6, _core_lines(config.dnns))
        batch(self.gnb, (f"address add {_FAR}/30 dev {CELL_DEVICE}",
                         f"address add {_FAR_6}/64 dev {CELL_DEVICE} nodad",
                         f"route add default via {_NEAR} table {_FROM_UES}",
                         f"rule add not iif {CELL_DEVICE} lookup {_FROM_UES} priority 100"))
        batch(self.gnb, (f"route add default via {_NEAR_6} dev {CELL_DEVICE} table {_FROM_UES}",
                         f"rule add not iif {CELL_DEVICE} lookup {_FROM_UES} priority 100"), "-6")
        for ue, place, session in config.sessions():
            self._add_session(ue.name, place, session)
        for direction in _DIRECTIONS:
            self._shape(direction)

    def _add_session(self, ue: str, place: int, session: SessionConfig) -> None:
        name, device, port = self.namespace(ue), topology.ue_device(place), f"u{session.bearer}"
        _join(name, device, self.gnb, port, self.config.mtu)
        batch(self.gnb, (f"address add {_GATEWAY}/32 dev {port}",
                         f"address add {_NEAR_6}/64 dev {port} nodad",
                         *(f"route add {_whole(address)} dev {port}"
                           for address in session.addresses)))
        table, metric = topology.FIRST_TABLE + place, topology.FIRST_METRIC + place
        batch(name, (f"address add {_FAR_6}/64 dev {device} nodad",
                     *(f"address add {_whole(address)} dev {device}{topology.at_once(address)}"
                       for address in session.addresses)))
        for address in session.addresses:
            six = ":" in address
            way = (f"default via {_NEAR_6 if six else _GATEWAY} dev {device} onlink "
                   f"src {address}")
            batch(name, (f"route add {way} metric {metric}", f"route add {way} table {table}",
                         f"rule add from {address} lookup {table} priority {table}"),
                  "-6" if six else "-4")

    def _shape(self, direction: str) -> None:
        """The tree of classes, and which packets are of which."""
        space, device, total, side = self._place(direction)
        lines = [f"qdisc add dev {device} root handle 1: htb default {_FIRST_CLASS:x}",
                 f"class add dev {device} parent 1: classid 1:1 htb "
                 f"rate {_kbit(total)} ceil {_kbit(total)}"]
        for slice_name, minor in self._classes.items():
            lines.append(f"class add {self._class(direction, slice_name, Share())}")
            lines.append(f"qdisc add dev {device} parent 1:{minor:x} pfifo "
                         f"limit {self.rates.queue}")
        for _, _, session in self.config.sessions():
            for address in session.addresses:
                six = ":" in address
                lines.append(
                    f"filter add dev {device} parent 1: protocol {'ipv6' if six else 'ip'} "
                    f"prio {2 if six else 1} u32 match {'ip6' if six else 'ip'} {side} "
                    f"{_subnet(address)} flowid 1:{self._classes[session.dnn]:x}")
        _traffic_control(space, lines)

    def _place(self, direction: str) -> tuple[str, str, float, str]:
        """Where a direction's queue is, its rate, and whose address tells slices apart."""
        if direction == "down":
            return self.n6, CORE_DEVICE, self.rates.down_mbps, "dst"
        return self.gnb, CELL_DEVICE, self.rates.up_mbps, "src"

    def _class(self, direction: str, slice_name: str, share: Share) -> str:
        _, device, total, _ = self._place(direction)
        least = max(share.minimum, share.dedicated)
        return (f"dev {device} parent 1:1 classid 1:{self._classes[slice_name]:x} htb "
                f"rate {_kbit(total * least / 100)} ceil {_kbit(total * share.maximum / 100)} "
                f"quantum {_QUANTUM}")

    def set_share(self, slice_name: str, share: Share) -> None:
        """Guarantee and bound a slice, both ways. What is dedicated is only guaranteed here."""
        if slice_name not in self._classes:
            raise ConfigurationError(f"There is no slice {slice_name!r}.",
                                     f"There are: {', '.join(self._classes)}.")
        if not 0 <= max(share.minimum, share.dedicated) <= share.maximum <= 100:
            raise ConfigurationError(f"{share} is no share.", "0 <= minimum <= maximum <= 100.")
        for direction in _DIRECTIONS:
            _traffic_control(self._place(direction)[0],
                             [f"class change {self._class(direction, slice_name, share)}"])

    def statistics(self) -> dict[str, dict[str, ClassCounts]]:
        """By direction and slice."""
        found: dict[str, dict[str, ClassCounts]] = {}
        for direction in _DIRECTIONS:
            space, device, _, _ = self._place(direction)
            shown = class_counts(namespaces.command(
                "tc", "-n", space, "-s", "class", "show", "dev", device))
            found[direction] = {name: shown[minor] for name, minor in self._classes.items()}
        return found


def class_counts(text: str) -> dict[int, ClassCounts]:
    """By a class's minor number, from what `tc -s class show` prints."""
    return {int(match[1], 16): ClassCounts(*map(int, match.groups()[1:]))
            for match in _COUNTS.finditer(text)}


def _join(one: str, device: str, other: str, far_device: str, mtu: int) -> None:
    """A veth pair between two namespaces, both ends up. Segments are not joined to large ones:
    a class's rate would come in bursts."""
    namespaces.command("ip", "-n", one, "link", "add", device, "mtu", str(mtu), "type", "veth",
                       "peer", "name", far_device, "mtu", str(mtu), "netns", other)
    for name, end in ((one, device), (other, far_device)):
        batch(name, (f"link set {end} multicast off addrgenmode none gso_max_segs 1",
                     f"link set {end} up"))


def _core_lines(dnns: Iterable[DnnConfig]) -> Iterator[str]:
    yield f"address add {_NEAR}/30 dev {CORE_DEVICE}"
    yield f"address add {_NEAR_6}/64 dev {CORE_DEVICE} nodad"
    for dnn in dnns:
        for gateway in dnn.gateways():
            address = str(ipaddress.ip_interface(gateway).ip)
            yield f"address add {_whole(address)} dev {CORE_DEVICE}{topology.at_once(address)}"
        yield f"route add {dnn.pool} via {_FAR} src {ipaddress.ip_network(dnn.pool)[1]}"
        if dnn.pool6 is not None:
            yield (f"route add {dnn.pool6} via {_FAR_6} dev {CORE_DEVICE} "
                   f"src {ipaddress.ip_network(dnn.pool6)[1]}")


def _whole(address: str) -> str:
    return f"{address}/{ipaddress.ip_address(address).max_prefixlen}"


def _subnet(address: str) -> str:
    """What belongs to an address's session."""
    return str(ipaddress.ip_network(f"{address}/{64 if ':' in address else 32}", strict=False))


def _kbit(mbps: float) -> str:
    return f"{max(mbps, LEAST_MBPS) * 1000:.0f}kbit"


def _traffic_control(namespace: str, lines: Iterable[str]) -> None:
    text = "\n".join(lines) + "\n"
    done = subprocess.run(("tc", "-n", namespace, "-batch", "-"), input=text, capture_output=True,
                          text=True, timeout=namespaces.COMMAND_SECONDS)
    if done.returncode:
        raise LinkFailure(f"HTB cannot be set up: {' '.join(done.stderr.split())[:300]}.",
                          "The kernel needs sch_htb, sch_fifo and cls_u32.")
