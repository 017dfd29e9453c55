"""A made-up split model's session for tests: packets, and a capture of them."""

from __future__ import annotations

from pathlib import Path

from pcap_tools.write import PcapWriter
from tests.pcap_tools.frames import ethernet, tcp

PHONE, EDGE, PORTS = "10.0.0.1", "192.0.2.9", (50_000, 8470)
BEGIN = 1_700_000_000_000_000_000  # nanoseconds since 1970
ROW, TOKEN, PERIOD = 552, 38, 20_000_000  # bytes up, bytes down, nanoseconds
Exchange = tuple[int, int]  # nanoseconds since the beginning, payload: below 0 down


def session(turns: int = 2, tokens: int = 12, prompt: int = 9_000, thinking: int = 3 * 10**9,
            row: int = ROW, token: int = TOKEN) -> list[Exchange]:
    """Handshakes, then for each turn a prompt in pieces, its first token, and so on."""
    packets, now = [(0, 265), (1_000_000, -240)], 2_000_000
    for _ in range(turns):
        left = prompt
        while left > 0:
            packets.append((now, min(left, 1448)))
            left, now = left - 1448, now + 500_000
        now += 5_000_000
        packets.append((now, -token))
        for _ in range(tokens - 1):
            packets += [(now + PERIOD // 2, row), (now + PERIOD, -token)]
            now += PERIOD
        now += thinking
    return packets


def write_capture(path: Path, packets: list[Exchange], address: str = PHONE) -> Path:
    """The packets as a TCP flow that begins with its SYN."""
    opening = [(-300, 0x02), (-200, 0x12), (-100, 0x10)]
    with PcapWriter(path) as writer:
        for time, flags in opening:
            ends = (EDGE, address, PORTS[::-1]) if flags == 0x12 else (address, EDGE, PORTS)
            writer.write_frame(BEGIN + time, ethernet(0x0800, tcp(*ends, flags=flags)))
        for time, size in packets:
            ends = (address, EDGE, PORTS) if size > 0 else (EDGE, address, PORTS[::-1])
            writer.write_frame(BEGIN + time, ethernet(0x0800, tcp(*ends, bytes(abs(size)))))
    return path
