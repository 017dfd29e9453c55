"""srsRAN's remote control of an emulated base station: a WebSocket for quotas and metrics.

    async with serve(control, "127.0.0.1", 8001) as server: ...

It errs as the real one does: a quota of an unknown slice, or with a minimum above the maximum, is
acknowledged and nothing happens. Only what is no command at all gets an error. Commands are taken
apart by `RemoteControl.answer`, which opens nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.exceptions import ConnectionClosed

from testbed.ran.cell_model import NOTHING, Radio, Ran, Share, Snapshot, UeFacts
from testbed.ran.kpm_values import ue_window
from xapp.e2.quota import NO_SD
from xapp.errors import ConfigurationError
from xapp.observations import Snssai

MOST_OCTETS = 1 << 16  # of a command
MOST_CLIENTS = 16
FIRST_RNTI = 0x4601
Fields = dict[str, Any]


class RemoteControl:
    """What the commands do to a cell."""

    def __init__(self, ran: Ran, say: Callable[[str], None] = lambda text: None,
                 effect: Callable[[], bool] = lambda: True) -> None:
        """Nothing is done while `effect` says no, and acknowledged all the same."""
        self._ran, self._say, self._effect = ran, say, effect

    def answer(self, message: str | bytes) -> tuple[Fields, bool]:
        """The answer to a command, and whether it subscribes to metrics."""
        try:
            fields = json.loads(message)
        except (ValueError, RecursionError):
            return {"error": "Failed to parse the command as JSON"}, False
        name = fields.get("cmd") if isinstance(fields, dict) else None
        if not isinstance(name, str):
            return {"error": "The command has no `cmd`"}, False
        if name == "metrics_subscribe":
            return {"cmd": name}, True
        if name != "rrm_policy_ratio_set":
            return {"error": f"Unknown command type: {name[:60]}"}, False
        why = self._set(fields.get("policies"))
        return ({"cmd": name} if why is None else {"cmd": name, "error": why}), False

    def _set(self, policies: Any) -> str | None:
        """Why a command cannot be read; None where it is acknowledged."""
        try:
            share = Share(*(_percent(policies[key]) for key in (
                "min_prb_policy_ratio", "max_prb_policy_ratio", "dedicated_ratio")))
            members = [_slice(one) for one in policies["rRMPolicyMemberList"]]
        except (KeyError, TypeError, ValueError):
            return "'policies' object is not as it should be"
        for one in members:
            self._apply(one, share)
        return None

    def _apply(self, snssai: Snssai, share: Share) -> None:
        known = any(one == snssai for _, one in self._ran.shares)
        if not known or share.minimum > share.maximum or not self._effect():
            self._say(f"the remote control acknowledges a quota of slice {snssai} "
                      "and does nothing")
        else:
            self._ran.set_share(None, snssai, share)
            self._say(f"the remote control gives slice {snssai} {share.minimum} to "
                      f"{share.maximum} %")

    def metrics(self, before: Snapshot, after: Snapshot, seconds: float) -> Fields:
        """One message of the stream, of the time between two snapshots."""
        prbs = {one.nci: one.prbs for one in self._ran.cells}
        return {"timestamp": round(seconds, 3), "cells": [
            {"cell_metrics": {"pci": place + 1, "nof_prbs": prbs[cell.nci]},
             "ue_list": [_ue(one, number, before, after, prbs[cell.nci], place + 1)
                         | _radio(self._ran.radio(one.f1_id))
                         for number, one in enumerate(self._ran.ues) if one.cell == cell.nci]}
            for place, cell in enumerate(self._ran.cells)]}


def _ue(facts: UeFacts, number: int, before: Snapshot, after: Snapshot, prbs: int,
        pci: int) -> Fields:
    window = ue_window(before, after, facts.f1_id, None, prbs)
    done, seconds = window.counters, window.seconds
    rate = (lambda bits: bits / seconds) if seconds > 0 else (lambda bits: 0.0)
    waits = after.ues.get(facts.f1_id, {}).values()
    return {"pci": pci, "rnti": FIRST_RNTI + number,
            "dl_brate": rate(done.down_bits), "ul_brate": rate(done.up_bits),
            "dl_dropped_bits": sum((one.down_dropped for one in waits),
                                   NOTHING.down_dropped)}


def _radio(radio: Radio | None) -> Fields:
    """What is known of it."""
    told: Fields = {} if radio is None else {"cqi": radio.cqi, "pusch_snr_db": radio.up_snr_db}
    return {name: value for name, value in told.items() if value is not None}


def _percent(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 100:
        raise ValueError("no percentage")
    return value


def _slice(member: Any) -> Snssai:
    sst, sd = member["sst"], member.get("sd")
    if type(sst) is not int or (sd is not None and type(sd) is not int):
        raise ValueError("no slice")
    return Snssai(sst, None if sd in (None, NO_SD) else sd)


@asynccontextmanager
async def serve(control: RemoteControl, ran: Ran, host: str, port: int, period: float = 1.0,
                wall: Callable[[], float] = lambda: 0.0) -> AsyncIterator[Server]:
    """Take clients; each that subscribes gets metrics every `period` seconds."""
    clients: set[ServerConnection] = set()

    async def take(connection: ServerConnection) -> None:
        if len(clients) >= MOST_CLIENTS:
            await connection.close(1013, "too many clients")
            return
        clients.add(connection)
        stream: asyncio.Task[None] | None = None
        try:
            async for message in connection:
                answer, subscribes = control.answer(message)
                await connection.send(json.dumps(answer))
                if subscribes and stream is None:
                    stream = asyncio.create_task(_stream(connection, control, ran, period, wall))
        except ConnectionClosed:
            pass  # it went in the middle of something: there is nothing left to tell it
        finally:
            clients.discard(connection)
            if stream is not None:
                stream.cancel()
                await asyncio.gather(stream, return_exceptions=True)

    try:
        server = await serve_websocket(take, host, port, max_size=MOST_OCTETS, compression=None,
                                       close_timeout=1)
    except OSError as error:
        raise ConfigurationError(f"{host}:{port} cannot be listened on: {error.strerror}.",
                                 "Choose another --remote-port.") from error
    async with server:
        yield server


async def _stream(connection: ServerConnection, control: RemoteControl, ran: Ran,
                  period: float, wall: Callable[[], float]) -> None:
    before = ran.snapshot()
    try:
        while True:
            await asyncio.sleep(period)
            after = ran.snapshot()
            await connection.send(json.dumps(control.metrics(before, after, wall())))
            before = after
    except ConnectionClosed:
        return
