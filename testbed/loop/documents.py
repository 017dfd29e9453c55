"""The loop's settings as the files of the programs that it is made of.

    cell_document(settings)            # for `airsplit ran`
    crowd_document(settings)           # the same cell with the crowd's traffic, for `loop.crowd`
    xapp_document(settings, labels, folder)

What a control arm does wrong is said here, in words that these programs take from any operator.
What the settings say of the cell in its own file's words is handed on as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed.loop.crowd_load import crowd_traffic
from testbed.loop.own_cell import GROUP, Words, count_of, name_of
from testbed.loop.own_files import trace_kind, with_whole_paths
from testbed.loop.own_policy import POLICY_NAME
from testbed.loop.settings import (
    INTERNET,
    LLM,
    Arm,
    LoopSettings,
    RadioChannel,
    Sessions,
    Steering,
)

CHANNELS: dict[RadioChannel, dict[str, Any]] = {
    RadioChannel.GOOD: {"kind": "static", "snr_db": 16.0},
    RadioChannel.FADING: {"kind": "pedestrian", "snr_db": 16.0},
    RadioChannel.EDGE: {"kind": "pedestrian", "snr_db": 4.0, "shadow_db": 2.0}}
PROMPT_ROWS = 24  # of the phone's questions, about
LINGER_SECONDS = 5.0  # that a flow counts after it was last heard of
FIRST_CELL = 0x66C000  # NR cell identity; further ones follow
CROWD_CHANNEL = {"kind": "static", "snr_db": 12.0}
# A tenth of a second of the cell: more would be a queue that no phone would stay for.
MAC: dict[str, Any] = {"request_jitter": 5, "queue": {"kbytes": 150}}
SHARES = ("minimum", "maximum", "dedicated")  # of a slice
WRONG_MAP = "wrong-ues.yaml"  # what the operator of the control arm believes


def cell_document(settings: LoopSettings) -> dict[str, Any]:
    """A cell without traffic, with E2."""
    settings = with_whole_paths(settings)
    one = {"dnn": "internet", "slice": INTERNET}
    sessions = [one, {"dnn": "llm", "slice": LLM}] if settings.sessions is Sessions.TWO else [one]
    return {
        "cells": _cells(settings), "mac": _mac(settings.mac), "slices": _slices(settings),
        "ues": [
            {"name": "phone", "channel": _channel(settings), "sessions": sessions},
            *([{"name": "page", "channel": CHANNELS[RadioChannel.GOOD], "sessions": sessions}]
              if settings.page else []),
            *_crowd(settings)],
        "way": {"name": settings.name},
        "e2": {"ric": settings.ric, "map_port": settings.map_port, "node": {"profile": "spec"}},
        "seed": settings.seed,
    } | ({"remap": {"slice": LLM, "pcf_port": settings.pcf_port}} if settings.remaps else {})


def _cells(settings: LoopSettings) -> list[Words]:
    given = settings.cells or ({"bandwidth_mhz": settings.bandwidth_mhz, "spacing_khz": 15},)
    return [{"nci": FIRST_CELL + place, **one} for place, one in enumerate(given)]


def _mac(given: Words) -> dict[str, Any]:
    """Ours where nothing is said."""
    queue = given.get("queue")
    inner = {"queue": MAC["queue"] | queue} if isinstance(queue, Mapping) else {}
    return MAC | dict(given) | inner


def _slices(settings: LoopSettings) -> list[Words]:
    if settings.slices:
        return [{**one, "slice": str(one.get("slice"))} for one in settings.slices]
    if settings.steering is Steering.STATIC:
        return [{"slice": INTERNET, "minimum": settings.floor},
                {"slice": LLM, "minimum": settings.static_percent}]
    return [{"slice": INTERNET}, {"slice": LLM}]


def _channel(settings: LoopSettings) -> Words:
    """The phone's."""
    if settings.channel_trace is None:
        return CHANNELS[settings.channel]
    return {"kind": trace_kind(Path(settings.channel_trace)), "file": settings.channel_trace}


def _crowd(settings: LoopSettings) -> list[Words]:
    if not settings.crowd_groups:
        return [{"name": GROUP, "count": settings.crowd, "channel": CROWD_CHANNEL}]
    return [{"channel": CROWD_CHANNEL, **{key: one[key] for key in one if key != "traffic"},
             "name": name_of(one), "count": count_of(one)} for one in settings.crowd_groups]


def crowd_document(settings: LoopSettings) -> dict[str, Any]:
    """What the crowd sends from when it is told to begin."""
    return cell_document(settings) | {"traffic": crowd_traffic(with_whole_paths(settings))}


def xapp_document(settings: LoopSettings, labels: str, folder: Path) -> dict[str, Any]:
    """For `airsplit xapp`; `labels` is where the tap's messages are."""
    slices = _slices(settings)
    sources: dict[str, Any] = {"emulator": f"http://127.0.0.1:{settings.map_port}/ues", "every": 1}
    if settings.arm is Arm.WRONG_SLICE:
        sources["file"] = str(folder / WRONG_MAP)  # goes before what the cell says
    return {
        "listen": [settings.ric], "store": str(folder / "xapp.db"),
        "taps": [{"address": labels}], "ue_map": sources,
        "api": {"port": settings.api_port, "token_file": str(folder / "xapp.token")},
        "ran": {"slices": [one["slice"] for one in slices], "period_ms": 500,
                "nodes": [{"name": "*", "profile": "spec"}]},
        "policies": [{"name": POLICY_NAME, **policy_words(settings)}],
        "limits": limits_words(settings),
        "steering": {"found": {one["slice"]: {share: one[share] for share in SHARES if share in one}
                               for one in slices}},
    } | ({"actuators": {"promotion": {"pcf": f"http://127.0.0.1:{settings.pcf_port}",
                                      "slice": LLM}}}
         if settings.remaps and settings.arm is not Arm.WRONG_SLICE else {})


def policy_words(settings: LoopSettings) -> dict[str, Any]:
    """The xApp's policy, what is given of it before ours."""
    floors: Any = settings.policy.get("floors", {})
    if isinstance(floors, Mapping):
        floors = settings.floors | {str(name).lower(): value for name, value in floors.items()}
    return {"inter_token_ms": settings.inter_token_ms, "first_token_ms": settings.first_token_ms,
            "prompt_rows": PROMPT_ROWS, **settings.policy, "floors": floors}


def limits_words(settings: LoopSettings) -> dict[str, Any]:
    """Its limits, likewise.

    A floor for slices that no policy names would help the model's even where the xApp takes the
    wrong one for it: a control arm could not be told from the run itself. A flow that ended is
    soon forgotten: a story of two minutes has no time to linger. The edge computes a token in some
    10 ms.
    """
    return {"floor": 0, "linger": LINGER_SECONDS, "air_share": 0.7,
            "grant_ms": settings.grant_ms, "headroom": settings.headroom, **settings.limits}


def wrong_map_document(settings: LoopSettings) -> dict[str, Any]:
    """An operator's UE map that puts the phone's model into the crowd's slice."""
    addresses = [settings.phone_address, *([settings.page_address] if settings.page else [])]
    return {"ues": [{"address": one, "slice": INTERNET} for one in addresses]}
