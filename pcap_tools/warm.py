"""Compiles everything of this package ahead of time: `python -m pcap_tools.warm`.

Set-up runs it, so that no user waits half a minute for a first flow. What it compiles is kept where
`compiled` says. It does each thing once with one packet and looks at no result.
"""

from __future__ import annotations

import io
import struct

import numpy as np

from pcap_tools.flow_engine import FlowEngine
from pcap_tools.flow_state import grown
from pcap_tools.parse import parse
from pcap_tools.read import open_captures
from pcap_tools.records import Records
from pcap_tools.ring import take_block
from pcap_tools.survey import Survey
from pcap_tools.write import PcapWriter


def one_frame() -> Records:
    """An Ethernet frame with an empty UDP datagram."""
    length = np.full(1, 60, np.int32)
    frame = np.zeros(60, np.uint8)
    frame[12:18] = (0x08, 0x00, 0x45, 0, 0, 28)
    frame[23], frame[39] = 17, 8
    return Records(frame, np.zeros(1, np.int64), length, length,
                   np.zeros(1, np.int64), np.ones(1, np.uint16), np.zeros(1, np.int32))


def warm() -> None:
    """Call every compiled function that Python calls, with the types that it is called with."""
    engine = FlowEngine()
    records = one_frame()
    engine.feed(records)
    engine.feed_packets(parse(records))
    grown(engine.state, 2 * len(engine.state.live))
    engine.advance(1)
    engine.finish()
    warm_files(records)
    Survey().feed(parse(records))
    take_block(np.zeros(64, np.uint8), 0, 64, False, True, records.data.copy(),
               records.start, records.captured.copy(), records.length.copy(), records.time)


def warm_files(records: Records) -> None:
    """Write a capture, and read damaged ones of each format, so that they are searched too."""
    out = io.BytesIO()
    PcapWriter(out).write(records)
    described = struct.pack("<IIHHII", 1, 20, 1, 0, 0, 20)
    section = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    for capture in (out.getvalue() + b"\xff" * 16, section + described + b"\xff" * 16):
        for _ in open_captures(["-"], stdin=io.BytesIO(capture)):
            pass


if __name__ == "__main__":
    warm()
