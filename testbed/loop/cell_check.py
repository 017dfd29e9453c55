"""Whether cell and xApp take what the loop's settings say, files and all: before anything starts.

    check_cell(settings)        # raises TestbedFailure, which names the setting

The emulated cell's own reader judges, and the xApp's. It starts nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcap_tools.errors import PcapError
from testbed.bed.modes import Mode
from testbed.errors import TestbedFailure
from testbed.loop.crowd_load import replay_words
from testbed.loop.documents import (
    cell_document,
    crowd_document,
    limits_words,
    policy_words,
)
from testbed.loop.own_cell import traffic_of
from testbed.loop.own_policy import read as read_policy
from testbed.loop.settings import INTERNET, LLM, LoopSettings
from xapp.config_reading import build
from xapp.errors import XappError

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.ran.ran_config import RanConfig


def check_and_tell(settings: LoopSettings, say: Callable[[str], None]) -> None:
    """Raise unless it is so; of a recording, say what is replayed and how."""
    check_cell(settings)
    if settings.recording is not None:
        say(replay_words(settings))


def check_cell(settings: LoopSettings) -> None:
    """Raise unless it is so."""
    try:
        read_policy(policy_words(settings), limits_words(settings))
        _check_parts(settings)
        _check_slices(settings)
        _check_files(settings, _built(settings))
    except (XappError, PcapError) as error:
        raise TestbedFailure(error.problem, error.remedy) from error


def _check_parts(settings: LoopSettings) -> None:
    """Each by itself, so that what is wrong has the name that it has in the settings."""
    from testbed.ran.fluid_cell import SliceConfig
    from testbed.ran.mac.config import MacConfig
    from testbed.ran.ran_config import CarrierConfig, UeConfig

    document = cell_document(settings)
    for place in range(len(settings.cells)):
        build(CarrierConfig, document["cells"][place], f"cells[{place}]")
    for place in range(len(settings.slices)):
        build(SliceConfig, document["slices"][place], f"slices[{place}]")
    build(MacConfig, document["mac"], "mac")
    groups = document["ues"][len(document["ues"]) - len(settings.groups):]
    for place in range(len(settings.crowd_groups)):
        build(UeConfig, groups[place], f"crowd_groups[{place}]")
    _check_traffic(settings)


def _check_traffic(settings: LoopSettings) -> None:
    from testbed.ran.traffic.config import Kind, TrafficConfig

    named: list[tuple[str, Any]] = [(f"traffic[{place}]", one)
                                    for place, one in enumerate(settings.traffic)]
    named += [(f"crowd_groups[{group}].traffic[{place}]", one)
              for group, words in enumerate(settings.crowd_groups)
              for place, one in enumerate(traffic_of(words))]
    for where, one in named:
        if (build(TrafficConfig, one, where).kind is Kind.GREEDY
                and settings.mode is Mode.RELAY):
            raise TestbedFailure(f"{where}: greedy traffic is a kernel's TCP, and with mode relay "
                                 "there is none.", "Give kind saturation, or another mode.")


def _check_slices(settings: LoopSettings) -> None:
    names = settings.slice_names
    if not {INTERNET, LLM} <= set(names):
        raise TestbedFailure(f"slices: there are {', '.join(names)}.",
                             f'The loop needs "{INTERNET}", the crowd\'s, and "{LLM}", the '
                             "model's; others may be beside them.")


def _built(settings: LoopSettings) -> RanConfig:
    """The whole: what contradicts what, and whether who is named is there."""
    from testbed.ran.ran_config import RanConfig

    return build(RanConfig, crowd_document(settings))


def _check_files(settings: LoopSettings, config: RanConfig) -> None:
    """Channels and recordings are read as the cell and the crowd will."""
    from testbed.ran.mac.channel import make_channel
    from testbed.ran.traffic.config import Kind
    from testbed.ran.traffic.phones import models_of
    from testbed.ran.traffic.recording import read_recording

    for ue in config.ues:
        if ue.channel.file is not None:
            make_channel(ue.channel, settings.seed)
    for one in config.traffic:
        if one.kind is Kind.REPLAY:
            read_recording(one)
        elif one.kind is Kind.PHONES:
            models_of(one)
