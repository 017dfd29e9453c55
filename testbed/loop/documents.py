"""The loop's settings as the files of the programs that it is made of.

    cell_document(settings)            # for `airsplit ran`
    crowd_document(settings)           # the same cell with the crowd's traffic, for `loop.crowd`
    xapp_document(settings, labels, folder)

What a control arm does wrong is said here, in words that these programs take from any operator.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from testbed.loop.settings import (
    INTERNET,
    LLM,
    Arm,
    Load,
    LoopSettings,
    RadioChannel,
    Sessions,
    Steering,
)

CHANNELS: dict[RadioChannel, dict[str, Any]] = {
    RadioChannel.GOOD: {"kind": "static", "snr_db": 16.0},
    RadioChannel.FADING: {"kind": "pedestrian", "snr_db": 16.0},
    RadioChannel.EDGE: {"kind": "pedestrian", "snr_db": 4.0, "shadow_db": 2.0}}
PHONES_OF_UE = 4  # for each of the crowd: of one alone there is little, and that in bursts
PROMPT_ROWS = 24  # of the phone's questions, about
LINGER_SECONDS = 5.0  # that a flow counts after it was last heard of
WRONG_MAP = "wrong-ues.yaml"  # what the operator of the control arm believes


def cell_document(settings: LoopSettings) -> dict[str, Any]:
    """A cell without traffic, with E2."""
    one = {"dnn": "internet", "slice": INTERNET}
    sessions = [one, {"dnn": "llm", "slice": LLM}] if settings.sessions is Sessions.TWO else [one]
    slices: list[dict[str, Any]] = [{"slice": INTERNET}, {"slice": LLM}]
    if settings.steering is Steering.STATIC:
        slices = [{"slice": INTERNET, "minimum": settings.floor},
                  {"slice": LLM, "minimum": settings.static_percent}]
    return {
        "cells": [{"nci": 0x66C000, "bandwidth_mhz": settings.bandwidth_mhz, "spacing_khz": 15}],
        # A tenth of a second of the cell: more would be a queue that no phone would stay for.
        "mac": {"request_jitter": 5, "queue": {"kbytes": 150}},
        "slices": slices,
        "ues": [
            {"name": "phone", "channel": CHANNELS[settings.channel], "sessions": sessions},
            *([{"name": "page", "channel": CHANNELS[RadioChannel.GOOD], "sessions": sessions}]
              if settings.page else []),
            {"name": "crowd", "count": settings.crowd,
             "channel": {"kind": "static", "snr_db": 12.0}}],
        "way": {"name": settings.name},
        "e2": {"ric": settings.ric, "map_port": settings.map_port, "node": {"profile": "spec"}},
        "seed": settings.seed,
    } | ({"remap": {"slice": LLM, "pcf_port": settings.pcf_port}} if settings.remaps else {})


def crowd_document(settings: LoopSettings) -> dict[str, Any]:
    """What the crowd sends from when it is told to begin."""
    return cell_document(settings) | {"traffic": _traffic(settings)}


def _traffic(settings: LoopSettings) -> list[dict[str, Any]]:
    if settings.load is Load.NONE:
        return []
    down, up = settings.down_kbps, settings.up_kbps
    if settings.load is Load.SATURATION:
        return [{"kind": "saturation", "ues": ["crowd"], "down_kbps": down, "up_kbps": up}]
    return [{"kind": "phones", "ues": ["crowd"], "phones": PHONES_OF_UE,
             "load": down / (PHONES_OF_UE * _mean_phone_kbps())}]


def _mean_phone_kbps() -> float:
    """Down, of the phones of which models are bundled."""
    from testbed.ran.traffic.phone_model import BUNDLED, read_models

    return statistics.fmean(one.down_kbps for one in read_models(BUNDLED).values())


def xapp_document(settings: LoopSettings, labels: str, folder: Path) -> dict[str, Any]:
    """For `airsplit xapp`; `labels` is where the tap's messages are."""
    sources: dict[str, Any] = {"emulator": f"http://127.0.0.1:{settings.map_port}/ues", "every": 1}
    if settings.arm is Arm.WRONG_SLICE:
        sources["file"] = str(folder / WRONG_MAP)  # goes before what the cell says
    return {
        "listen": [settings.ric], "store": str(folder / "xapp.db"),
        "taps": [{"address": labels}], "ue_map": sources,
        "api": {"port": settings.api_port, "token_file": str(folder / "xapp.token")},
        "ran": {"slices": [INTERNET, LLM], "period_ms": 500,
                "nodes": [{"name": "*", "profile": "spec"}]},
        "policies": [{"name": "llm", "inter_token_ms": settings.inter_token_ms,
                      "first_token_ms": settings.first_token_ms, "prompt_rows": PROMPT_ROWS,
                      "floors": {INTERNET: settings.floor}}],
        # A floor for slices that no policy names would help the model's even where the xApp takes
        # the wrong one for it: a control arm could not be told from the run itself.
        # A flow that ended is soon forgotten: a story of two minutes has no time to linger.
        # The edge computes a token in some 10 ms.
        "limits": {"floor": 0, "linger": LINGER_SECONDS, "air_share": 0.7,
                   "grant_ms": settings.grant_ms, "headroom": settings.headroom},
        "steering": {"found": {one["slice"]: {"minimum": one.get("minimum", 0)}
                               for one in cell_document(settings)["slices"]}},
    } | ({"actuators": {"promotion": {"pcf": f"http://127.0.0.1:{settings.pcf_port}",
                                      "slice": LLM}}}
         if settings.remaps and settings.arm is not Arm.WRONG_SLICE else {})


def wrong_map_document(settings: LoopSettings) -> dict[str, Any]:
    """An operator's UE map that puts the phone's model into the crowd's slice."""
    addresses = [settings.phone_address, *([settings.page_address] if settings.page else [])]
    return {"ues": [{"address": one, "slice": INTERNET} for one in addresses]}
