"""Filters: our own instructions choose the packets that libpcap's choose; mistakes have a place."""

from __future__ import annotations

import ctypes
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcap_tools.bpf import compile_filter, libpcap, packed
from pcap_tools.bpf_code import REFUSE, Program
from pcap_tools.errors import FilterError
from tests.pcap_tools import frames

FILTERS = (
    "ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6", "sctp",
    "host 10.0.0.3", "src host 10.0.0.3", "dst 10.0.0.3", "ip host 10.0.1.1", "arp host 10.0.1.1",
    "host 2001:db8::3", "ip6 src 2001:db8::3", "net 10.0.0.0/30", "dst net 10.0.1.0/24",
    "net 2001:db8::/64", "net 2001:db8::/37", "net 0.0.0.0/0", "port 443", "tcp port 443",
    "udp dst port 53", "src port 4001", "portrange 4000-4003", "udp portrange 5000-5100",
    "src or dst port 443", "not tcp", "! ( tcp or udp )", "tcp and host 10.0.0.1 or udp",
    "udp or tcp and port 443", "port 443 or 53", "not port 443 and not host 10.0.0.3",
    "(tcp or udp) and (host 10.0.0.1 or host 10.0.0.2) and not (port 53 || port 8470)",
    "tcp portrange 9-1",
)
needs_library = pytest.mark.skipif(libpcap() is None, reason="libpcap is not installed")


def reference(text: str, link: int) -> Program:
    """libpcap's own, or nothing where it finds that nothing can pass."""
    try:
        return compile_filter(text, link, 96)
    except FilterError as error:
        if "no packet" not in str(error):
            raise
        return REFUSE


def passes(program: Program, frame: bytes) -> int:
    """Bytes of `frame` that `program` passes, as libpcap's interpreter finds."""
    library = libpcap()
    assert library is not None
    library.bpf_filter.restype = ctypes.c_uint
    return int(library.bpf_filter(packed(program), frame, len(frame), len(frame)))


def samples() -> list[bytes]:
    """Frames of every kind that a filter can ask for."""
    arp = bytes.fromhex("0001080006040001") + frames.MAC_A + bytes([10, 0, 0, 3]) + bytes(6) + (
        bytes([10, 0, 1, 1]))
    v4, v6 = ("10.0.0.3", "10.0.1.1"), ("2001:db8::3", "2001:db8::4")
    ports = b"\x01\xbb\x01\xbb" + bytes(20)
    packets = [frames.ip(*pair, protocol, ports, fragment)
               for pair in (v4, v6) for protocol in (1, 6, 17, 58, 132, 47)
               for fragment in (0, 0x2000, 100)]
    fragment6 = frames.ip(*v6, 44, bytes([6, 0, 0, 8, 0, 0, 0, 1]) + ports)
    return [*frames.mixed(60), frames.ethernet(0x0806, arp), frames.ethernet(0x8035, arp),
            *[frames.ethernet(0x86DD if packet[0] >> 4 == 6 else 0x0800, packet)
              for packet in [*packets, fragment6]], frames.ethernet(0x88CC, b"lldp"), b"\0" * 15]


@needs_library
@pytest.mark.parametrize("text", FILTERS)
def test_our_own_instructions_choose_what_those_of_libpcap_choose(text: str) -> None:
    for link, begin in ((1, 0), (101, 14)):
        own, other = compile_filter(text, link, 96, own=True), reference(text, link)
        for frame in samples():
            if link == 1 or frame[14] >> 4 in (4, 6):
                assert passes(own, frame[begin:]) == passes(other, frame[begin:]), frame.hex()


@needs_library
@given(st.data())
def test_random_packets_are_chosen_alike(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(FILTERS))
    frame = bytearray(data.draw(st.sampled_from(samples())))
    for _ in range(data.draw(st.integers(0, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(frame[:data.draw(st.integers(1, len(frame)))])
    assert passes(compile_filter(text, 1, 65535, own=True), cut) == (
        passes(compile_filter(text, 1, 65535), cut))


@needs_library
def test_a_long_filter_needs_long_jumps_and_still_chooses_right() -> None:
    text = " or ".join(f"host 10.0.0.{number}" for number in range(1, 60))
    own = compile_filter(text, 1, 65535, own=True)
    assert len(own) > 300
    chosen = [passes(own, frame) > 0 for frame in samples()]
    assert chosen == [passes(compile_filter(text, 1, 65535), frame) > 0 for frame in samples()]
    assert any(chosen)
    assert not all(chosen)


def test_a_filter_that_the_kernel_cannot_hold_is_refused() -> None:
    text = " or ".join(f"host 10.0.{number >> 8}.{number & 255}" for number in range(900))
    with pytest.raises(FilterError, match="4,096"):
        compile_filter(text, 1, 65535, own=True)


@pytest.mark.parametrize("text", ["", "  "])
def test_no_filter_passes_everything(text: str) -> None:
    assert np.frombuffer(packed(compile_filter(text, 1, 77)), "<u4")[1] == 77


@pytest.mark.parametrize(("text", "place", "word"), [
    ("tcp and", 8, "the end"),
    ("host 10.0.0.300", 6, "10.0.0.300"),
    ("net 10.0.0.1/8", 5, "10.0.0.1/8"),
    ("tcp port 70000", 10, "70000"),
    ("portrange 20", 11, "20"),
    ("icmp port 3", 11, "3"),
    ("tcp host 10.0.0.1", 10, "10.0.0.1"),
    ("ip6 host 10.0.0.1", 10, "10.0.0.1"),
    ("(tcp or udp", 12, "the end"),
    ("tcp udp", 5, "udp"),
    ("tcp )", 5, ")"),
    ("tcp & udp", 5, "&"),
    ("443", 1, "443"),
    ("nonsense", 1, "nonsense"),
    ("not " * 200 + "tcp", 405, "not"),
    ("host ٣", 6, "٣"),
    ("port ٣", 6, "٣"),
])
def test_a_mistake_is_named_with_its_place(text: str, place: int, word: str) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter(text, 1, 65535, own=True)
    assert f"character {place}: " in str(caught.value)
    assert word in str(caught.value)


@needs_library
def test_libpcap_s_word_for_a_mistake_comes_with_our_place() -> None:
    with pytest.raises(FilterError, match=r"character 5: .*libpcap says"):
        compile_filter("tcp prt 80", 1, 65535)


@needs_library
def test_what_only_libpcap_understands_is_left_to_it() -> None:
    syn = compile_filter("tcp[tcpflags] & tcp-syn != 0", 1, 65535)
    packet = frames.tcp("10.0.0.1", "10.0.0.2", (1, 2), flags=0x02)
    assert passes(syn, frames.ethernet(0x0800, packet))
    assert not passes(syn, frames.ethernet(0x0800, frames.tcp("10.0.0.1", "10.0.0.2", (1, 2))))


def test_a_filter_cannot_ask_for_a_vlan_and_says_why() -> None:
    with pytest.raises(FilterError, match="VLAN"):
        compile_filter("vlan 5 and tcp", 1, 65535)


@given(st.text(max_size=60) | st.lists(st.sampled_from(
    ["tcp", "host", "port", "net", "and", "or", "not", "(", ")", "10.0.0.1", "80", "1-2", "src",
     "dst", "::1", "10.0.0.0/8", "!", "&&"]), max_size=12).map(" ".join))
def test_any_text_is_a_filter_or_one_error(text: str) -> None:
    for own in (True, False):
        with suppress(FilterError):
            assert compile_filter(text, 1, 65535, own)
