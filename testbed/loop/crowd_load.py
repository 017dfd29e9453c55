"""What the crowd sends: the load's word as traffic of an emulated cell's file, and as a phrase.

    crowd_traffic(settings)     # for the file
    load_words(settings)        # for people

A recording is read to know how many phones' replays fill the cell. It sends nothing.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.errors import TestbedFailure
from testbed.loop.own_cell import Words, name_of, traffic_of
from testbed.loop.settings import MOST_RECORDINGS, MOST_SPEED, OURS, Load, LoopSettings

if TYPE_CHECKING:
    from testbed.ran.traffic.recording import Recording

PHONES_OF_UE = 4  # for each of the crowd: of one alone there is little, and that in bursts
LEAST_RECORDED = 1.0  # seconds: what is shorter is no traffic to be had in the mean


@dataclass(frozen=True)
class Pace:
    """How a recording fills the cell."""

    phones: int  # replays at once for each of the crowd
    speed: float  # times its own pace
    down_kbps: float  # of one replay at its own pace, in the mean


def crowd_traffic(settings: LoopSettings) -> list[dict[str, Any]]:
    """As `traffic` of an emulated cell's file."""
    everybody, down, up = list(settings.groups), settings.down_kbps, settings.up_kbps
    if settings.load is Load.SATURATION:
        return [{"kind": "saturation", "ues": everybody, "down_kbps": down, "up_kbps": up}]
    if settings.load is Load.PHONES:
        return [{"kind": "phones", "ues": everybody, "phones": PHONES_OF_UE,
                 "load": down / (PHONES_OF_UE * _mean_phone_kbps())}]
    if settings.load is Load.RECORDING:
        pace = pace_of(settings)
        return [{"kind": "replay", "ues": list(everybody), "file": settings.recording,
                 "speed": pace.speed, "anywhere": True} for _ in range(pace.phones)]
    if settings.load is Load.MIX:
        return [*(_of_crowd(settings, one) for one in settings.traffic),
                *(_of_group(group, one) for group in settings.crowd_groups
                  for one in traffic_of(group))]
    return []


def _of_crowd(settings: LoopSettings, one: Words) -> dict[str, Any]:
    ues = one.get("ues") or list(settings.groups)
    strangers = [name for name in ues if name in OURS] if isinstance(ues, list | tuple) else []
    if strangers:
        raise TestbedFailure(f"Traffic of the mix is for {', '.join(strangers)}, and is the "
                             "crowd's.", f"Its `ues` are {', '.join(settings.groups)}.")
    return {**one, "ues": ues}


def _of_group(group: Words, one: Words) -> dict[str, Any]:
    if "ues" in one:
        raise TestbedFailure(f"Traffic of the crowd's group {name_of(group)} has `ues`.",
                             "It is that group's; leave `ues` out, or use `traffic` beside it.")
    return {**one, "ues": [name_of(group)]}


def _mean_phone_kbps() -> float:
    """Down, of the phones of which models are bundled."""
    from testbed.ran.traffic.phone_model import BUNDLED, read_models

    return statistics.fmean(one.down_kbps for one in read_models(BUNDLED).values())


def pace_of(settings: LoopSettings) -> Pace:
    """So many replays, so fast, that each of the crowd has down_kbps in the mean."""
    recording = _recording(settings)
    kbps = _down_kbps(settings, recording)
    wanted = settings.down_kbps / kbps
    phones = settings.recording_phones or min(MOST_RECORDINGS, max(1, round(
        wanted / (settings.recording_speed or 1.0))))
    speed = settings.recording_speed or min(MOST_SPEED, wanted / phones)
    return Pace(phones, speed, kbps)


def _recording(settings: LoopSettings) -> Recording:
    from testbed.ran.traffic.config import Kind, TrafficConfig
    from testbed.ran.traffic.recording import read_recording

    path = Path(settings.recording or "")
    if path.is_dir():  # of captures, which would be read as one
        raise TestbedFailure(f"{path} is a folder.", "Name one file, of one phone.")
    return read_recording(TrafficConfig(Kind.REPLAY, file=path))


def _down_kbps(settings: LoopSettings, recording: Recording) -> float:
    from testbed.ran.traffic.arrivals import DOWN

    if recording.seconds < LEAST_RECORDED:
        raise TestbedFailure(f"{settings.recording} is of {recording.seconds:.3g} s.",
                             f"Give a recording of {LEAST_RECORDED:g} s or more.")
    down = int(recording.size[recording.direction == DOWN].sum())
    if not down:
        raise TestbedFailure(f"{settings.recording} has no packet to {recording.user}, which most "
                             "of its packets are of.", "Give a recording made at or of a phone.")
    return down * 8 / recording.seconds / 1000


def load_words(settings: LoopSettings) -> str:
    """What the crowd sends, for people."""
    if settings.load is Load.RECORDING:
        return f"traffic recorded in {Path(settings.recording or '').name}"
    if settings.load is Load.MIX:
        kinds = list(dict.fromkeys(str(one.get("kind", "saturation"))
                                   for one in crowd_traffic(settings)))
        return f"a mix of {', '.join(kinds)}" if len(kinds) > 1 else f"traffic of kind {kinds[0]}"
    return {Load.NONE: "no traffic", Load.SATURATION: "packet after packet",
            Load.PHONES: "traffic modelled on recordings"}[settings.load]


def replay_words(settings: LoopSettings) -> str:
    """What is replayed of a recording, and how, in a sentence."""
    recording, pace = _recording(settings), pace_of(settings)
    left_out = (f" Left out, as others' or no IPv4: {recording.left_out}." if recording.left_out
                else "")
    return (f"{Path(settings.recording or '').name}: {len(recording.time)} packets of "
            f"{recording.user} in {recording.seconds:.0f} s, {pace.down_kbps:.0f} kbit/s down. "
            f"Each of the crowd replays it {pace.phones} x at once, at {pace.speed:.2g} times its "
            f"pace, again and again.{left_out}")
