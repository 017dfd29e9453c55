"""The node as a peer of the production termination, over TCP frames and over usrsctp."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from scapy.utils import RawPcapReader

from testbed.ran.cell_model import Share
from testbed.ran.emulator_config import INTERNET, LLM
from tests.testbed.ran.loopback import Ric, pair, run, until
from tests.xapp.ric.scene import ADDRESSES, missing
from xapp.e2.capture import Capture
from xapp.e2.capture_reading import PduFinder
from xapp.e2.ccc import CccCell
from xapp.e2.ccc_quota import ccc_quota_control
from xapp.e2.common import CCC_OIDS, KPM_OIDS, Snssai
from xapp.e2.e2ap import decode
from xapp.e2.e2ap_messages import E2SetupRequest, E2SetupResponse, Indication
from xapp.e2.e2ap_types import Action
from xapp.e2.kpm import ActionDefinition, CellAction, CommonConditionAction, EventTrigger
from xapp.e2.measurements import Aspect, CommonCondition, Condition, Measurement, Relation
from xapp.e2.profiles import PROFILES
from xapp.e2.quota import SliceQuota
from xapp.e2.rc_quota import slice_quota_control
from xapp.e2.ue_id import GnbDuUe

QUOTA = SliceQuota(Snssai(1, 1), 40, 100, 0)
OVER = {"tcp": ("spec", "srsran", "ocudu", "oai", "oai-old", "flexric"),
        "usrsctp": ("srsran", "oai")}


@pytest.mark.parametrize(("transport", "profile"), [
    (transport, profile) for transport, profiles in OVER.items() for profile in profiles])
def test_every_kind_sets_up_and_reports(transport: str, profile: str) -> None:
    if why := missing(transport):
        pytest.skip(why)

    async def scene() -> None:
        async with pair(profile, ADDRESSES[transport]) as both:
            await until(lambda: len(both.ric.observations().ues) == 3)
            loads = [one.load.down_kbps for one in both.ric.observations().ues.values()]
            await until(lambda: any((one.load.down_kbps or 0) > 1000
                                    for one in both.ric.observations().ues.values()))
            assert len(loads) == 3
            assert both.node.connected == len(both.node.agent.units)
            assert not [one for one in both.ric.told if one.level.value == "error"]

    run(scene())


@pytest.mark.parametrize("transport", ["tcp", "usrsctp"])
def test_a_quota_is_seen_in_the_next_reports(transport: str) -> None:
    if why := missing(transport):
        pytest.skip(why)

    async def scene() -> None:
        async with pair("spec", ADDRESSES[transport]) as both:
            await until(lambda: 50 < both.ric.delay() < float("inf"))
            control = slice_quota_control(PROFILES["spec"], [QUOTA],
                                          GnbDuUe(both.ran.ues[0].f1_id))
            answer = await both.ric.control(control)
            assert answer.acknowledged
            assert Share(40, 100, 0) in both.ran.shares.values()
            await until(lambda: both.ric.delay() < 50)

    run(scene())


def test_a_ric_that_went_away_is_met_again() -> None:
    async def scene() -> None:
        async with pair("srsran") as both:
            await until(lambda: both.ric.there)
            await both.ric.termination.close()
            await until(lambda: both.node.connected == 0)
            again = Ric("srsran", both.ric.cells)
            await again.listen(str(both.address))
            try:
                await until(lambda: len(again.observations().ues) == 3)
            finally:
                await again.termination.close()
            assert any("it tries again" in one for one in both.said)

    run(scene())


def test_a_wrong_condition_ends_an_oai_gnb_which_comes_back() -> None:
    async def scene() -> None:
        async with pair("oai") as both:
            await until(lambda: len(both.ric.observations().ues) == 3)
            numbers = {one.ran_id for one in both.ran.ues}
            kpm = both.ric.stations.stations[0].profile.kpm
            wrong = CommonConditionAction(
                (CommonCondition(Condition(Aspect.CQI, Relation.EQUAL)),),
                CellAction((Measurement("DRB.UEThpDl"),), 100))
            key = both.ric.stations.stations[0].key
            handle, events = both.ric.nodes.subscribe(
                key, KPM_OIDS, kpm.event.encode(EventTrigger(100)),
                Action(1, definition=kpm.action.encode(ActionDefinition(4, wrong))), 0.0)
            both.ric.nodes.unsubscribe(key, handle, 0.0)  # else it is asked for again and again
            both.ric.termination.apply(events)
            await until(lambda: not both.ric.there)
            await until(lambda: len(both.ric.observations().ues) == 3)
            assert numbers.isdisjoint(one.ran_id for one in both.ran.ues)
            assert both.node.agent.counts.ends == 1

    run(scene())


def test_a_du_that_hangs_stays_silent_until_it_is_restarted() -> None:
    async def scene() -> None:
        async with pair("srsran") as both:
            await until(lambda: len(both.ric.observations().ues) == 3)
            cell = CccCell("00101", both.ran.cells[0].nci)
            answer = await both.ric.control(ccc_quota_control(PROFILES["ocudu"], cell, [
                SliceQuota(Snssai(1, 1), 40, 100, 1)]), CCC_OIDS)
            assert not answer.answered
            silent = both.node.agent.counts.indications
            await asyncio.sleep(0.3)  # three reports would have come
            assert both.node.agent.counts.indications == silent
            assert both.node.connected == 2  # its associations stay
            both.node.restart()
            await until(lambda: both.node.agent.counts.indications > silent)

    run(scene())


def test_its_capture_has_both_ways(tmp_path: Path) -> None:
    file = tmp_path / "node.pcap"

    async def scene() -> None:
        with Capture(file, lambda why: None) as capture:
            async with pair("srsran", capture=capture) as both:
                await until(lambda: both.node.agent.counts.indications > 2)

    run(scene())
    finder = PduFinder()
    with RawPcapReader(str(file)) as packets:
        pdus = [pdu for frame, meta in packets
                for pdu in finder.take(0, frame, packets.linktype)]
    found = [(pdu, decode(pdu.data)) for pdu in pdus]
    assert {E2SetupRequest, E2SetupResponse, Indication} <= {type(one) for _, one in found}
    units = [pdu.ends for pdu, one in found if isinstance(one, E2SetupRequest)]
    assert len(units) == len(set(units)) == 2  # the DU's and the CU-CP's are told apart


def test_it_ends_in_order_and_the_ric_sees_it_gone() -> None:
    async def scene() -> None:
        async with pair("srsran") as both:
            await until(lambda: both.ric.there)
            both.node.stop()
            await until(lambda: not both.ric.there)
            assert both.node.connected == 0
            assert {INTERNET, LLM} == {one for _, one in both.ran.shares}

    run(scene())


def test_it_ends_while_nobody_listens() -> None:
    async def scene() -> None:
        async with pair("oai") as both:
            await both.ric.termination.close()
            await until(lambda: any("it tries again" in one for one in both.said))

    run(scene())


def test_a_fault_in_the_middle_of_reporting_ends_it_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with pair("spec") as both:
            await until(lambda: both.ric.there)

            def broken(now: float) -> None:
                raise ZeroDivisionError("of a report")

            monkeypatch.setattr(both.node.agent, "tick", broken)
            await until(lambda: not both.ric.there)

    with pytest.raises(ZeroDivisionError, match="of a report"):
        run(scene())
