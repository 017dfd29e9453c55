"""What is known of the testbed in the background: its settings, its folder, what its keeper tells.

The keeper writes a document after each change; whoever asks reads it. A part is known by its
process and when that began, as in `record`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from testbed.bed.modes import Mode
from testbed.bed.record import Process, place_of, write_whole
from testbed.errors import TestbedFailure
from testbed.loop.own_cell import said_twice
from testbed.loop.own_files import with_whole_paths
from testbed.loop.settings import Load, LoopSettings
from xapp.config_reading import build, yaml_document

NAME = "airsplit-bed"
INSIDE = "airsplit-bed-inside"  # the record of what runs in a user namespace
FOLDER = "run"  # in the state folder: the order, how it stands, the keeper's log, and
PARTS = "parts"  # in it: the parts' logs, configurations and databases
ORDER, NEWS, KEEPER_LOG = "bed.json", "status.json", "keeper.log"
MOST_BYTES = 1 << 20  # of a document
STARTING, READY, FAILED, ENDING = "starting", "ready", "failed", "ending"


@dataclass(frozen=True)
class BedOrder:
    """What the keeper is to keep up."""

    mode: Mode
    why: str
    model: Path
    settings: LoopSettings


@dataclass(frozen=True)
class PartNews:
    """One program."""

    name: str
    process: Process | None
    log: str


@dataclass(frozen=True)
class News:
    """How it stands."""

    state: str = STARTING
    waiting_for: str = ""
    parts: tuple[PartNews, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


def default_settings() -> LoopSettings:
    """Two slices and a crowd that is silent until told otherwise; the xApp may act at once."""
    return LoopSettings(name=NAME, load=Load.NONE, crowd=8, watch=False, page=True)


def settings_of(config: Path | None) -> LoopSettings:
    """The file's word before ours."""
    ours = default_settings()
    if config is None:
        return ours
    said = yaml_document(config)
    said_twice(said)
    mine = plain_settings(ours)
    if said.get("crowd_groups"):
        del mine["crowd"]  # in the place of which they go
    settings = with_whole_paths(build(LoopSettings, {**mine, **said}))
    if settings.name != NAME or settings.doors is not None or "mode" in said:
        raise TestbedFailure(f"{config}: `name`, `doors` and `mode` are the testbed's own.",
                             "Leave them out; a mode is chosen by --mode.")
    return settings


def plain_settings(settings: LoopSettings) -> dict[str, Any]:
    """As a document has them; what is None is left out."""
    return {name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(settings).items() if value is not None}


def with_crowd(settings: LoopSettings, crowd: int) -> LoopSettings:
    """So many phones, modelled on recorded ones; with 0 the cell is the user's alone."""
    if crowd == 0:
        return replace(settings, load=Load.NONE)
    return replace(settings, crowd=crowd,
                   load=Load.PHONES if settings.load is Load.NONE else settings.load)


def folder_of(root: Path | None = None) -> Path:
    return place_of(NAME, root) / FOLDER


def write_order(folder: Path, order: BedOrder) -> None:
    write_whole(folder / ORDER, json.dumps({
        "mode": order.mode, "why": order.why, "model": str(order.model),
        "settings": plain_settings(order.settings)}))


def read_order(folder: Path) -> BedOrder:
    found = _document(folder / ORDER)
    if found is None:
        raise TestbedFailure(f"{folder / ORDER} is not there.", "Start with: airsplit testbed up.")
    return BedOrder(Mode(found["mode"]), found["why"], Path(found["model"]),
                    build(LoopSettings, found["settings"]))


def write_news(folder: Path, news: News) -> None:
    write_whole(folder / NEWS, json.dumps(asdict(news)))


def read_news(folder: Path) -> News | None:
    """None where nothing was told yet."""
    found = _document(folder / NEWS)
    if found is None:
        return None
    parts = tuple(PartNews(one["name"], Process(**one["process"]) if one["process"] else None,
                           one["log"]) for one in found["parts"])
    return replace(News(**(found | {"parts": ()})), parts=parts)


def _document(file: Path) -> dict[str, Any] | None:
    try:
        with file.open("rb") as opened:
            found = json.loads(opened.read(MOST_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise TestbedFailure(f"{file} cannot be read: {error}.",
                             "End what runs: airsplit testbed down.") from error
    if not isinstance(found, dict):
        raise TestbedFailure(f"{file} is none of ours.", "Remove it.")
    return found
