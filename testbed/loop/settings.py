"""What the closed loop is made of: a small cell, a crowd, two slices, phases; and others' files.

    settings = LoopSettings()
    cell_document(settings, 25.0), xapp_document(settings, labels, store)  # for their programs

The phone has a session in each slice and talks to its edge over the second's. It runs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.errors import TestbedFailure

INTERNET, LLM = "1", "1-000001"
EDGE_ADDRESS = "10.46.0.1"  # of the core's device in the split LLM's network
LLM_POOL = "10.46.0.0/16"
EDGE_PORT = 8470
PHASES = ("calm", "congested", "steered", "calm again")


@dataclass(frozen=True)
class LoopSettings:
    """All of it."""

    name: str = "airsplit-loop"  # that namespaces begin with
    crowd: int = 24  # phones that load the cell
    bandwidth_mhz: int = 5
    down_kbps: float = 1500.0  # of each of the crowd
    up_kbps: float = 1000.0
    calm_seconds: float = 15.0  # of the first phase
    congested_seconds: float = 20.0  # loaded, while the xApp only watches
    steered_seconds: float = 25.0  # loaded, and the xApp may act
    after_seconds: float = 15.0  # the crowd is gone
    inter_token_ms: float = 60.0  # what the policy wants
    floor: int = 10  # percent that the others keep
    ric_port: int = 36421
    udp_port: int = 9899  # of SCTP in UDP
    map_port: int = 8002
    api_port: int = 8480
    seed: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.crowd <= 100:
            raise TestbedFailure(f"A crowd of {self.crowd} cannot be.", "Give 1 to 100.")
        if min(self.calm_seconds, self.congested_seconds, self.steered_seconds,
               self.after_seconds) < 2:
            raise TestbedFailure("A phase is too short to show anything.",
                                 "Give each 2 seconds at least.")

    @property
    def seconds(self) -> float:
        return (self.calm_seconds + self.congested_seconds + self.steered_seconds
                + self.after_seconds)

    @property
    def ends(self) -> tuple[float, ...]:
        """When each phase ends, in seconds since the first began."""
        total, found = 0.0, []
        for one in (self.calm_seconds, self.congested_seconds, self.steered_seconds,
                    self.after_seconds):
            total += one
            found.append(total)
        return tuple(found)

    @property
    def ric(self) -> str:
        return f"usrsctp://127.0.0.1:{self.ric_port}?udp={self.udp_port}"


def cell_document(settings: LoopSettings, start: float) -> dict[str, Any]:
    """For `airsplit ran`; `start` is the cell's time at which the first phase begins."""
    return {
        "cells": [{"nci": 0x66C000, "bandwidth_mhz": settings.bandwidth_mhz, "spacing_khz": 15}],
        # A tenth of a second of the cell: more would be a queue that no phone would stay for.
        "mac": {"request_jitter": 5, "queue": {"kbytes": 150}},
        "slices": [{"slice": INTERNET}, {"slice": LLM}],
        "ues": [
            {"name": "phone", "channel": {"kind": "static", "snr_db": 16.0},
             "sessions": [{"dnn": "internet", "slice": INTERNET}, {"dnn": "llm", "slice": LLM}]},
            {"name": "crowd", "count": settings.crowd,
             "channel": {"kind": "static", "snr_db": 12.0}}],
        "traffic": [{"kind": "saturation", "ues": ["crowd"], "down_kbps": settings.down_kbps,
                     "up_kbps": settings.up_kbps, "start": start + settings.ends[0],
                     "stop": start + settings.ends[2]}],
        "way": {"name": settings.name},
        "e2": {"ric": settings.ric, "map_port": settings.map_port, "node": {"profile": "spec"}},
        "seed": settings.seed,
    }


def xapp_document(settings: LoopSettings, labels: str, store: Path) -> dict[str, Any]:
    """For `airsplit xapp`."""
    return {
        "listen": [settings.ric], "store": str(store), "taps": [{"address": labels}],
        "ue_map": {"emulator": f"http://127.0.0.1:{settings.map_port}/ues", "every": 1},
        "ran": {"slices": [INTERNET, LLM], "period_ms": 500,
                "nodes": [{"name": "*", "profile": "spec"}]},
        "policies": [{"name": "llm", "inter_token_ms": settings.inter_token_ms,
                      "floors": {INTERNET: settings.floor}}],
        "steering": {"found": {INTERNET: {"minimum": 0}, LLM: {"minimum": 0}}},
    }
