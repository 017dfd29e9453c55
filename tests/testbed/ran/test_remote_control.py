"""The remote control: acknowledges nonsense as the real one does; the xApp's client meets it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.ran.cell_model import Share
from testbed.ran.emulator_config import INTERNET, LLM, preset
from testbed.ran.fluid_cell import FluidCells
from testbed.ran.remote_control import RemoteControl, serve
from tests.testbed.ran.loopback import until
from tests.testbed.ran.test_ran_steered import over_slots
from xapp.actuators.srsran_ws import command
from xapp.e2.common import Snssai
from xapp.e2.quota import SliceQuota
from xapp.errors import ConfigurationError
from xapp.ric.srsran_remote import (
    Heard,
    Refused,
    RemoteConfig,
    RemoteMetrics,
    RemoteUp,
    SrsranRemote,
)

ACK = {"cmd": "rrm_policy_ratio_set"}


def made() -> tuple[RemoteControl, FluidCells]:
    ran = FluidCells(preset("srsran", ues=3, load="overload").cells)
    return RemoteControl(ran), ran


def text(snssai: Snssai, minimum: int, maximum: int, dedicated: int = 0) -> str:
    return command(SliceQuota(snssai, minimum, maximum, dedicated))


def test_a_slice_has_the_quota_of_the_xapp_s_own_command() -> None:
    control, ran = made()
    assert control.answer(text(Snssai(1, 1), 30, 90, 5)) == (ACK, False)
    assert control.answer(text(Snssai(1), 5, 95)) == (ACK, False)
    shares = {snssai: share for (_, snssai), share in ran.shares.items()}
    assert shares == {LLM: Share(30, 90, 5), INTERNET: Share(5, 95, 0)}


@pytest.mark.parametrize(("snssai", "minimum", "maximum"), [
    (Snssai(7, 7), 10, 90), (Snssai(1, 1), 90, 10)])
def test_nonsense_is_acknowledged_and_nothing_happens(
    snssai: Snssai, minimum: int, maximum: int
) -> None:
    control, ran = made()
    assert control.answer(text(snssai, minimum, maximum)) == (ACK, False)
    assert set(ran.shares.values()) == {Share()}


def test_with_the_fault_nothing_happens_either() -> None:
    _, ran = made()
    control = RemoteControl(ran, effect=lambda: False)
    assert control.answer(text(Snssai(1, 1), 30, 90)) == (ACK, False)
    assert set(ran.shares.values()) == {Share()}


@pytest.mark.parametrize("message", [
    "", "[]", "{", '{"cmd": 5}', '{"cmd": "reboot"}', '{"cmd": "rrm_policy_ratio_set"}',
    '{"cmd": "rrm_policy_ratio_set", "policies": []}', b"\xff\xfe", "[" * 100_000])
def test_what_is_no_command_gets_an_error(message: str | bytes) -> None:
    control, ran = made()
    answer, subscribes = control.answer(message)
    assert "error" in answer
    assert not subscribes
    assert set(ran.shares.values()) == {Share()}


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8)


@given(JSON, JSON, JSON)
def test_no_policies_raise(members: Any, minimum: Any, whole: Any) -> None:
    control, _ = made()
    for policies in (whole, {"rRMPolicyMemberList": members, "min_prb_policy_ratio": minimum,
                             "max_prb_policy_ratio": 50, "dedicated_ratio": 0}):
        answer, _ = control.answer(json.dumps(
            {"cmd": "rrm_policy_ratio_set", "policies": policies}))
        assert answer["cmd"] == "rrm_policy_ratio_set"


def test_metrics_are_rates_of_the_time_between() -> None:
    control, ran = made()
    before = ran.snapshot()
    ran.advance(2.0)
    fields = control.metrics(before, ran.snapshot(), 5.0)
    ues = fields["cells"][0]["ue_list"]
    assert len({one["rnti"] for one in ues}) == 3
    assert sum(one["dl_brate"] for one in ues) == pytest.approx(74.2e6, rel=0.1)
    same = control.metrics(before, before, 5.0)["cells"][0]["ue_list"]
    assert {one["dl_brate"] for one in same} == {0.0}


def test_the_xapp_s_client_sets_quotas_and_gets_metrics() -> None:
    async def scene() -> None:
        control, ran = made()
        heard: list[Heard] = []
        async with serve(control, ran, "127.0.0.1", 0, 0.02) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            remote = SrsranRemote(RemoteConfig(f"ws://127.0.0.1:{port}"), heard.append)
            task = asyncio.create_task(remote.run())
            try:
                await until(lambda: any(isinstance(one, RemoteUp) for one in heard))
                await remote.request(text(Snssai(1, 1), 30, 90))
                assert Share(30, 90, 0) in ran.shares.values()
                with pytest.raises(Refused, match="Unknown command"):
                    await remote.request('{"cmd": "reboot"}')
                await until(lambda: sum(isinstance(one, RemoteMetrics) for one in heard) > 2)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_over_the_scheduler_of_slots_the_stream_tells_what_a_quota_did() -> None:
    async def scene() -> None:
        cell = over_slots("srsran").ran
        control, heard = RemoteControl(cell), list[Heard]()
        async with serve(control, cell, "127.0.0.1", 0, 0.02) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            remote = SrsranRemote(RemoteConfig(f"ws://127.0.0.1:{port}"), heard.append)
            task = asyncio.create_task(remote.run())
            try:
                await until(lambda: any(isinstance(one, RemoteMetrics) for one in heard))
                before = cell.snapshot()
                cell.advance(before.at + 2.0)
                assert share_of_second(control.metrics(before, cell.snapshot(), 0.0)) == (
                    pytest.approx(0.5, abs=0.1))
                await remote.request(text(Snssai(1), 0, 20))
                before = cell.snapshot()
                cell.advance(before.at + 4.0)
                assert share_of_second(control.metrics(before, cell.snapshot(), 0.0)) == (
                    pytest.approx(0.2, abs=0.05))
                assert Share(0, 20, 0) in cell.shares.values()
                await remote.request(text(Snssai(7, 7), 10, 90))  # acknowledged, as by the real one
                cell.advance(before.at + 4.1)
                assert sorted(one.maximum for one in cell.shares.values()) == [20, 100]
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asyncio.wait_for(scene(), 120))


def share_of_second(fields: dict[str, Any]) -> float:
    first, second = (one["dl_brate"] for one in fields["cells"][0]["ue_list"])
    return float(second / (first + second))


def test_a_port_in_use_is_told() -> None:
    async def scene() -> None:
        control, ran = made()
        async with serve(control, ran, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            with pytest.raises(ConfigurationError, match="--remote-port"):
                async with serve(control, ran, "127.0.0.1", port):
                    pass

    asyncio.run(asyncio.wait_for(scene(), 60))
