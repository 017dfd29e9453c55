"""Where an association goes to or comes from, and over what: addresses as people write them.

    sctp://0.0.0.0:36421                   the kernel's SCTP
    sctp://192.0.2.7:36421?udp=9899        the same, to a peer that wants it in UDP
    usrsctp://0.0.0.0:36421?udp=9899       SCTP of this process, in UDP (RFC 6951)
    usrsctp://0.0.0.0:36421?udp=0          the same over raw IP, which needs CAP_NET_RAW
    tcp://127.0.0.1:36421                  frames over TCP, FOR TESTS ONLY: no RAN speaks it
    auto://0.0.0.0:36421, or 0.0.0.0:36421 sctp where the kernel has it, else usrsctp

`udp=any` takes a free UDP port and port 0 a free SCTP port, for who listens. It opens nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from xapp.errors import ConfigurationError, TransportError

E2AP_PORT = 36421  # of E2AP over SCTP, as registered
ENCAPSULATION_PORT = 9899  # of SCTP over UDP, RFC 6951 section 5.1
SCTP, USRSCTP, TCP, AUTO = "sctp", "usrsctp", "tcp", "auto"
UDP_BY_DEFAULT = {SCTP: 0, USRSCTP: ENCAPSULATION_PORT, TCP: 0, AUTO: ENCAPSULATION_PORT}
EXAMPLES = "Write sctp://0.0.0.0:36421, usrsctp://0.0.0.0:36421?udp=9899 or auto://0.0.0.0:36421."
HIGHEST_PORT = 65535


@dataclass(frozen=True)
class Address:
    """One end of an association."""

    scheme: str
    host: str  # an IP address, or a name to be looked up
    port: int = E2AP_PORT  # of SCTP; 0 for who listens: a free one
    udp: int | None = 0  # UDP port that SCTP is carried in; 0: straight over IP; None: a free one

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that `text` says."""
        full = text if "://" in text else f"{AUTO}://{text}"
        try:
            parts = urlsplit(full)
            host, port = parts.hostname, parts.port
            options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
                           if parts.query else ())
        except ValueError as error:
            raise ConfigurationError(f"{text!r} is no address: {error}.", EXAMPLES) from error
        if parts.scheme not in UDP_BY_DEFAULT:
            raise ConfigurationError(f"{text!r} names no transport that is known here.", EXAMPLES)
        if not host or parts.path or parts.fragment or parts.username is not None:
            raise ConfigurationError(f"{text!r} is no address: a host and a port are needed, "
                                     "and nothing else.", EXAMPLES)
        udp = options.pop("udp", str(UDP_BY_DEFAULT[parts.scheme]))
        if options or (parts.scheme == TCP and udp != "0"):
            raise ConfigurationError(f"{text!r} has an option that its transport does not have.",
                                     "The only one is udp=PORT, of sctp and usrsctp.")
        return cls(parts.scheme, host, E2AP_PORT if port is None else port, _udp(text, udp))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        udp = "any" if self.udp is None else str(self.udp)
        shown = self.udp != (ENCAPSULATION_PORT if self.scheme == AUTO else 0)
        return f"{self.scheme}://{host}:{self.port}{f'?udp={udp}' if shown else self._bare()}"

    def _bare(self) -> str:
        """What says "no UDP" where that is not what is meant by saying nothing."""
        return "?udp=0" if self.scheme == USRSCTP else ""

    async def resolved(self) -> Address:
        """The same with an IP address for the host's name."""
        if is_ip(self.host):
            return self
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                self.host, None, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            raise TransportError(f"{self}: the host {self.host!r} is not known: {error}.",
                                 "Write its IP address.") from error
        return replace(self, host=str(found[0][4][0]))

    @property
    def family(self) -> socket.AddressFamily:
        """Of a host that is an IP address."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET


def _udp(text: str, value: str) -> int | None:
    if value == "any":
        return None
    if not (value.isascii() and value.isdecimal() and int(value) <= HIGHEST_PORT):
        raise ConfigurationError(f"{text!r}: udp={value} is no port.",
                                 "Write udp=9899, udp=any for a free one, or udp=0 for raw IP.")
    return int(value)


def is_ip(host: str) -> bool:
    """Whether there is no name to look up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
