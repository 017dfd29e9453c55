"""A file's cell as the kernel's HTB: rates for data networks, and nothing of a radio.

    found = run_htb(config, seconds=10.0, say=print)

It is for where a steered rate is enough: programs run in the same namespaces as with the scheduler,
at next to no cost. What it is not is told with every result (`MEANS`), and a file that asks for
more than that is refused rather than half obeyed.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from testbed.ran.cell_model import Share
from testbed.ran.plane.htb import ClassCounts, HtbCell
from testbed.ran.ran_config import RanConfig, plane_config
from testbed.ran.ran_traffic import running_traffic
from testbed.ran.traffic.config import Kind
from xapp.errors import ConfigurationError

LOOK_SECONDS = 1.0
DIRECTIONS = ("down", "up")
MEANS = (
    "rates alone: no slots, no resource blocks, no grants, no HARQ, no radio channel",
    "a slice is a data network; its minimum and dedicated shares are a guaranteed rate, its "
    "maximum is a ceiling, in percent of the cell's rate",
    "what is dedicated is lent while it is not wanted, and a queue is one for all UEs of a slice")
Counts = Mapping[str, Mapping[str, ClassCounts]]


def shares_of(config: RanConfig) -> dict[str, Share]:
    """Each data network's share; raises where the file asks for more than rates."""
    slices: dict[str, set[Any]] = {}
    for ue in config.phones:
        for session in ue.sessions:
            slices.setdefault(session.dnn, set()).add(session.slice)
    used = [one for found in slices.values() for one in found]
    if any(len(found) > 1 for found in slices.values()) or len(set(used)) < len(used):
        raise _more("slices and data networks that are not one to one",
                    "Give each slice a data network of its own, and each network one slice.")
    if len(config.cells) > 1:
        raise _more("several cells", "Leave one.")
    if config.events:
        raise _more("events", "Leave `events` out.")
    if config.e2 is not None:
        raise _more("E2, which reports resource blocks", "Leave `e2` and --ric out.")
    if config.way.tunnel is not None:
        raise _more("a tunnel", "Leave `way.tunnel` out.")
    if config.way.backhaul_loss or config.way.backhaul_ms:
        raise _more("a backhaul that loses or delays", "Leave `way.backhaul_*` out.")
    if any(one.kind is not Kind.GREEDY for one in config.traffic):
        raise _more("traffic that is made up packet by packet",
                    "Use kind greedy, or programs of your own in the UEs' namespaces.")
    known = {one.slice: one for one in config.slices}
    return {dnn: Share(known[one].minimum, known[one].maximum, known[one].dedicated)
            for dnn, found in slices.items() for one in found}


def _more(what: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"Backend htb has rates alone; this file has {what}.", remedy)


def run_htb(config: RanConfig, seconds: float | None, say: Callable[[str], None],
            over: threading.Event | None = None) -> dict[str, Any]:
    """Until it is over, by time, a signal or `over`; what happened."""
    shares = shares_of(config)
    over = over or threading.Event()
    with ExitStack() as stack:
        stack.enter_context(_until_signal(over))
        cell = stack.enter_context(HtbCell(plane_config(config), config.htb))
        for dnn, share in shares.items():
            cell.set_share(dnn, share)
        traffic = stack.enter_context(running_traffic(config, cell))
        for line in MEANS:
            say(line)
        say(f"namespaces: {cell.n6} and {cell.n6.removesuffix('n6')}<UE>")
        first = last = cell.statistics()
        began = looked = time.monotonic()
        while not over.is_set() and (seconds is None or time.monotonic() - began < seconds):
            left = LOOK_SECONDS if seconds is None else began + seconds - time.monotonic()
            over.wait(max(0.0, min(LOOK_SECONDS, left)))
            found, now = cell.statistics(), time.monotonic()
            for row in rows_of(last, found, now - looked):
                say(told_row(row))
            last, looked = found, now
        took = looked - began
        return {"backend": "htb", "means": list(MEANS), "seconds": took,
                "rates_mbps": {"down": config.htb.down_mbps, "up": config.htb.up_mbps},
                "slices": rows_of(first, last, took), "traffic": traffic.account()}


@contextmanager
def _until_signal(over: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM end it in order; handlers can be set in the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: over.set())
              for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def rows_of(before: Counts, after: Counts, seconds: float) -> list[dict[str, Any]]:
    """Each data network between two looks."""
    rows = []
    for dnn in after["down"]:
        row: dict[str, Any] = {"name": dnn}
        for way in DIRECTIONS:
            one, other = before[way][dnn], after[way][dnn]
            row[f"{way}_mbps"] = 8e-6 * (other.bytes - one.bytes) / seconds if seconds else None
            row[f"{way}_packets"] = other.packets - one.packets
            row[f"{way}_dropped"] = other.dropped - one.dropped
            row[f"{way}_waiting"] = other.waiting
        rows.append(row)
    return rows


def told_row(row: Mapping[str, Any]) -> str:
    """One network's row in words."""
    return f"{row['name']}: " + "; ".join(
        f"{way} {row[f'{way}_mbps'] or 0:,.2f} Mbit/s, {row[f'{way}_waiting']} packets wait, "
        f"{row[f'{way}_dropped']} dropped" for way in DIRECTIONS)


def told(found: Mapping[str, Any]) -> str:
    """A run's summary in lines."""
    return "\n".join((f"{found['seconds']:,.1f} s of rates alone (HTB)",
                      *(told_row(one) for one in found["slices"])))
