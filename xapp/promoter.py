"""Asks a core's policy function for single flows, one after another, and tells the core of it.

    promoter = Promoter(core, config, now, after)
    await promoter.ask(call, step)

A session that this run has not made, since the xApp was killed, is found by asking for its flow
once more. It decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from xapp.actuators.flow_promotion import LEVER, FlowRequest, PromotionConfig
from xapp.core import Core
from xapp.errors import PolicyFunctionAway, XappError
from xapp.flow_ends import FlowEnds
from xapp.observations import Snssai
from xapp.promotion import Wish
from xapp.promotion_client import PromotionClient


class Promoter:
    """One policy function."""

    def __init__(self, core: Core, config: PromotionConfig, now: Callable[[], float],
                 after: Callable[[], None]) -> None:
        """`after` is called when anything was answered."""
        self._core, self._config, self._now, self._after = core, config, now, after
        self._turn = asyncio.Lock()
        self._client: PromotionClient | None = None
        self._sessions: dict[FlowEnds, str] = {}
        logging.getLogger("httpx").setLevel(logging.WARNING)  # the audit log has every request

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    async def ask(self, call: int, step: FlowRequest) -> None:
        """One request, and its answer for the core, whatever that is."""
        answered, why = True, ""
        entry = self._core.ue_map.of_address(step.flow.ue)
        dnn = self._config.dnn if entry is None or entry.dnn is None else entry.dnn
        try:
            async with self._turn:
                await asyncio.to_thread(self._do, step, dnn, None if entry is None else entry.supi)
        except PolicyFunctionAway as error:
            answered, why = False, str(error)
        except XappError as error:
            why = str(error)
        self._core.remote_answered(call, LEVER.value, not why, why, self._now(), answered)
        self._after()

    def _do(self, step: FlowRequest, dnn: str, supi: str | None) -> None:
        """In a thread."""
        if self._client is None:
            self._client = PromotionClient(self._config.pcf, self._config.ask_seconds)
        session = self._sessions.pop(step.flow, None)
        if session is None or not step.back:
            session = self._client.promote(step.flow, dnn, Wish(reference=self._reference(step)),
                                           snssai=step.home, supi=supi)
            self._sessions[step.flow] = session
        if step.back:
            self._client.release(session)
            self._sessions.pop(step.flow, None)

    def _reference(self, step: FlowRequest) -> str:
        into: Snssai = self._config.slice if step.back else step.into
        return str(into)
