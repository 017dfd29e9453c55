"""The whole xApp on a made-up RIC over real HTTP: threads, sockets, disk and clock and all."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from classifier.labels import LLM_SPLIT
from classifier.messages import Labelled
from tests.xapp.core_scene import ADDRESS, NODE, ran
from tests.xapp.ric.osc_ric import RAN, MadeRic
from tests.xapp.ric.osc_server import RicServer
from tests.xapp.steering_scene import LLM
from xapp.app import XappServer
from xapp.config import ApiConfig, XappConfig
from xapp.errors import ConfigurationError, TransportError
from xapp.observations import UeKey
from xapp.ric import osc_rmr
from xapp.ric.osc_config import OscConfig
from xapp.ric.osc_messages import RmrMessage
from xapp.ric.osc_shell import OscTermination
from xapp.ue_map import Origin, UeEntry

HANG = 20.0  # seconds that nothing here takes


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RicServer]:
    monkeypatch.delenv("CONFIG_FILE", raising=False)
    with RicServer(MadeRic()) as made:
        monkeypatch.setattr(osc_rmr, "open_rmr", made.open)
        yield made


def config(server: RicServer, folder: Path, **more: Any) -> XappConfig:
    return XappConfig(
        osc=replace(OscConfig(
            host="127.0.0.1", bind="127.0.0.1", http_port=0, submgr=server.url, e2mgr=server.url,
            appmgr=server.url, poll_seconds=0.1, rest_seconds=1.0, subscription_seconds=1.0,
            exit_seconds=3.0), **more),
        store=folder / "xapp.db", taps=(), ran=ran(period=100), kpi_labels=False,
        api=ApiConfig(on=False), exit_seconds=5.0)


@asynccontextmanager
async def running(server: RicServer, folder: Path, **more: Any) -> Any:
    """The xApp, from its start to an end in order."""
    xapp = XappServer(config(server, folder, **more))
    task = asyncio.create_task(xapp.run())
    try:
        await until(lambda: xapp._timer is not None or task.done())
        if task.done():
            task.result()
        yield xapp
    finally:
        xapp.stop()
        end = time.monotonic() + HANG
        while not task.done() and time.monotonic() < end:
            server.report(time.monotonic())  # what puts quotas back is proven by reports
            await asyncio.sleep(0.05)
        await task


async def until(seen: Callable[[], object], server: RicServer | None = None) -> None:
    """Reports come while it is waited for."""
    end = time.monotonic() + HANG
    while not seen():
        assert time.monotonic() < end, "it does not come to that"
        if server is not None:
            server.report(time.monotonic())
        await asyncio.sleep(0.05)


def there(xapp: XappServer) -> bool:
    return any(one.there for one in xapp.core.stations.stations)


def label(xapp: XappServer) -> None:
    xapp.core.mapped(Origin.FILE, [UeEntry(ADDRESS, UeKey(NODE, "du:1"), LLM)], xapp._now())
    xapp._label(Labelled(7, LLM_SPLIT, 0.95, "first", 1, ADDRESS, "192.0.2.9", 40000, 443, 6,
                         False, tap="tap", sequence=1), "tcp://tap", xapp._now())


def test_from_the_e2_managers_list_to_a_quota_and_back_at_the_end(
    server: RicServer, tmp_path: Path
) -> None:
    async def scene() -> None:
        # An answer that is given up leaves what nobody knows the manager's id of.
        async with running(server, tmp_path, rest_seconds=HANG, exit_seconds=HANG) as xapp:
            await until(lambda: xapp.core.observations.ues, server)
            label(xapp)
            await until(lambda: xapp.core.tally.controls["rc", "acknowledged"], server)
            assert server.ric.gnb.station.slices[LLM].minimum > 0
            assert isinstance(xapp.termination, OscTermination)
            assert xapp.termination.peer(1) == RAN
            assert json.loads(server.ric.registrations[0]["config"])["xapp_name"] == "airsplit"

    asyncio.run(scene())
    assert server.ric.gnb.station.slices[LLM].minimum == 0  # put back
    assert server.ric.kept == {}  # and every subscription deleted
    assert len(server.ric.deregistrations) == 1
    assert server.undone == 0


def test_what_is_being_subscribed_to_at_the_end_is_deleted(
    server: RicServer, tmp_path: Path
) -> None:
    server.hold = 0.2

    async def scene() -> None:
        async with running(server, tmp_path, rest_seconds=HANG, exit_seconds=HANG) as xapp:
            subs = xapp.termination.session.subscriptions._subs
            await until(lambda: any(one.posting and one.rest is None for one in subs.values()))

    asyncio.run(scene())
    assert server.ric.asked
    assert server.ric.kept == {}


@pytest.mark.parametrize(("before", "twice"), [(True, False), (False, True), (True, True)])
def test_notifications_before_or_after_responses_once_or_twice(
    server: RicServer, tmp_path: Path, before: bool, twice: bool
) -> None:
    server.before, server.twice = before, twice

    async def scene() -> None:
        async with running(server, tmp_path) as xapp:
            await until(lambda: xapp.core.observer.counters.reports, server)
            assert len(server.ric.asked) == len(server.ric.kept)

    asyncio.run(scene())


def test_health_and_policies_over_the_bus_and_probes_over_http(
    server: RicServer, tmp_path: Path
) -> None:
    async def scene() -> None:
        async with running(server, tmp_path) as xapp:
            server.deliver(RmrMessage(100, b"", origin=8))
            server.deliver(RmrMessage(20010, json.dumps({
                "operation": "CREATE", "policy_type_id": 20008, "policy_instance_id": "one",
                "payload": {"threshold": 5}}).encode(), origin=9))
            await until(lambda: any(one.type == 20011 for one in server.heard))
            assert any((one.type, one.origin) == (101, 8) for one in server.heard)
            assert {one.type for one in server.heard} >= {20012}
            assert len(xapp.core.a1.instances(20008)) == 1
            url = f"http://127.0.0.1:{xapp.termination.config.http_port}/ric/v1/health/"
            async with httpx.AsyncClient(trust_env=False) as client:
                assert (await client.get(url + "alive")).status_code == 200
                assert (await client.get(url + "ready")).status_code == 503  # nobody reports yet
                await until(lambda: xapp.core.observer.counters.reports, server)
                await until(lambda: xapp.operating.picture().health.ready, server)
                assert (await client.get(url + "ready")).status_code == 200

    asyncio.run(scene())


def test_a_subscription_manager_that_fails_is_asked_until_it_is_well(
    server: RicServer, tmp_path: Path
) -> None:
    server.ric.status = 503

    async def scene() -> None:
        async with running(server, tmp_path) as xapp:
            await until(lambda: there(xapp))
            assert not server.ric.kept
            server.ric.status = 0
            await until(lambda: xapp.core.observer.counters.reports, server)

    asyncio.run(scene())


def test_a_base_station_that_goes_is_lost_and_comes_back(
    server: RicServer, tmp_path: Path
) -> None:
    async def scene() -> None:
        async with running(server, tmp_path) as xapp:
            await until(lambda: there(xapp))
            server.ric.connected = False
            await until(lambda: not there(xapp))
            await until(lambda: server.ric.active() == {(8006, NODE)})
            server.ric.connected = True
            await until(lambda: there(xapp))
            await until(lambda: not server.ric.active())
            assert server.ric.metrics
            before = xapp.core.observer.counters.reports
            await until(lambda: xapp.core.observer.counters.reports > before, server)

    asyncio.run(scene())


def test_at_an_end_in_order_no_alarm_is_left(server: RicServer, tmp_path: Path) -> None:
    async def scene() -> None:
        async with running(server, tmp_path) as xapp:
            await until(lambda: there(xapp))
            server.ric.connected = False
            await until(lambda: server.ric.active())

    asyncio.run(scene())
    assert server.ric.active() == set()


def test_services_that_hang_delay_neither_the_loop_nor_the_end(
    server: RicServer, tmp_path: Path
) -> None:
    server.hold = 60.0

    async def scene() -> float:
        async with running(server, tmp_path, rest_seconds=0.2, exit_seconds=0.5):
            server.deliver(RmrMessage(100, b"", origin=8))
            await until(lambda: any(one.type == 101 for one in server.heard))
            began = time.monotonic()
        return time.monotonic() - began

    assert asyncio.run(scene()) < HANG / 2


def test_it_says_what_is_missing_and_leaves_nothing_open(
    server: RicServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(port: int, take: object) -> None:
        raise ConfigurationError("no library", "install it")

    async def scene() -> None:
        async with running(server, tmp_path):
            raise AssertionError("it started")

    monkeypatch.setattr(osc_rmr, "open_rmr", missing)
    with pytest.raises(ConfigurationError, match="no library"):
        asyncio.run(scene())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        async def other() -> None:
            async with running(server, tmp_path, http_port=port):
                raise AssertionError("it started")

        with pytest.raises(TransportError, match=str(port)):
            asyncio.run(other())


def test_the_descriptor_of_the_container_is_the_one_that_is_registered(
    server: RicServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config-file.json"
    file.write_text('{"xapp_name": "mine"}')
    monkeypatch.setenv("CONFIG_FILE", str(file))

    async def scene() -> None:
        async with running(server, tmp_path):
            await until(lambda: server.ric.registrations)

    asyncio.run(scene())
    assert server.ric.registrations[0]["config"] == '{"xapp_name": "mine"}'
    monkeypatch.setenv("CONFIG_FILE", str(tmp_path / "nothing"))
    with pytest.raises(ConfigurationError, match="CONFIG_FILE"):
        asyncio.run(scene())


def test_there_is_nothing_to_capture(server: RicServer, tmp_path: Path) -> None:
    xapp = XappServer(config(server, tmp_path), tmp_path / "e2.pcap")
    with pytest.raises(ConfigurationError, match="capture"):
        asyncio.run(xapp.run())
