"""The shell that asks a policy function: the emulator's own, over HTTP/2."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from testbed.ran.pcf import Pcf
from testbed.ran.pcf_server import serve_pcf
from tests.testbed.ran.test_pcf import FLOW, LLM, SIX, Plane
from xapp.actuators.flow_promotion import FlowRequest, PromotionConfig
from xapp.core import Core
from xapp.errors import ConfigurationError
from xapp.observations import Snssai
from xapp.promoter import Promoter
from xapp.ue_map import Origin, UeEntry, UeMap

WEB = Snssai(1)
Answers = list[tuple[int, str, bool, str, bool]]


class Asked:
    """The core's end."""

    def __init__(self) -> None:
        self.ue_map, self.answers = UeMap(), Answers()
        self.ue_map.put(Origin.FILE, [UeEntry(FLOW.ue, dnn="internet", supi="001010000000001")],
                        0.0)

    def remote_answered(self, call: int, actuator: str, acknowledged: bool, why: str, now: float,
                        answered: bool = True) -> None:
        self.answers.append((call, actuator, acknowledged, why, answered))


def request(back: bool = False, six: bool = False) -> FlowRequest:
    return FlowRequest("gnb", "", (), SIX if six else FLOW, WEB, WEB if back else LLM)


def served(work: Callable[[Promoter, Asked, Plane, PromotionConfig], Awaitable[None]]) -> None:
    plane, asked = Plane(), Asked()

    async def run() -> None:
        async with serve_pcf(Pcf(plane, LLM), "127.0.0.1", 0) as port:
            config = PromotionConfig(f"http://127.0.0.1:{port}", LLM, ask_seconds=30.0)
            promoter = Promoter(cast(Core, asked), config, lambda: 5.0, lambda: None)
            try:
                await work(promoter, asked, plane, config)
            finally:
                promoter.close()

    asyncio.run(run())


def test_flows_go_and_come_back() -> None:
    async def work(promoter: Promoter, asked: Asked, plane: Plane,
                   config: PromotionConfig) -> None:
        await asyncio.gather(promoter.ask(1, request()), promoter.ask(2, request(six=True)))
        assert plane.flows == {FLOW, SIX}
        await promoter.ask(3, request())  # once more does no harm
        await promoter.ask(4, request(back=True))
        assert plane.flows == {SIX}
        assert sorted(one[:3] for one in asked.answers) == [
            (call, "core_flow_promotion", True) for call in (1, 2, 3, 4)]

    served(work)


def test_what_a_killed_run_asked_for_is_found_and_ended() -> None:
    async def work(promoter: Promoter, asked: Asked, plane: Plane,
                   config: PromotionConfig) -> None:
        await promoter.ask(1, request())
        later = Promoter(cast(Core, asked), config, lambda: 6.0, lambda: None)
        await later.ask(2, request(back=True))
        later.close()
        assert not plane.flows

    served(work)


def test_a_refusal_is_an_answer_and_silence_is_none() -> None:
    async def work(promoter: Promoter, asked: Asked, plane: Plane,
                   config: PromotionConfig) -> None:
        plane.fails = ConfigurationError("1024 flows are the most.")
        await promoter.ask(1, request())
        away = Promoter(cast(Core, asked), PromotionConfig("http://127.0.0.1:9", LLM),
                        lambda: 5.0, lambda: None)
        await away.ask(2, request())
        away.close()
        refused, silent = asked.answers
        assert (refused[0], refused[2], refused[4]) == (1, False, True)
        assert "1024 flows" in refused[3]
        assert (silent[0], silent[2], silent[4]) == (2, False, False)

    served(work)
