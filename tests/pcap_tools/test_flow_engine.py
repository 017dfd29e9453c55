"""The flow table: equal to its definition whatever comes, and its rules one by one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pcap_tools.errors import UsageError
from pcap_tools.flow_engine import FlowEngine
from pcap_tools.flow_state import OUTPUT
from pcap_tools.flows import End, FlowConfig, Sampled
from pcap_tools.packets import PACKET, Status, Tunnel
from pcap_tools.reference import Reference
from tests.pcap_tools.traffic import (
    ACK,
    FIN,
    MS,
    RST,
    SECOND,
    START,
    SYN,
    UDP,
    answer,
    assert_same,
    engine_of,
    exact,
    mixed,
    of,
    outcome,
    packet,
    rows,
)

WINDOWS = (Sampled.WINDOW_100_MS, Sampled.WINDOW_1_S, Sampled.WINDOW_10_S)
CONFIGS = st.builds(
    FlowConfig, idle=st.sampled_from([1.0, 5.0, 120.0]),
    active=st.sampled_from([3.0, 1800.0, math.inf]), most=st.sampled_from([2, 5, 1000]),
    windows=st.booleans(), samples=st.booleans(), shortest=st.sampled_from(WINDOWS))


# --- As a whole ----------------------------------------------------------------------------------

@given(st.integers(0, 1 << 30), CONFIGS, st.integers(2, 4))
@settings(max_examples=25, deadline=None)
def test_flows_and_samples_are_those_of_the_definition(seed: int, config: FlowConfig,
                                                       hosts: int) -> None:
    packets = mixed(seed, 150, hosts)
    flows, samples = engine_of(packets, config)
    expected_flows, expected_samples = of(Reference(config), packets)
    assert_same(flows, expected_flows)
    assert_same(samples, expected_samples)


def test_long_flows_are_those_of_the_definition() -> None:
    packets = mixed(7, 1200, 2)
    config = FlowConfig(windows=True)
    for ours, theirs in zip(engine_of(packets, config), of(Reference(config), packets),
                            strict=True):
        assert_same(ours, theirs)


@given(st.integers(0, 1 << 30), st.lists(st.integers(0, 200), max_size=10))
@settings(max_examples=20, deadline=None)
def test_it_does_not_matter_how_packets_are_cut_up(seed: int, cuts: list[int]) -> None:
    packets = mixed(seed, 200)
    config = FlowConfig(windows=True, idle=5.0)
    engine = FlowEngine(config)
    taken: tuple[list[Any], list[Any]] = [], []
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), 200], strict=True):
        engine.feed_packets(packets[begin:end])
        taken[0].append(engine.flows())
        taken[1].append(engine.samples())
    engine.finish()
    taken[0].append(engine.flows())
    taken[1].append(engine.samples())
    whole = FlowEngine(config)
    whole.feed_packets(packets)
    whole.finish()
    assert exact(np.concatenate(taken[0])) == exact(whole.flows())
    assert exact(np.concatenate(taken[1])) == exact(whole.samples())


@given(st.integers(0, 1 << 30), st.booleans())
@example(18414, False)  # the last packet is of no flow
@settings(max_examples=20, deadline=None)
def test_time_that_passes_without_packets_changes_nothing(seed: int, windows: bool) -> None:
    packets = mixed(seed, 150)
    packets["time"] = np.sort(packets["time"])
    config = FlowConfig(windows=windows, idle=5.0)
    live = FlowEngine(config)
    random = np.random.default_rng(seed)
    # What belongs to no flow tells the engine no time: beyond the last that does, it knows less.
    counted = packets["time"][packets["status"] <= Status.FRAGMENT]
    last = int(counted.max(initial=0))
    for index, row in enumerate(packets):
        live.feed_packets(packets[index:index + 1])
        if index + 1 < len(packets) and random.random() < 0.7:
            room = int(packets[index + 1]["time"]) - int(row["time"])
            live.advance(min(last, int(row["time"]) + int(random.random() * room)))
    live_flows, live_samples = outcome(live)
    flows, samples = engine_of(packets, config)
    assert exact(live_flows) == exact(flows)
    assert sorted(exact(live_samples)) == sorted(exact(samples))


@pytest.mark.parametrize("seed", [0, 1 << 61])
def test_the_hash_changes_nothing(seed: int) -> None:
    packets = mixed(3, 500, 4)
    assert exact(of(FlowEngine(seed=seed), packets)[1]) == exact(engine_of(packets)[1])


def test_no_sample_holds_an_infinity() -> None:
    samples = engine_of(mixed(11, 2000, 4), FlowConfig(windows=True))[1]
    assert set(samples["kind"]) == set(Sampled)
    assert not np.isinf(samples["vector"]).any()


def test_every_packet_is_counted_by_what_it_was() -> None:
    engine = FlowEngine()
    engine.feed_packets(rows(*(
        packet(status=status, fragment=7 * (status == Status.FRAGMENT)) for status in Status)))
    assert engine.counters.packets == dict.fromkeys(Status, 1)
    assert engine.counters.flows == 2  # a fragment of an unknown packet has ports 0
    assert engine.counters.live == engine.live == 2


@pytest.mark.parametrize("shortest", WINDOWS)
def test_shorter_windows_can_be_left_out(shortest: Sampled) -> None:
    packets = mixed(8, 600, 2)
    every = engine_of(packets, FlowConfig(windows=True))[1]
    wanted = engine_of(packets, FlowConfig(windows=True, shortest=shortest))[1]
    left = (every["kind"] >= Sampled.WINDOW_100_MS) & (every["kind"] < shortest)
    assert left.any() == (shortest > Sampled.WINDOW_100_MS)
    assert exact(wanted) == exact(every[~left])


def test_without_rows_of_flows_samples_are_the_same() -> None:
    packets = mixed(9, 400)
    flows, samples = engine_of(packets, FlowConfig(rows=False))
    assert len(flows) == 0
    assert exact(samples) == exact(engine_of(packets)[1])


def test_without_samples_flows_are_the_same() -> None:
    packets = mixed(5, 400)
    engine = FlowEngine(FlowConfig(samples=False, windows=True))
    flows, samples = of(engine, packets)
    assert len(samples) == 0
    assert exact(flows) == exact(engine_of(packets)[0])


# --- Directions ----------------------------------------------------------------------------------

def test_the_first_packet_fixes_the_direction() -> None:
    flow = engine_of(rows(answer(), packet(1), packet(2)))[0][0]
    assert (flow["source_port"], flow["packets_up"], flow["packets_down"]) == (1002, 1, 2)
    assert bytes(flow["source"][:4]) == bytes((10, 0, 0, 2))


def test_who_answers_a_connection_did_not_begin_it() -> None:
    flow = engine_of(rows(answer(flags=SYN | ACK), packet(1)))[0][0]
    assert (flow["source_port"], flow["packets_up"], flow["packets_down"]) == (1001, 1, 1)


def test_what_one_sends_to_oneself_goes_up() -> None:
    flow = engine_of(rows(packet(0, 1, 1), packet(1, 1, 1)))[0][0]
    assert (flow["packets_up"], flow["packets_down"]) == (2, 0)


def test_a_protocol_is_a_flow_of_its_own() -> None:
    assert len(engine_of(rows(packet(), packet(protocol=UDP), answer()))[0]) == 2


# --- Beginnings and ends -------------------------------------------------------------------------

def ends(packets: NDArray[np.void], config: FlowConfig | None = None) -> list[End]:
    return [End(row["end"]) for row in engine_of(packets, config)[0]]


def test_silence_ends_a_flow() -> None:
    config = FlowConfig(idle=1.0)
    assert ends(rows(packet(), packet(SECOND)), config) == [End.SOURCE]
    assert ends(rows(packet(), packet(SECOND + 1)), config) == [End.IDLE, End.SOURCE]


def test_other_flows_time_ends_it_too() -> None:
    engine = FlowEngine(FlowConfig(idle=1.0))
    engine.feed_packets(rows(packet(), packet(2 * SECOND, 3, 4)))
    assert engine.flows()["flow"].tolist() == [0]


def test_a_long_flow_is_cut() -> None:
    config = FlowConfig(active=1.0)
    packets = rows(*(packet(number * SECOND // 2) for number in range(6)))
    assert ends(packets, config) == [End.ACTIVE, End.SOURCE]


def test_an_ended_connection_waits_for_its_last_packets() -> None:
    goodbye = [packet(flags=FIN | ACK), answer(1, flags=FIN | ACK), packet(2, flags=ACK)]
    engine = FlowEngine()
    engine.feed_packets(rows(*goodbye, packet(6 * SECOND, 3, 4)))
    flow = engine.flows()[0]
    assert (flow["end"], flow["packets_up"]) == (End.FINISHED, 2)


def test_one_fin_ends_nothing() -> None:
    assert ends(rows(packet(flags=FIN | ACK), answer(20 * SECOND))) == [End.SOURCE]


def test_a_reset_ends_a_connection() -> None:
    assert ends(rows(packet(), answer(1, flags=RST), answer(20 * SECOND))) == [
        End.FINISHED, End.SOURCE]


@pytest.mark.parametrize(("before", "again", "expected"), [
    ([], {"sequence": 5}, [End.SOURCE]),  # sent once more
    ([], {"sequence": 6}, [End.REUSED, End.SOURCE]),
    (["answer"], {"sequence": 5}, [End.SOURCE]),
    (["answer", "data"], {"sequence": 6}, [End.REUSED, End.SOURCE]),
    (["reset"], {"sequence": 5}, [End.FINISHED, End.SOURCE]),
])
def test_a_syn_may_begin_another_connection(before: list[str], again: dict[str, int],
                                            expected: list[End]) -> None:
    made = {"answer": answer(1, flags=SYN | ACK), "data": packet(2, flags=ACK),
            "reset": answer(3, flags=RST)}
    packets = rows(packet(flags=SYN, sequence=5), *(made[name] for name in before),
                   packet(SECOND, flags=SYN, **again))
    assert ends(packets) == expected


def test_a_syn_among_data_begins_another_connection() -> None:
    assert ends(rows(packet(), answer(1), packet(2, flags=SYN))) == [End.REUSED, End.SOURCE]
    assert ends(rows(answer(flags=SYN | ACK), packet(1, flags=SYN))) == [End.SOURCE]


# --- Tunnels and fragments -----------------------------------------------------------------------

def tunnelled(time: int, teid: int, down: bool = False, **fields: Any) -> NDArray[np.void]:
    return (answer if down else packet)(time, tunnel=Tunnel.GTP_U, teid=teid, **fields)


def test_each_direction_learns_its_tunnel() -> None:
    flows = engine_of(rows(tunnelled(0, 7, qfi=9), tunnelled(1, 8, down=True),
                           tunnelled(2, 7), tunnelled(3, 8, down=True)))[0]
    assert [(row["teid_up"], row["teid_down"], row["qfi"]) for row in flows] == [(7, 8, 9)]


def test_the_same_addresses_in_other_tunnels_are_another_phone() -> None:
    packets = rows(tunnelled(0, 1), tunnelled(1, 11, down=True), tunnelled(2, 2),
                   tunnelled(3, 12, down=True), tunnelled(4, 1), tunnelled(5, 12, down=True))
    flows = engine_of(packets)[0]
    assert [(row["teid_up"], row["teid_down"]) for row in flows] == [(1, 11), (2, 12)]
    assert flows["packets_up"].tolist() == [2, 1]
    assert flows["packets_down"].tolist() == [1, 2]


def test_a_packet_before_and_in_a_tunnel_is_two_flows() -> None:
    assert len(engine_of(rows(packet(), tunnelled(1, 1), packet(2, tunnel=Tunnel.VXLAN)))[0]) == 3


def test_fragments_follow_their_first() -> None:
    first = packet(fragment=9, protocol=UDP)
    later = packet(1, fragment=9, protocol=UDP, source_port=0, destination_port=0,
                   status=Status.FRAGMENT)
    flows = engine_of(rows(first, later))[0]
    assert flows["packets_up"].tolist() == [2]
    assert engine_of(rows(later, first))[0]["source_port"].tolist() == [0, 1001]
    late = later.copy()
    late["time"] += 31 * SECOND
    assert engine_of(rows(first, late))[0]["source_port"].tolist() == [1001, 0]


# --- Memory --------------------------------------------------------------------------------------

def many(number: int) -> NDArray[np.void]:
    """One packet each of that many flows."""
    packets = np.repeat(packet(), number)
    packets["source_port"] = np.arange(number) % 60000
    packets["destination_port"] = np.arange(number) // 60000
    packets["time"] += np.arange(number)
    return packets


def test_a_full_table_gives_up_whoever_was_silent_for_longest() -> None:
    packets = rows(packet(0, 1, 2), packet(1, 3, 4), packet(2, 1, 2), packet(3, 5, 6))
    engine = FlowEngine(FlowConfig(most=2))
    engine.feed_packets(packets)
    assert engine.counters.evicted == 1
    flow = engine.flows()[0]
    assert (flow["source_port"], flow["end"]) == (1003, End.EVICTED)


def test_ended_connections_are_given_up_first() -> None:
    packets = rows(packet(0, 1, 2), packet(1, 3, 4, flags=RST), packet(2, 5, 6))
    engine = FlowEngine(FlowConfig(most=2))
    engine.feed_packets(packets)
    assert engine.flows()["source_port"].tolist() == [1003]


def test_the_table_grows_and_all_come_out() -> None:
    number = max(3 * FlowConfig.room, 2 * OUTPUT) + 1
    engine = FlowEngine(FlowConfig())
    packets = many(number)
    engine.feed_packets(packets)
    assert engine.live == number
    packets["time"] += SECOND
    engine.feed_packets(packets)  # all are found again
    flows, samples = outcome(engine)
    assert (flows["packets_up"] == 2).all()
    assert flows["flow"].tolist() == list(range(number))
    assert (samples["kind"] == Sampled.WHOLE).sum() == number


def test_all_flows_may_end_at_one_packet() -> None:
    engine = FlowEngine(FlowConfig(idle=1.0, samples=False))
    engine.feed_packets(many(2 * OUTPUT + 1))
    engine.feed_packets(packet(60 * SECOND, 3, 4))
    assert engine.live == 1
    assert len(engine.flows()) == 2 * OUTPUT + 1


# --- Time ----------------------------------------------------------------------------------------

def test_time_that_runs_backwards_is_no_time() -> None:
    flow = engine_of(rows(packet(SECOND), packet(0), packet(2 * SECOND)))[0][0]
    assert (flow["gap_min"], flow["gap_max"]) == (0.0, 1.0)
    assert flow["first"] == START + SECOND
    assert flow["last"] == START + 2 * SECOND


def test_one_packet_from_the_future_does_not_end_all_that_follow() -> None:
    packets = rows(packet(), packet(10_000 * SECOND, 3, 4), *(
        packet(number * MS) for number in range(1, 9)))
    assert engine_of(packets)[0]["packets_up"].tolist() == [1, 1, 8]


@pytest.mark.parametrize("time", [-(1 << 63), -1, 0, (1 << 63) - 1])
def test_any_time_is_taken(time: int) -> None:
    strange = packet()
    strange["time"] = time
    flows = engine_of(rows(strange, packet(), strange))[0]
    assert flows["packets_up"].sum() == 3


# --- Samples -------------------------------------------------------------------------------------

def kinds(packets: NDArray[np.void], **options: Any) -> list[tuple[Sampled, int]]:
    samples = engine_of(packets, FlowConfig(**options))[1]
    return [(Sampled(row["kind"]), int(row["at"]) - START) for row in samples]


def test_stages_are_sampled_by_what_comes_after_them() -> None:
    packets = rows(packet(), packet(50 * MS), packet(100 * MS), packet(5 * SECOND))
    assert kinds(packets) == [
        (Sampled.AFTER_100_MS, 100 * MS), (Sampled.AFTER_1_S, SECOND),
        # Nothing was new after two seconds.
        (Sampled.WHOLE, 5 * SECOND)]
    samples = engine_of(packets)[1]
    assert samples["vector"][:, 0].tolist() == [2, 3, 4]


def test_numbers_of_packets_are_sampled_with_the_packet() -> None:
    packets = rows(*(packet(number) for number in range(25)))
    assert kinds(packets) == [(Sampled.PACKETS_5, 4), (Sampled.PACKETS_10, 9),
                              (Sampled.PACKETS_20, 19), (Sampled.WHOLE, 24)]


def test_a_window_tells_of_what_was_in_it() -> None:
    packets = rows(packet(), packet(150 * MS), packet(160 * MS))
    samples = engine_of(packets, FlowConfig(windows=True))[1]
    windows = samples[(samples["kind"] >= Sampled.WINDOW_100_MS) & (
        samples["kind"] < Sampled.WHOLE)]
    told = [(Sampled(row["kind"]), (int(row["at"]) - START) // MS, row["vector"][0])
            for row in windows]
    assert told == [
        (Sampled.WINDOW_100_MS, 100, 1), (Sampled.WINDOW_100_MS, 200, 2),
        (Sampled.WINDOW_1_S, 1000, 3), (Sampled.WINDOW_10_S, 10000, 3)]


def test_a_sample_knows_its_flow_as_it_was() -> None:
    packets = rows(*(tunnelled(number, 7) for number in range(5)), tunnelled(6, 8, down=True))
    samples = engine_of(packets)[1]
    assert samples["teid_up"].tolist() == [7, 7]
    assert samples["teid_down"].tolist() == [0, 8]


def test_time_alone_brings_samples_and_ends() -> None:
    engine = FlowEngine(FlowConfig(idle=3.0))
    engine.feed_packets(packet())
    engine.advance(START + 99 * MS)
    assert len(engine.samples()) == 0
    engine.advance(START + 100 * MS)
    assert engine.samples()["kind"].tolist() == [Sampled.AFTER_100_MS]
    engine.advance(START + 3 * SECOND)
    assert len(engine.samples()) == len(engine.flows()) == 0
    engine.advance(START + 4 * SECOND)
    assert engine.samples()["kind"].tolist() == [Sampled.WHOLE]
    assert engine.flows()["end"].tolist() == [End.IDLE]


def test_an_unknown_payload_is_what_usual_headers_leave() -> None:
    sizes = [(UDP, 128, 100), (6, 52, 0), (6, 72, 0), (6, 152, 100), (1, 84, 64)]
    packets = rows(*(packet(number, protocol=protocol, length=length, payload=-1)
                     for number, (protocol, length, _) in enumerate(sizes)))
    engine = FlowEngine(FlowConfig(idle=10.0))
    flows = of(engine, packets)[0]
    assert flows["payload_up"].tolist() == [100, 100, 64]  # UDP, TCP in one flow, ICMP


# --- Use -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("config", [FlowConfig(most=0), FlowConfig(idle=0), FlowConfig(active=-1),
                                    FlowConfig(idle=math.nan), FlowConfig(room=0),
                                    FlowConfig(shortest=Sampled.WHOLE)])
def test_a_table_that_cannot_work_is_refused(config: FlowConfig) -> None:
    with pytest.raises(UsageError):
        FlowEngine(config)


def test_other_rows_are_refused() -> None:
    with pytest.raises(UsageError, match="packets"):
        FlowEngine().feed_packets(np.zeros(1, np.dtype([("time", "<i8")])))


def test_nothing_in_nothing_out() -> None:
    flows, samples = engine_of(np.zeros(0, PACKET))
    assert len(flows) == len(samples) == 0
