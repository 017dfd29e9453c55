"""Made-up packets for the flow table's tests: rows of PACKET, few addresses, much going on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcap_tools.flow_engine import FlowEngine
from pcap_tools.flows import FlowConfig
from pcap_tools.packets import PACKET, Status, Tunnel
from pcap_tools.reference import Reference

START = 1_700_000_000_000_000_000
MS = 1_000_000
SECOND = 1_000 * MS
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
TCP, UDP = 6, 17


def packet(time: int = 0, source: int = 1, destination: int = 2, **fields: Any,
           ) -> NDArray[np.void]:
    """One row; `time` is nanoseconds after START, addresses are IPv4's last byte."""
    row = np.zeros(1, PACKET)
    row["time"] = START + time
    row["source"][0, :4] = (10, 0, 0, source)
    row["destination"][0, :4] = (10, 0, 0, destination)
    row["version"], row["protocol"], row["qfi"] = 4, TCP, 255
    row["source_port"], row["destination_port"] = 1000 + source, 1000 + destination
    row["length"], row["payload"], row["flags"] = 152, 100, ACK
    for name, value in fields.items():
        row[name] = value
    return row


def answer(time: int = 0, **fields: Any) -> NDArray[np.void]:
    """One the other way."""
    return packet(time, 2, 1, **fields)


def rows(*packets: NDArray[np.void]) -> NDArray[np.void]:
    return np.concatenate([np.zeros(0, PACKET), *packets])


def mixed(seed: int, number: int, hosts: int = 3) -> NDArray[np.void]:
    """Everything at once, in an order and at times that no network would make."""
    random = np.random.default_rng(seed)
    table = np.zeros(number, PACKET)
    gaps = random.choice([0, 1000, 300_000, 5 * MS, 40 * MS, 700 * MS, 4 * SECOND], number,
                         p=[.1, .1, .3, .2, .2, .07, .03])
    jitter = random.integers(0, 100_000, number) - 20_000  # some run backwards
    table["time"] = START + np.cumsum(gaps) + jitter
    table["version"] = 4
    source = random.integers(1, hosts + 1, number)
    destination = random.integers(1, hosts + 1, number)
    table["source"][:, 0], table["destination"][:, 0] = source, destination
    table["protocol"] = random.choice([TCP, TCP, UDP], number)
    table["source_port"], table["destination_port"] = 1000 + source, 1000 + destination
    table["payload"] = random.choice([0, 0, 1, 60, 64, 200, 256, 1024, 1400, -1], number)
    table["length"] = 52 + np.where(table["payload"] >= 0, table["payload"],
                                    random.integers(0, 1400, number))
    table["flags"] = random.choice([ACK, ACK | PSH, SYN, SYN | ACK, FIN | ACK, RST, 0xFF], number,
                                   p=[.5, .38, .03, .03, .04, .01, .01])
    table["sequence"] = random.integers(0, 2, number)
    table["qfi"] = 255
    tunnelled = random.random(number) < 0.2
    table["tunnel"][tunnelled] = Tunnel.GTP_U
    table["teid"][tunnelled] = random.integers(0, 4, tunnelled.sum())
    table["qfi"][tunnelled] = random.choice([255, 1, 9], tunnelled.sum())
    table["quic"] = (table["protocol"] == UDP) & (random.random(number) < 0.1)
    table["vlan"] = random.integers(0, 3, number)
    pieces = random.random(number) < 0.1
    table["fragment"][pieces] = random.integers(1, 4, pieces.sum())
    later = pieces & (random.random(number) < 0.6)
    table["status"][later] = Status.FRAGMENT
    for name in ("source_port", "destination_port", "flags"):
        table[name][later] = 0
    table["status"][random.random(number) < 0.03] = Status.NOT_IP
    return table


def outcome(engine: FlowEngine | Reference) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """Flows and samples, in an order that does not depend on which of several ended first."""
    engine.finish()
    flows, samples = engine.flows(), engine.samples()
    return (flows[np.argsort(flows["flow"], kind="stable")],
            samples[np.argsort(samples["flow"], kind="stable")])


def of(engine: FlowEngine | Reference, packets: NDArray[np.void],
       ) -> tuple[NDArray[np.void], NDArray[np.void]]:
    engine.feed_packets(packets)
    return outcome(engine)


def engine_of(packets: NDArray[np.void], config: FlowConfig | None = None,
              ) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """What the engine makes of packets."""
    return of(FlowEngine(config), packets)


def assert_same(ours: NDArray[np.void], theirs: NDArray[np.void]) -> None:
    """Whole numbers equal, others to rounding."""
    assert ours.dtype == theirs.dtype
    assert len(ours) == len(theirs)
    for name in ours.dtype.names or ():
        if ours[name].dtype.kind != "f":
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
        else:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-5, atol=1e-9,
                                       err_msg=name)


def exact(table: NDArray[np.void]) -> list[bytes]:
    """Rows as bytes to be compared, without what lies between fields."""
    packed = np.dtype([(name, table.dtype[name]) for name in table.dtype.names or ()])
    copy = table.astype(packed)
    return [row.tobytes() for row in copy]
