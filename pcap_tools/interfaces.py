"""What Linux says about its network interfaces, and the packet sockets that are bound to them.

It reads and writes no packets: `ring` and `sending` do.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
from dataclasses import dataclass
from errno import EACCES, EPERM
from pathlib import Path

from pcap_tools.errors import LiveError, NotPermitted

ANY = "any"  # every interface at once
NAME_BYTES = 15  # of an interface, IFNAMSIZ without the zero
SIOCGIFFLAGS, SIOCGIFMTU, SIOCGIFHWADDR = 0x8913, 0x8921, 0x8927
FLAG_UP = 1
ETHERNET, RAW_IP, COOKED = 1, 101, 276  # LINKTYPE_; 276 is Linux SLL2
# ARPHRD_ of linux/if_arp.h, to how the frames of such a device begin; all others are cooked.
LINKS = {1: ETHERNET, 772: ETHERNET, 0xFFFE: RAW_IP, 519: RAW_IP}
LOOPBACK_DEVICE = 772
_library = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Interface:
    """One interface, or all of them."""

    name: str
    index: int  # 0: all of them
    device: int  # ARPHRD_
    link: int  # LINKTYPE_ of what a capture of it holds
    mtu: int  # bytes

    @property
    def cooked(self) -> bool:
        """Whether frames come without their link header, and get one that says where from."""
        return self.link == COOKED

    @property
    def loopback(self) -> bool:
        return self.device == LOOPBACK_DEVICE


def find_interface(name: str) -> Interface:
    """The interface of that name; LiveError lists those there are, and says if it is down."""
    if not hasattr(socket, "AF_PACKET"):
        raise LiveError("Packets are heard and sent on Linux only.",
                        "Capture with the system's own tools here, and read the file.")
    if name == ANY:
        return Interface(ANY, 0, 0xFFFF, COOKED, 65_536)
    try:
        index = socket.if_nametoindex(name)
    except (OSError, ValueError):
        raise LiveError(f"There is no interface {name!r}.", "There are: "
                        f"{', '.join(names()) or 'none'}; or any, for all of them.") from None
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            flags = struct.unpack_from("=H", _asked(asking, SIOCGIFFLAGS, name), 16)[0]
            mtu = struct.unpack_from("=i", _asked(asking, SIOCGIFMTU, name), 16)[0]
            device = struct.unpack_from("=H", _asked(asking, SIOCGIFHWADDR, name), 16)[0]
    except OSError as error:
        raise LiveError(f"Interface {name} gives no account of itself: {error.strerror}.",
                        f"Look at: ip link show {name}") from error
    if not flags & FLAG_UP:
        raise LiveError(f"Interface {name} is down.",
                        f"Bring it up: sudo ip link set {name} up")
    return Interface(name, index, device, LINKS.get(device, COOKED), mtu)


def names() -> list[str]:
    """Every interface of this network namespace."""
    return sorted(name for _, name in socket.if_nameindex())


def packet_socket(kind: int) -> socket.socket:
    """A packet socket that hears nothing yet; NotPermitted where this process may not have one."""
    try:
        return socket.socket(socket.AF_PACKET, kind, 0)
    except PermissionError as error:
        raise not_permitted("reads or sends packets on an interface") from error


def bind(packets: socket.socket, index: int, protocol: int) -> None:
    """Bind a packet socket by the interface's number, of which Python's own `bind` knows no 0."""
    address = struct.pack("=HHi12x", socket.AF_PACKET, socket.htons(protocol), index)
    if _library.bind(packets.fileno(), address, len(address)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def not_permitted(what: str) -> NotPermitted:
    """The one explanation of how to get the right."""
    return NotPermitted(
        f"This process has not the privilege CAP_NET_RAW, without which nobody {what}.",
        f"Run it with sudo, or once: sudo setcap cap_net_raw+ep {Path(sys.executable).resolve()}")


def refused(error: OSError) -> bool:
    """Whether an error stands for a missing privilege."""
    return error.errno in (EPERM, EACCES)


def _asked(asking: socket.socket, what: int, name: str) -> bytes:
    """`struct ifreq` as the kernel fills it in."""
    return fcntl.ioctl(asking, what, struct.pack("40s", name.encode()[:NAME_BYTES]))
