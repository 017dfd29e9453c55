"""Transport headers, and the tunnels in them; compiled, one packet a call.

The arguments are those of `layers`. A function returns the next step, where it begins and where
the bytes end that were on the wire: `IP` where a tunnel holds a packet. Header layouts: RFC 9293
(TCP), 768 (UDP), 9260 (SCTP), 2784 and 2890 (GRE), 7348 (VXLAN), 8999 (QUIC), 3GPP TS 29.281 and
38.415 (GTP-U and its PDU session container).
"""

from __future__ import annotations

from typing import Any

from pcap_tools.compiled import compiled
from pcap_tools.layers import BAD, CUT, FLOW, IP, by_type, done, ethernet
from pcap_tools.octets import byte, long, short
from pcap_tools.packets import Tunnel

ICMP, IP_4, TCP, UDP, IP_6, GRE, ICMP_6, SCTP = 1, 4, 6, 17, 41, 47, 58, 132
IN_GTP_U, IN_GRE, IN_IP, IN_VXLAN = (int(tunnel) for tunnel in (
    Tunnel.GTP_U, Tunnel.GRE, Tunnel.IP_IN_IP, Tunnel.VXLAN))
GTP_U_PORT, VXLAN_PORT = 2152, 4789
EXTENSION_HEADERS = 8  # of one GTP-U packet
PDU_SESSION = 0x85
NO_QFI = 255
LONGEST = 0xFFFF  # of an IP packet whose outer one came in fragments


@compiled
def _is_ip(data: Any, at: int, end: int) -> bool:
    return at < end and byte(data, at) >> 4 in (4, 6)


@compiled
def _inside(out: Any, tunnel: int, at: int, limit: int, whole: bool) -> tuple[int, int, int]:
    """Go into a tunnel: what the outer packet told of itself is forgotten."""
    if out["tunnel"] == 0:
        out["tunnel"] = tunnel
    out["source_port"], out["destination_port"] = 0, 0
    out["payload"], out["fragment"] = -1, 0
    return IP, at, limit if whole else at + LONGEST


@compiled
def _tcp(data: Any, at: int, end: int, limit: int, whole: bool, out: Any) -> int:
    rest = limit - at
    if rest < 20 and whole:
        return done(BAD)
    if at + 4 > end:
        return done(CUT)
    out["source_port"], out["destination_port"] = short(data, at), short(data, at + 2)
    if at + 8 <= end:
        out["sequence"] = long(data, at + 4)
    if at + 14 <= end:
        header = (byte(data, at + 12) >> 4) * 4
        if header < 20 or (header > rest and whole):
            return done(BAD)
        out["flags"] = byte(data, at + 13)
        out["payload"] = max(rest - header, 0)
    return done(FLOW)


@compiled
def _is_quic(version: int) -> bool:
    """Versions 1 and 2, the drafts, and Google's own Q0xx and T05x."""
    return (version == 1 or version == 0x6B3343CF or version >> 8 == 0xFF0000
            or version >> 16 == 0x5130 or version >> 16 == 0x5430)


@compiled
def _gtp_u(data: Any, at: int, end: int, limit: int, whole: bool, out: Any,
           ) -> tuple[int, int, int]:
    """A user packet in its tunnel; anything else on that port stays an ordinary UDP packet."""
    outer = at
    if at + 12 > end or byte(data, at) >> 4 != 3 or byte(data, at + 1) != 0xFF:
        return done(FLOW), outer, limit
    inner_limit = at + 8 + short(data, at + 2)
    if inner_limit > limit and whole:
        return done(BAD), outer, limit
    teid = long(data, at + 4)
    qfi = NO_QFI
    options = byte(data, at) & 7
    at += 8
    if options:
        following = byte(data, at + 3) if options & 4 else 0
        at += 4
        for _ in range(EXTENSION_HEADERS):
            if following == 0:
                break
            if at + 4 > end:
                return done(CUT), outer, limit
            size = byte(data, at) * 4
            if size == 0:
                return done(BAD), outer, limit
            if following == PDU_SESSION:
                qfi = byte(data, at + 2) & 0x3F
            at += size
            if at > end:
                return done(CUT), outer, limit
            following = byte(data, at - 1)
    if not _is_ip(data, at, end):
        return done(FLOW), outer, limit
    if out["tunnel"] == 0:
        out["teid"], out["qfi"] = teid, qfi
    return _inside(out, IN_GTP_U, at, inner_limit, whole)


@compiled
def _udp(data: Any, at: int, end: int, limit: int, whole: bool, out: Any) -> tuple[int, int, int]:
    rest = limit - at
    if rest < 8 and whole:
        return done(BAD), at, limit
    if at + 4 > end:
        return done(CUT), at, limit
    port = short(data, at + 2)
    out["source_port"], out["destination_port"] = short(data, at), port
    out["payload"] = max(rest - 8, 0)
    if at + 6 > end:
        return done(FLOW), at, limit
    size = short(data, at + 4)
    if size != 0:  # 0 where segmentation was left to the network card
        if size < 8 or (size > rest and whole):
            return done(BAD), at, limit
        if whole:
            out["payload"] = size - 8
            limit = at + size
    if at + 13 > end:
        return done(FLOW), at, limit
    at += 8
    if port == GTP_U_PORT:
        return _gtp_u(data, at, end, limit, whole, out)
    if port == VXLAN_PORT and byte(data, at) & 0x08:
        step, inner = ethernet(data, at + 8, end, out, False)
        if step == IP and _is_ip(data, inner, end):
            return _inside(out, IN_VXLAN, inner, limit, whole)
    elif byte(data, at) & 0xC0 == 0xC0:
        out["quic"] = _is_quic(long(data, at + 1))
    return done(FLOW), at, limit


@compiled
def _gre(data: Any, at: int, end: int, limit: int, whole: bool, out: Any) -> tuple[int, int, int]:
    """GRE of version 0 that carries IP or Ethernet; PPTP's version 1 is a flow without ports."""
    if at + 4 > end:
        return done(FLOW), at, limit
    flags = short(data, at)
    kind = short(data, at + 2)
    if flags & 0x4007:  # source routes and other versions
        return done(FLOW), at, limit
    inner = at + 4
    for bit in (0x8000, 0x2000, 0x1000):  # checksum, key, sequence number
        if flags & bit:
            inner += 4
    step = IP
    if kind == 0x6558:
        step, inner = ethernet(data, inner, end, out, False)
    else:
        step, inner = by_type(data, inner - 2, end, kind)
    if step == IP and _is_ip(data, inner, end):
        return _inside(out, IN_GRE, inner, limit, whole)
    return done(FLOW), at, limit


@compiled
def transport(data: Any, at: int, end: int, limit: int, protocol: int, whole: bool, out: Any,
              ) -> tuple[int, int, int]:
    """Ports, flags and payload of what follows an IP header, or what is inside it."""
    if protocol == TCP:
        return _tcp(data, at, end, limit, whole, out), at, limit
    if protocol == UDP:
        return _udp(data, at, end, limit, whole, out)
    rest = limit - at
    out["payload"] = rest
    if protocol == SCTP:
        if rest < 12 and whole:
            return done(BAD), at, limit
        if at + 4 > end:
            return done(CUT), at, limit
        out["source_port"], out["destination_port"] = short(data, at), short(data, at + 2)
        out["payload"] = max(rest - 12, 0)
    elif protocol in (ICMP, ICMP_6):
        out["payload"] = max(rest - 8, 0)
    elif protocol in (IP_4, IP_6):
        if _is_ip(data, at, end):
            return _inside(out, IN_IP, at, limit, whole)
    elif protocol == GRE:
        return _gre(data, at, end, limit, whole, out)
    return done(FLOW), at, limit
