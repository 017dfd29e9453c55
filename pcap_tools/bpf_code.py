"""A filter's tree as instructions of the kernel's packet filter (classic BPF).

For machines without libpcap: plain, not optimised, and checked against libpcap where there is one.
It knows nothing of sockets.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from pcap_tools.bpf_syntax import (
    PROTOCOLS,
    WITH_PORTS,
    Address,
    All,
    Node,
    Not,
    Ports,
    Protocol,
    Some,
)
from pcap_tools.errors import FilterError

MOST_INSTRUCTIONS = 4096  # BPF_MAXINSNS of the kernel
ETHERNET, RAW = 1, 101  # LINKTYPE_
# linux/filter.h: class | size or operation | mode
LOAD_WORD, LOAD_HALF, LOAD_BYTE = 0x20, 0x28, 0x30  # accumulator = packet[k]
LOAD_HALF_INDEXED = 0x48  # accumulator = packet[x + k]
LOAD_HEADER_LENGTH = 0xB1  # x = 4 * (packet[k] & 15)
AND, JUMP, EQUAL, GREATER, AT_LEAST, ANY_BIT, RETURN = 0x54, 0x05, 0x15, 0x25, 0x35, 0x45, 0x06
TYPE_IP, TYPE_ARP, TYPE_RARP, TYPE_IP6 = 0x0800, 0x0806, 0x8035, 0x86DD
FRAGMENT_HEADER = 44  # IPv6's next header
NOT_FIRST = 0x1FFF  # IPv4's fragment offset


@dataclass(frozen=True)
class Instruction:
    """`struct sock_filter`: jumps count from the instruction after it."""

    code: int
    when_true: int
    when_false: int
    k: int


Program = tuple[Instruction, ...]
REFUSE: Program = (Instruction(RETURN, 0, 0, 0),)  # passes nothing


def packed(program: Program) -> bytes:
    """As the kernel takes it."""
    return b"".join(struct.pack("=HBBI", step.code, step.when_true, step.when_false, step.k)
                    for step in program)


@dataclass(frozen=True)
class _Test:
    """A conditional jump to two labels."""

    code: int
    k: int
    when_true: int
    when_false: int


@dataclass(frozen=True)
class _Label:
    number: int


_Step = Instruction | _Test | _Label
_Emit = Callable[[int, int], None]  # writes a test, given the labels for true and false


def generate(node: Node, link: int, snap: int) -> Program:
    """Instructions that pass `snap` bytes of the packets `node` asks for, and none of others."""
    if link not in (ETHERNET, RAW):
        raise FilterError(f"There are no filters for link type {link} without libpcap.",
                          "Install libpcap (Debian: apt-get install libpcap0.8).")
    writer = _Writer(link)
    accept, refuse = writer.label(), writer.label()
    writer.node(node, accept, refuse)
    writer.place(accept)
    writer.plain(RETURN, snap)
    writer.place(refuse)
    writer.plain(RETURN, 0)
    program = _assemble(writer.steps, False) or _assemble(writer.steps, True)
    if program is None or len(program) > MOST_INSTRUCTIONS:
        raise FilterError(f"The filter needs more than the kernel's {MOST_INSTRUCTIONS:,} "
                          "instructions.", "Name networks or port ranges instead of single ones.")
    return program


class _Writer:
    """Collects steps; every test goes on at one of two labels."""

    def __init__(self, link: int) -> None:
        self.steps: list[_Step] = []
        self._link = link
        self._network = 14 if link == ETHERNET else 0  # offset of the IP header
        self._labels = 0

    def label(self) -> int:
        self._labels += 1
        return self._labels

    def place(self, label: int) -> None:
        self.steps.append(_Label(label))

    def plain(self, code: int, k: int) -> None:
        self.steps.append(Instruction(code, 0, 0, k))

    def test(self, code: int, k: int, true: int, false: int) -> None:
        self.steps.append(_Test(code, k, true, false))

    def all_of(self, parts: Sequence[_Emit], true: int, false: int) -> None:
        for part in parts[:-1]:
            following = self.label()
            part(following, false)
            self.place(following)
        parts[-1](true, false)

    def any_of(self, parts: Sequence[_Emit], true: int, false: int) -> None:
        for part in parts[:-1]:
            following = self.label()
            part(true, following)
            self.place(following)
        parts[-1](true, false)

    def node(self, node: Node, true: int, false: int) -> None:
        match node:
            case Not(of):
                self.node(of, false, true)
            case All(parts):
                self.all_of([partial(self.node, part) for part in parts], true, false)
            case Some(parts):
                self.any_of([partial(self.node, part) for part in parts], true, false)
            case Protocol(name):
                self._protocol(name)(true, false)
            case Address():
                self._address(node, true, false)
            case Ports():
                self._ports(node, true, false)

    def _compare(self, load: int, offset: int, value: int, mask: int | None = None) -> _Emit:
        """Whether what is loaded at `offset` is `value`, of the bits in `mask`."""
        def emit(true: int, false: int) -> None:
            self.plain(load, offset)
            if mask is not None:
                self.plain(AND, mask)
            self.test(EQUAL, value, true, false)
        return emit

    def _ether_type(self, number: int) -> _Emit:
        if self._link == ETHERNET:
            return self._compare(LOAD_HALF, 12, number)
        version = {TYPE_IP: 0x40, TYPE_IP6: 0x60}.get(number, 1)  # 1: no such packet without frames
        return self._compare(LOAD_BYTE, 0, version, 0xF0)

    def _both(self, *parts: _Emit) -> _Emit:
        return lambda true, false: self.all_of(parts, true, false)

    def _either(self, *parts: _Emit) -> _Emit:
        return lambda true, false: self.any_of(parts, true, false)

    def _ip4(self, number: int) -> _Emit:
        return self._both(self._ether_type(TYPE_IP),
                          self._compare(LOAD_BYTE, self._network + 9, number))

    def _ip6(self, number: int) -> _Emit:
        following = self._network + 6
        fragment = self._both(self._compare(LOAD_BYTE, following, FRAGMENT_HEADER),
                              self._compare(LOAD_BYTE, self._network + 40, number))
        return self._both(self._ether_type(TYPE_IP6),
                          self._either(self._compare(LOAD_BYTE, following, number), fragment))

    def _protocol(self, name: str) -> _Emit:
        types = {"ip": TYPE_IP, "ip6": TYPE_IP6, "arp": TYPE_ARP}
        if name in types:
            return self._ether_type(types[name])
        number = PROTOCOLS[name]
        assert number is not None  # the three without one stand above
        if name == "icmp":
            return self._ip4(number)
        if name == "icmp6":
            return self._ip6(number)
        return self._either(self._ip4(number), self._ip6(number))

    def _address(self, node: Address, true: int, false: int) -> None:
        if node.network.version == 6:
            self._both(self._ether_type(TYPE_IP6),
                       self._sides(node, self._network + 8, self._network + 24))(true, false)
            return
        # Offsets of source and target addresses; ARP's, where its hardware is Ethernet.
        places = {TYPE_IP: (12, 16), TYPE_ARP: (14, 24), TYPE_RARP: (14, 24)}
        if node.protocol is not None or self._link == RAW:
            kept = TYPE_ARP if node.protocol == "arp" else TYPE_IP
            places = {kept: places[kept]}
        self.any_of([
            self._both(self._ether_type(number),
                       self._sides(node, self._network + source, self._network + target))
            for number, (source, target) in places.items()], true, false)

    def _sides(self, node: Address, source: int, target: int) -> _Emit:
        offsets = {"src": [source], "dst": [target], "either": [source, target]}[node.side]
        return self._either(*[self._matches(node, offset) for offset in offsets])

    def _matches(self, node: Address, offset: int) -> _Emit:
        """The network's bits at `offset`, word by word; words without a bit are left out."""
        address, mask = node.network.network_address.packed, node.network.netmask.packed
        layout = f"!{len(mask) // 4}I"
        words = [self._compare(LOAD_WORD, offset + 4 * place, value,
                               None if bits == 0xFFFFFFFF else bits)
                 for place, (value, bits) in enumerate(
                     zip(struct.unpack(layout, address), struct.unpack(layout, mask), strict=True))
                 if bits or not place]
        return self._both(*words)

    def _ports(self, node: Ports, true: int, false: int) -> None:
        numbers = [PROTOCOLS[name] or 0 for name in
                   ((node.protocol,) if node.protocol else WITH_PORTS)]
        four = self._both(
            self._ether_type(TYPE_IP), self._one_of(self._network + 9, numbers),
            self._not_first_fragment(), self._in_range(node, LOAD_HALF_INDEXED, self._network))
        six = self._both(
            self._ether_type(TYPE_IP6), self._one_of(self._network + 6, numbers),
            self._in_range(node, LOAD_HALF, self._network + 40))
        self.any_of([four, six], true, false)

    def _one_of(self, offset: int, numbers: Sequence[int]) -> _Emit:
        return self._either(*[self._compare(LOAD_BYTE, offset, number) for number in numbers])

    def _not_first_fragment(self) -> _Emit:
        def emit(true: int, false: int) -> None:
            self.plain(LOAD_HALF, self._network + 6)
            self.test(ANY_BIT, NOT_FIRST, false, true)
        return emit

    def _in_range(self, node: Ports, load: int, offset: int) -> _Emit:
        offsets = {"src": [offset], "dst": [offset + 2],
                   "either": [offset, offset + 2]}[node.side]

        def port(place: int) -> _Emit:
            def emit(true: int, false: int) -> None:
                high = self.label()
                if load == LOAD_HALF_INDEXED:
                    self.plain(LOAD_HEADER_LENGTH, self._network)
                self.plain(load, place)
                self.test(AT_LEAST, node.first, high, false)
                self.place(high)
                self.test(GREATER, node.last, false, true)
            return emit
        return self._either(*[port(place) for place in offsets])


def _assemble(steps: Sequence[_Step], long: bool) -> Program | None:
    """Labels resolved; None where a jump is too far for its 8 bits, which `long` jumps are not."""
    places: dict[int, int] = {}
    size = 0
    for step in steps:
        if isinstance(step, _Label):
            places[step.number] = size
        else:
            size += 3 if long and isinstance(step, _Test) else 1
    program: list[Instruction] = []
    for step in steps:
        if isinstance(step, Instruction):
            program.append(step)
        elif isinstance(step, _Test):
            true, false = (places[label] - len(program) - 1
                           for label in (step.when_true, step.when_false))
            if long:
                program += [Instruction(step.code, 0, 1, step.k),
                            Instruction(JUMP, 0, 0, true - 1), Instruction(JUMP, 0, 0, false - 2)]
            elif max(true, false) > 255:
                return None
            else:
                program.append(Instruction(step.code, true, false, step.k))
    return tuple(program)
