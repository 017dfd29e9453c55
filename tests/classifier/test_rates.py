"""What addresses carry, second by second."""

from __future__ import annotations

import pytest

from classifier.errors import UsageError
from classifier.messages import MOST_RATES, AddressRates
from classifier.rates import Rates
from pcap_tools.flow_engine import FlowEngine
from pcap_tools.flows import FlowConfig
from tests.pcap_tools.frames import ethernet, records_of, tcp, udp

SECOND = 10**9
UE, OTHER, SERVER = "10.45.0.2", "10.45.0.3", "192.0.2.1"


class Scene:
    """A flow engine as the tap has it."""

    def __init__(self, *networks: str) -> None:
        self.engine = FlowEngine(FlowConfig(idle=5.0, rows=False))
        self.rates = Rates(networks or ("10.45.0.0/16", "2001:db8:cafe::/48"), "tap")
        self.rates.take(self.engine.state, 0)

    def feed(self, at: float, *packets: bytes) -> None:
        frames = [ethernet(0x86DD if packet[0] >> 4 == 6 else 0x0800, packet)
                  for packet in packets]
        self.engine.feed(records_of(frames, [round(at * SECOND)] * len(frames)))
        self.rates.ended(self.engine.samples())

    def told(self, at: float) -> dict[str, tuple[int, int]]:
        self.engine.advance(round(at * SECOND))
        self.rates.ended(self.engine.samples())
        messages = self.rates.take(self.engine.state, round(at * SECOND))
        return {address: (up, down) for one in messages for address, up, down in one.rates}


def test_flows_of_an_address_add_up_whoever_began_them() -> None:
    scene = Scene()
    scene.feed(0.1, udp(UE, SERVER, (1, 2), bytes(100)), udp(SERVER, UE, (2, 1), bytes(1000)),
               udp(SERVER, UE, (9, 9), bytes(30)), udp("192.0.2.7", SERVER, (5, 5), bytes(77)))
    assert scene.told(1.0) == {UE: (100, 1030)}
    scene.feed(1.5, udp(UE, SERVER, (1, 2), bytes(50)))
    assert scene.told(3.0) == {UE: (25, 0)}  # of two seconds


def test_a_flow_between_two_ues_is_both() -> None:
    scene = Scene()
    scene.feed(0.1, udp(UE, OTHER, (1, 2), bytes(100)))
    assert scene.told(1.0) == {UE: (100, 0), OTHER: (0, 100)}


def test_what_an_ended_flow_carried_last_is_counted_once() -> None:
    scene = Scene()
    scene.feed(0.1, tcp(UE, SERVER, (1, 2), bytes(100)))
    assert scene.told(1.0)[UE] == (100, 0)
    scene.feed(1.2, tcp(UE, SERVER, (1, 2), bytes(60)))
    scene.engine.finish()
    scene.rates.ended(scene.engine.samples())
    assert scene.told(2.0)[UE] == (60, 0)
    assert scene.told(3.0) == {}


def test_many_addresses_go_in_several_messages() -> None:
    scene = Scene()
    scene.feed(0.1, *(udp(f"10.45.1.{one}", SERVER, (1, 2), bytes(one)) for one in range(1, 101)))
    messages = scene.rates.take(scene.engine.state, SECOND)
    assert [len(one.rates) for one in messages] == [MOST_RATES] * 3 + [100 - 3 * MOST_RATES]
    assert messages[0].rates[0] == ("10.45.1.100", 100, 0)
    assert isinstance(messages[0], AddressRates)


def test_no_networks_tell_nothing_and_what_is_none_is_said() -> None:
    scene = Scene()
    quiet = Rates((), "tap")
    quiet.take(scene.engine.state, 0)
    scene.feed(0.1, udp(UE, SERVER, (1, 2), bytes(100)))
    assert quiet.take(scene.engine.state, SECOND) == []
    with pytest.raises(UsageError, match="no network"):
        Rates(("10.45.0.0/99",))
