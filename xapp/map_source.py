"""Asks again and again who has which address: a file, Open5GS, an emulated cell.

The asking is done in threads, as those who are asked may be slow. It knows no E2.
"""

from __future__ import annotations

import asyncio
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping

from xapp import ue_map_file
from xapp.config import UeMapSources
from xapp.errors import ConfigurationError, XappError
from xapp.observations import CellKey
from xapp.open5gs import Open5gs
from xapp.ue_map import Origin, UeEntry

ANSWER_SECONDS = 2.0  # for an emulated cell to answer
Take = Callable[[Origin, Iterable[UeEntry]], None]


class MapSource:
    """All sources that are configured."""

    def __init__(self, config: UeMapSources, cells: Callable[[], Mapping[str, CellKey]]) -> None:
        """A file that cannot be used is told at once; `cells` are those of connected nodes."""
        self._config, self._cells = config, cells
        self._file = None if config.file is None else ue_map_file.read(config.file)
        self._core = None if config.smf is None else Open5gs(config.smf, config.amf)
        self._said: dict[Origin, str] = {}  # what is wrong with each, as it was told

    async def run(self, take: Take, tell: Callable[[str], None]) -> None:
        """Until cancelled."""
        if self._file is not None:
            take(Origin.FILE, self._file)
        asked: dict[Origin, Callable[[], Iterable[UeEntry]]] = {}
        if self._core is not None:
            core = self._core
            asked[Origin.CORE] = lambda: core.entries(self._cells())
        if self._config.emulator is not None:
            url = self._config.emulator
            asked[Origin.EMULATOR] = lambda: emulated(url)
        while asked:
            for origin, ask in asked.items():
                try:
                    take(origin, await asyncio.to_thread(ask))
                    self._said.pop(origin, None)
                except XappError as error:
                    if self._said.get(origin) != error.problem:  # once, not every few seconds
                        self._said[origin] = error.problem
                        tell(str(error))
            await asyncio.sleep(self._config.every)


def emulated(url: str) -> tuple[UeEntry, ...]:
    """The map of an emulated cell."""
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"{url!r} is no URL of an emulated cell.",
                                 "Write http://HOST:PORT/ues under `ue_map.emulator`.")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=ANSWER_SECONDS) as answer:
            data = answer.read(ue_map_file.MOST_BYTES + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the connection
        raise ConfigurationError(f"The emulated cell at {url} gives no UE map: {error}.",
                                 "Look whether it runs.") from error
    return ue_map_file.parse(data, url, yaml_too=False)
