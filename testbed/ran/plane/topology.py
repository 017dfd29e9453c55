"""Namespaces, TUN devices, addresses and routes of a user plane.

The N6 side has a device for each data network, as Open5GS's UPF has, with a route to its pool of
UE addresses. A UE has a device for each session; packets leave by the device whose address they
bear, so a program that binds to an address uses that session. It moves no packets.
"""

from __future__ import annotations

import ipaddress
import socket
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from testbed import namespaces
from testbed.errors import LinkFailure
from testbed.ran.plane.config import DnnConfig, PlaneConfig, SessionConfig, TunnelConfig
from testbed.ran.plane.headers import GTP_U_PORT

N3_DEVICE = "n3"
FIRST_TABLE = 100  # routing tables of a UE's sessions: this and the session's place
FIRST_METRIC = 100  # the first session is what is taken where nothing is said
SOCKET_BYTES = 8 << 20  # that wait in a tunnel's end: more than a slot's worth at 10 Gbit/s
_SO_RCVBUFFORCE, _SO_SNDBUFFORCE = 33, 32


def n6_namespace(config: PlaneConfig) -> str:
    return f"{config.name}-n6"


def gnb_namespace(config: PlaneConfig) -> str:
    return f"{config.name}-gnb"


def ue_namespace(config: PlaneConfig, ue: str) -> str:
    return f"{config.name}-{ue}"


def ue_device(place: int) -> str:
    return f"ue{place}"


def all_namespaces(config: PlaneConfig) -> tuple[str, ...]:
    gnb = () if config.tunnel is None else (gnb_namespace(config),)
    return (n6_namespace(config), *gnb, *(ue_namespace(config, ue.name) for ue in config.ues))


def batch(namespace: str, lines: Iterable[str], *options: str) -> None:
    """Several orders to `ip` in one namespace, with one process."""
    text = "\n".join(lines) + "\n"
    done = subprocess.run(("ip", "-n", namespace, *options, "-batch", "-"), input=text,
                          capture_output=True, text=True, timeout=namespaces.COMMAND_SECONDS)
    if done.returncode:
        raise LinkFailure(f"Namespace {namespace} cannot be set up: "
                          f"{' '.join(done.stderr.split())}.")


def make_namespaces(config: PlaneConfig) -> None:
    """Namespaces with nothing in them but what the kernel has to be told of each."""
    for name in all_namespaces(config):
        namespaces.add(name)
        namespaces.inside(name, set_kernel)
    namespaces.inside(n6_namespace(config), let_pass)


def set_kernel() -> None:
    """Packets of one session may be answered over another."""
    _set("ipv4/conf/all/rp_filter", "0")
    _set("ipv4/conf/default/rp_filter", "0")


def let_pass() -> None:
    """The core passes packets on, from one UE to another too."""
    _set("ipv4/ip_forward", "1")
    _set("ipv6/conf/all/forwarding", "1")


def _set(place: str, value: str) -> None:
    root = Path("/proc/sys/net")
    if place.startswith("ipv6") and not (root / "ipv6").exists():
        return  # a kernel without IPv6
    try:
        (root / place).write_text(value)
    except OSError as error:
        raise LinkFailure(f"{root / place} cannot be set: {error.strerror}.") from error


def open_device(namespace: str, device: str) -> int:
    """A TUN device's descriptor."""
    try:
        return namespaces.inside(namespace, lambda: namespaces.open_tun(device))
    except OSError as error:
        raise LinkFailure(f"TUN device {device} cannot be made: {error.strerror}.",
                          "Each needs a descriptor: see `ulimit -n`.") from error


def configure_network(config: PlaneConfig, dnn: DnnConfig) -> None:
    """The N6 side's device of a data network."""
    batch(n6_namespace(config), (
        *_device_lines(config, dnn.device),
        *(f"address add {address} dev {dnn.device}{at_once(address)}"
          for address in dnn.gateways()),
        f"link set {dnn.device} up"))


def configure_session(config: PlaneConfig, ue: str, place: int, session: SessionConfig) -> None:
    """A session's device: its addresses, and routes for what is sent from them."""
    batch(ue_namespace(config, ue), _device_lines(config, ue_device(place)))
    _give_addresses(config, ue, place, session)


def change_addresses(config: PlaneConfig, ue: str, place: int, session: SessionConfig) -> None:
    """A session's device has other addresses from now on, and is up."""
    withdraw(config, ue, place)
    _give_addresses(config, ue, place, session)


def withdraw(config: PlaneConfig, ue: str, place: int) -> None:
    """Take a session's addresses, routes and rules away, and its device down."""
    device, table = ue_device(place), FIRST_TABLE + place
    name = ue_namespace(config, ue)
    batch(name, (f"link set {device} down", f"address flush dev {device}"))
    for family in ("-4", "-6"):
        rules = namespaces.command("ip", "-n", name, family, "rule", "list")
        count = sum(f"lookup {table}" in rule for rule in rules.splitlines())
        for _ in range(count):
            namespaces.command("ip", "-n", name, family, "rule", "del", "lookup", str(table))


def _device_lines(config: PlaneConfig, device: str) -> Iterator[str]:
    """Without multicast a device keeps quiet: no announcements of the kernel's own."""
    yield (f"link set {device} multicast off addrgenmode none mtu {config.mtu} "
           f"txqueuelen {config.queue}")


def at_once(address: str) -> str:
    """Nobody else can have the address: IPv6 need not look."""
    return " nodad" if ":" in address else ""


def _give_addresses(config: PlaneConfig, ue: str, place: int, session: SessionConfig) -> None:
    name, device = ue_namespace(config, ue), ue_device(place)
    table, metric = FIRST_TABLE + place, FIRST_METRIC + place
    batch(name, (*(f"address add {address}/{ipaddress.ip_address(address).max_prefixlen} "
                   f"dev {device}{at_once(address)}" for address in session.addresses),
                 f"link set {device} up"))
    for address in session.addresses:
        way = f"default dev {device} src {address}"
        batch(name, (f"route replace {way} metric {metric}", f"route replace {way} table {table}",
                     f"rule add from {address} lookup {table} priority {table}"),
              "-6" if ":" in address else "-4")


def make_tunnel(config: PlaneConfig, tunnel: TunnelConfig) -> tuple[socket.socket, socket.socket]:
    """The veth pair between base station and core, and their sockets, in this order."""
    gnb, upf = gnb_namespace(config), n6_namespace(config)
    namespaces.command("ip", "-n", gnb, "link", "add", N3_DEVICE, "type", "veth", "peer", "name",
                       N3_DEVICE, "netns", upf)
    for name, address in ((gnb, tunnel.gnb), (upf, tunnel.upf)):
        batch(name, (f"link set {N3_DEVICE} multicast off addrgenmode none mtu {tunnel.mtu}",
                     f"address add {address}/{tunnel.prefix} dev {N3_DEVICE}",
                     f"link set {N3_DEVICE} up"))
    ends = []
    try:
        for name, address in ((gnb, tunnel.gnb), (upf, tunnel.upf)):
            ends.append(_tunnel_end(name, address))
    except BaseException:
        for end in ends:
            end.close()
        raise
    return ends[0], ends[1]


def _tunnel_end(namespace: str, address: str) -> socket.socket:
    made = namespaces.inside(
        namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
    try:
        for option, other in ((_SO_RCVBUFFORCE, socket.SO_RCVBUF),
                              (_SO_SNDBUFFORCE, socket.SO_SNDBUF)):
            try:
                made.setsockopt(socket.SOL_SOCKET, option, SOCKET_BYTES)
            except PermissionError:  # in a user namespace: as much as anyone may have
                made.setsockopt(socket.SOL_SOCKET, other, SOCKET_BYTES)
        made.bind((address, GTP_U_PORT))
    except OSError as error:
        made.close()
        raise LinkFailure(f"The tunnel's end {address} cannot be opened: {error.strerror}."
                          ) from error
    return made
