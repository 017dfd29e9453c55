"""After set-up nothing is left to compile."""

from __future__ import annotations

from typing import Any

import pytest

from pcap_tools import flow_kernel, lookup, parse
from pcap_tools.compiled import UNCOMPILED
from pcap_tools.flow_engine import FlowEngine
from pcap_tools.flows import FlowConfig
from pcap_tools.warm import one_frame, warm
from tests.pcap_tools.frames import mixed, records_of
from tests.pcap_tools.traffic import START, packet

CALLED: list[Any] = [parse.parse_all, flow_kernel.run, flow_kernel.run_records,
                     flow_kernel.advance, flow_kernel.finish, lookup.insert]


@pytest.mark.skipif(UNCOMPILED, reason="nothing is compiled")
def test_every_use_finds_its_code_compiled() -> None:
    engine = FlowEngine()
    engine.feed(one_frame())
    assert engine.live == 1  # so that growing has something to do
    warm()
    before = [set(function.signatures) for function in CALLED]
    assert all(before)
    for config in (FlowConfig(), FlowConfig(samples=False), FlowConfig(windows=True, most=3)):
        engine = FlowEngine(config)
        records = records_of(mixed(20))
        records.data.flags.writeable = False
        engine.feed(records)
        many = packet().repeat(FlowConfig.room + 1)
        many["sequence"] = many["source_port"] = range(len(many))
        many.flags.writeable = False
        engine.feed_packets(many)
        engine.advance(START)
        engine.finish()
    assert [set(function.signatures) for function in CALLED] == before
