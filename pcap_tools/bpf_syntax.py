"""What a capture filter asks for: its text as a tree, with the place of every mistake.

A subset of libpcap's language, with its rules: `and` and `or` bind alike, from left to right; `not`
binds closest; a value alone takes the qualifiers of the one before it (`port 80 or 443`). It knows
nothing of instructions and looks no names up.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from pcap_tools.errors import FilterError

MOST_CHARACTERS = 20_000  # of a filter: far above what the kernel's 4,096 instructions can hold
MOST_NESTED = 100  # brackets and `not`: Python's own stack is finite
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PROTOCOLS = {"ip": None, "ip6": None, "arp": None, "tcp": 6, "udp": 17, "sctp": 132,
             "icmp": 1, "icmp6": 58}
WITH_PORTS = ("tcp", "udp", "sctp")
KINDS = ("host", "net", "port", "portrange")
WORDS = {"and": "and", "&&": "and", "or": "or", "||": "or"}
TOKEN = re.compile(r"\s*(?:(\()|(\))|(&&|\|\||!)|([^\s()!&|]+))")


@dataclass(frozen=True)
class Protocol:
    """A packet of this protocol."""

    name: str


@dataclass(frozen=True)
class Address:
    """An IP packet (or, for IPv4, ARP) from or to this network."""

    network: Network
    side: str  # src, dst or either
    protocol: str | None  # ip, ip6, arp, or one of a transport


@dataclass(frozen=True)
class Ports:
    """A TCP, UDP or SCTP packet from or to one of these ports, both ends included."""

    first: int
    last: int
    side: str
    protocol: str | None


@dataclass(frozen=True)
class Not:
    of: Node


@dataclass(frozen=True)
class All:
    of: tuple[Node, ...]


@dataclass(frozen=True)
class Some:
    of: tuple[Node, ...]


Node = Protocol | Address | Ports | Not | All | Some


def _joined(word: str, parts: list[Node]) -> Node:
    if len(parts) == 1:
        return parts[0]
    return All(tuple(parts)) if word == "and" else Some(tuple(parts))


@dataclass(frozen=True)
class _Token:
    text: str
    place: int  # of its first character, from 0


@dataclass(frozen=True)
class _Qualifiers:
    protocol: str | None
    side: str
    kind: str


def parse_filter(text: str) -> Node:
    """The tree of a filter that is not empty; FilterError names the character where it fails."""
    if len(text) > MOST_CHARACTERS:
        raise FilterError(f"The filter has more than {MOST_CHARACTERS:,} characters.")
    parser = _Parser(text, _tokens(text))
    node = parser.expression(0)
    parser.expect_end()
    return node


def _tokens(text: str) -> list[_Token]:
    found, place = [], 0
    while place < len(text.rstrip()):
        match = TOKEN.match(text, place)
        if match is None:
            rest = text[place:]
            raise _mistake(text, place + len(rest) - len(rest.lstrip()), "is not understood")
        word = next(group for group in match.groups() if group)
        found.append(_Token(word, match.end() - len(word)))
        place = match.end()
    return found


def _mistake(text: str, place: int, problem: str) -> FilterError:
    rest = text[place:].split()
    what = f"“{rest[0][:40]}” {problem}" if rest else f"the end {problem}"
    return FilterError(f"The filter fails at character {place + 1}: {what}.",
                       "Example: host 10.0.0.1 and tcp portrange 8470-8480.")


class _Parser:
    """Reads the words of one filter from left to right."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text, self._tokens, self._next = text, tokens, 0
        self._last: _Qualifiers | None = None  # what a value alone refers to

    def _peek(self) -> str:
        return self._tokens[self._next].text if self._next < len(self._tokens) else ""

    def _take(self) -> str:
        word = self._peek()
        self._next += 1
        return word

    def _fail(self, problem: str, back: int = 0) -> FilterError:
        place = self._next - back
        where = self._tokens[place].place if place < len(self._tokens) else len(self._text)
        return _mistake(self._text, where, problem)

    def expect_end(self) -> None:
        if self._peek():
            raise self._fail("was not expected here")

    def expression(self, depth: int) -> Node:
        parts, joined = [self._negated(depth)], ""
        while self._peek() in WORDS:
            if joined not in ("", WORDS[self._peek()]):
                # `a and b or c`: what stood before is the first part of what follows.
                parts, depth = [_joined(joined, parts)], depth + 1
            joined = WORDS[self._take()]
            parts.append(self._negated(depth))
        return _joined(joined, parts)

    def _negated(self, depth: int) -> Node:
        if depth > MOST_NESTED:
            raise self._fail("is nested too deep")
        if self._peek() in ("not", "!"):
            self._take()
            return Not(self._negated(depth + 1))
        if self._peek() == "(":
            self._take()
            node = self.expression(depth + 1)
            if self._take() != ")":
                raise self._fail("should be a closing bracket", 1)
            return node
        return self._primitive()

    def _primitive(self) -> Node:
        protocol = self._take() if self._peek() in PROTOCOLS else None
        side = self._side()
        kind = self._take() if self._peek() in KINDS else None
        if protocol is not None and side is None and kind is None:
            # As libpcap has it: `port 53 or tcp 80` is no filter.
            return Protocol(protocol)
        if side is None and kind is None:
            if self._last is None or not self._value_follows():
                raise self._fail("is not understood")
            return self._value(self._last)
        self._last = _Qualifiers(protocol, side or "either", kind or "host")
        return self._value(self._last)

    def _side(self) -> str | None:
        if self._peek() not in ("src", "dst"):
            return None
        side = self._take()
        following = [token.text for token in self._tokens[self._next:self._next + 2]]
        if following in (["or", "dst"], ["or", "src"]) and following[1] != side:
            self._next += 2
            return "either"
        return side

    def _value_follows(self) -> bool:
        return bool(self._peek()) and (self._peek()[0].isdigit() or ":" in self._peek())

    def _value(self, of: _Qualifiers) -> Node:
        if of.kind in ("host", "net"):
            return self._address(of)
        return self._ports(of)

    def _address(self, of: _Qualifiers) -> Node:
        word = self._take()
        if of.protocol in (*WITH_PORTS, "icmp", "icmp6"):
            raise self._fail(f"is an address, and {of.protocol} has none; say “{of.protocol} and "
                             f"{of.kind} …”", 1)
        try:
            network: Network = ipaddress.ip_network(word) if of.kind == "net" else (
                ipaddress.ip_network(ipaddress.ip_address(word)))
        except ValueError:
            wanted = "network such as 10.0.0.0/8" if of.kind == "net" else "IP address"
            raise self._fail(f"is no {wanted}", 1) from None
        if (of.protocol == "ip6") != (network.version == 6) and of.protocol is not None:
            raise self._fail(f"is no address of {of.protocol}", 1)
        return Address(network, of.side, of.protocol)

    def _ports(self, of: _Qualifiers) -> Node:
        word = self._take()
        if of.protocol is not None and of.protocol not in WITH_PORTS:
            raise self._fail(f"is a port, and {of.protocol} has none", 1)
        pattern = r"(\d{1,5})-(\d{1,5})" if of.kind == "portrange" else r"(\d{1,5})"
        match = re.fullmatch(pattern, word, re.ASCII)
        ports = [int(group) for group in match.groups()] if match else []
        if not ports or max(ports) > 65535:
            wanted = "range such as 8000-8010" if of.kind == "portrange" else "port"
            raise self._fail(f"is no {wanted}", 1)
        return Ports(min(ports), max(ports), of.side, of.protocol)
