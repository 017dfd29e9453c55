"""The captures that are measured on are what they say, and verdicts follow from the figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pcap_tools.parallel import ParallelTables, Wanted
from tests.benchmarks import bench_pcap, others_pcap, traffic
from tests.benchmarks.report import Measured

MIX = traffic.Mix(packets=4000, flows=150)
SAME = ("first", "last", "packets_up", "packets_down", "bytes_up", "bytes_down", "payload_up",
        "source_port", "destination_port", "protocol", "version")


def flows_of(path: Path) -> Any:
    rows = np.concatenate(list(ParallelTables([path], Wanted())))
    return np.sort(rows, order=["first", "source_port"])


def test_every_variant_holds_the_same_flows(tmp_path: Path) -> None:
    plain = tmp_path / "plain.pcap"
    traffic.write(MIX, plain)
    flows = flows_of(plain)
    assert len(flows) == MIX.flows
    assert int(flows["packets_up"].sum() + flows["packets_down"].sum()) == MIX.packets
    assert set(flows["version"]) == {4, 6}
    assert set(flows["vlan"]) == {0, 100}
    for name, variant in (("tunnel", replace(MIX, tunnel=True)),
                          ("cut", replace(MIX, snap=96))):
        traffic.write(variant, tmp_path / name)
        same = flows_of(tmp_path / name)
        for column in SAME:
            np.testing.assert_array_equal(same[column], flows[column])
        assert (same["teid_up"] != 0).all() == variant.tunnel


def test_a_subset_is_the_beginning(tmp_path: Path) -> None:
    traffic.write(MIX, tmp_path / "all.pcap")
    traffic.write(MIX, tmp_path / "some.pcap", 1000)
    some = (tmp_path / "some.pcap").read_bytes()
    assert (tmp_path / "all.pcap").read_bytes().startswith(some)


def test_scapy_finds_as_many_flows(tmp_path: Path) -> None:
    traffic.write(MIX, tmp_path / "some.pcap", 500)
    assert others_pcap.scapy([str(tmp_path / "some.pcap")]) == (
        len(flows_of(tmp_path / "some.pcap")), 500)


def figures(cpu: float, peak: float = 100.0, in_flows: int = 100, otherwise: int = 0) -> Measured:
    return Measured([{"cpu": cpu, "peak_mb": peak, "in_flows": in_flows, "otherwise": otherwise}])


@pytest.mark.parametrize(("ours", "peak", "tunnel", "in_flows", "expected"), [
    (1.0, 100.0, 2.0, 97, [True, True, True, True]),
    (1.1, 400.0, 2.3, 96, [False, False, False, False]),
])
def test_verdicts(ours: float, peak: float, tunnel: float, in_flows: int,
                  expected: list[bool]) -> None:
    cases = [bench_pcap.Case("mixed", Path("absent"), 100, ()),
             bench_pcap.Case("in GTP-U", Path("absent"), 100, ())]
    measured = {"mixed": {bench_pcap.OURS: figures(ours, peak, in_flows, 3),
                          bench_pcap.NFSTREAM: figures(10.0)},
                "in GTP-U": {bench_pcap.OURS: figures(tunnel)}}
    rows = [bench_pcap.row(case, tool, measured[case.name])
            for case in cases for tool in measured[case.name]]
    assert [met for _, met in bench_pcap.judge(rows).values()] == expected


def test_what_was_not_measured_is_no_verdict() -> None:
    case = bench_pcap.Case("mixed", Path("absent"), 100, ())
    tunnel = bench_pcap.Case("in GTP-U", Path("absent"), 100, ())
    missing = {bench_pcap.OURS: Measured(reason="it broke")}
    rows = [bench_pcap.row(one, bench_pcap.OURS, missing) for one in (case, tunnel)]
    assert {met for _, met in bench_pcap.judge(rows).values()} == {None}
