"""The crowd's traffic, on order: `python -m testbed.loop.crowd CELL.yaml`.

The file is a running cell's, with traffic. `start` on the input begins it, `stop` ends it, both
again and again; the input's end ends the program. One JSON object a line says what happened and
when, by the machine's monotonic clock. Times in the file count from each start.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from testbed.errors import TestbedFailure

if TYPE_CHECKING:
    from testbed.ran.plane.user_plane import UserPlane
    from testbed.ran.ran_config import RanConfig
    from testbed.ran.ran_traffic import RunningTraffic

START, STOP = "start", "stop"


def main() -> int:
    from edge_server.errors import EdgeError
    from testbed.ran.ran_config import load
    from xapp.errors import XappError

    try:
        obey(load(Path(sys.argv[1])))
    except (EdgeError, XappError) as error:
        print(f"crowd: {error}", file=sys.stderr)
        return 1
    return 0


def obey(config: RanConfig) -> None:
    """Orders, one after another."""
    from testbed.ran.ran_config import sources_of

    # Of the user plane, which another process runs, only the names are asked for.
    plane = cast("UserPlane", Names(config))
    sources_of(config)  # recordings and models are read now, so that a start is at once
    say({"ready": True})
    while True:
        if (order := next_order()) is None:
            return
        if order != START:
            raise TestbedFailure(f"{order!r} is no order that can be followed now.",
                                 f"Give {START}.")
        with sending(config, plane) as traffic:
            say({"started": time.monotonic()})
            order = next_order()
            if order not in (STOP, None):
                raise TestbedFailure(f"{order!r} is no order that can be followed now.",
                                     f"Give {STOP}.")
        say({"stopped": time.monotonic(), "account": traffic.account()})
        if order is None:
            return


@contextmanager
def sending(config: RanConfig, plane: UserPlane) -> Iterator[RunningTraffic]:
    """By namespaces' devices, or by those that are given where the file says."""
    from testbed.ran.ran_traffic import running_traffic
    from testbed.ran.relay_devices import Given
    from testbed.ran.relay_traffic import relay_traffic

    if config.way.devices is None:
        with running_traffic(config, plane) as traffic:
            yield traffic
        return
    with Given(config.way.devices) as ends, relay_traffic(config, plane, ends) as traffic:
        yield traffic


class Names:
    """Where a running cell's packets go in."""

    def __init__(self, config: RanConfig) -> None:
        from testbed.ran.ran_config import plane_config

        self._config = plane_config(config)

    @property
    def n6(self) -> str:
        from testbed.ran.plane.topology import n6_namespace

        return n6_namespace(self._config)

    def namespace(self, ue: str) -> str:
        from testbed.ran.plane.topology import ue_namespace

        return ue_namespace(self._config, ue)


def next_order() -> str | None:
    line = sys.stdin.readline()
    return line.strip() if line else None


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
