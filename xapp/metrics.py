"""What an operator's Prometheus reads of one xApp.

All of the xApp is read off a `Picture` when somebody asks, so that it cannot drift from the truth;
requests are counted where they are answered. Each API has a registry of its own. Every label's
values are few: enumerations, classifier labels, and cells and slices up to a cap that is itself
shown. UEs and flows are counted, never named.
"""

from __future__ import annotations

import platform
from collections import Counter as Tally
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from classifier.labels import MEANINGS
from xapp.events import Level
from xapp.observations import Cell, Load, Slice
from xapp.operations import Counts, DecisionState, NodeState, Picture

# Cells with series of their own; a one-box RIC has a handful. The rest is counted as left out.
MAX_CELLS = 64
MAX_SLICES_OF_CELL = 16  # a UE may have 8, a cell rarely more
MAX_ANSWERS = 64  # pairs of actuator and answer
PREFIX = "airsplit_xapp_"
PLACE = ("node", "cell")
SLICE = (*PLACE, "slice")


class Metrics:
    """The registry of one xApp; `picture` gives what is so now."""

    def __init__(self, picture: Callable[[], Picture]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_PictureCollector(picture))
        self._requests = Counter(
            PREFIX + "api_requests", "Requests to the REST API, by class of status.", ("status",),
            registry=self._registry)

    def request(self, status: int) -> None:
        self._requests.labels(f"{status // 100}xx").inc()

    def render(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)


class _PictureCollector(Collector):
    """Families made of the picture at the moment of a scrape."""

    def __init__(self, picture: Callable[[], Picture]) -> None:
        self._picture = picture

    def describe(self) -> Iterator[Metric]:
        return iter(())  # nothing is asked of the xApp before the first scrape

    def collect(self) -> Iterator[Metric]:
        picture = self._picture()
        yield from _state(picture)
        yield from _counters(picture.counts)
        yield from _times(picture)
        yield from _places(picture)


def _gauge(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, what, value=value)


def _state(picture: Picture) -> Iterator[Metric]:
    seen, clock = picture.observations, picture.clock
    info = GaugeMetricFamily(PREFIX + "build_info", "What runs; always 1.",
                             labels=("version", "python"))
    info.add_metric((picture.version, platform.python_version()), 1)
    yield info
    yield _gauge("uptime_seconds", "Time since the xApp started.",
                 clock.monotonic - picture.started)
    yield _gauge("ready", "1 while the xApp can do its work.", picture.health.ready)
    yield _gauge("real_time_priority", "Of the loop; 0 while it is scheduled as any other.",
                 picture.priority)
    yield _gauge("dry_run", "1 while it decides and sends nothing.", picture.modes.dry_run)
    yield _gauge("kill_switch_pulled", "1 while the kill switch is pulled.", picture.modes.killed)
    nodes = GaugeMetricFamily(PREFIX + "nodes", "E2 nodes, by state.", labels=("state",))
    states = Tally(node.state for node in picture.nodes)
    for state in NodeState:
        nodes.add_metric((state.value,), states[state])
    yield nodes
    yield _gauge("associations", "SCTP associations of all nodes.",
                 sum(len(node.associations) for node in picture.nodes))
    yield _gauge("ues", "UEs that the nodes report.", len(seen.ues))
    flows = GaugeMetricFamily(PREFIX + "flows", "Live flows, by label.", labels=("label",))
    labels = Tally(flow.label if flow.label in MEANINGS else "other"
                   for flow in seen.flows.values())
    for label in (*MEANINGS, "other"):
        flows.add_metric((label,), labels[label])
    yield flows
    if seen.tap_heard is not None:  # no series before the first word: that is not silence of 0 s
        yield _gauge("tap_silence_seconds", "Time since a tap last spoke.",
                     max(0.0, clock.monotonic - seen.tap_heard))


def _counters(counts: Counts) -> Iterator[Metric]:
    for name, what, value in (
            ("indications", "KPM indications taken in.", counts.indications),
            ("indications_lost", "Indications that never came, by gaps.", counts.indications_lost),
            ("labels", "Flow labels taken in.", counts.labels),
            ("labels_lost", "Flow labels that never came, by gaps.", counts.labels_lost),
            ("labels_bad", "Messages of taps that were no labels.", counts.labels_bad),
            ("flows_evicted", "Flows given up as there was no room for them.",
             counts.flows_evicted)):
        yield CounterMetricFamily(PREFIX + name, what, value=value)
    decisions = CounterMetricFamily(PREFIX + "decisions", "Decisions, by how they ended.",
                                    labels=("state",))
    for state in DecisionState:
        decisions.add_metric((state.value,), counts.decisions.get(state, 0))
    yield decisions
    events = CounterMetricFamily(PREFIX + "events", "Events, by level.", labels=("level",))
    for level in Level:
        events.add_metric((level.value,), counts.events.get(level, 0))
    yield events
    controls = CounterMetricFamily(PREFIX + "controls", "Controls sent, by how they were answered.",
                                   labels=("actuator", "answer"))
    for (actuator, answered), count in sorted(counts.controls.items())[:MAX_ANSWERS]:
        controls.add_metric((actuator, answered), count)
    yield controls


def _times(picture: Picture) -> Iterator[Metric]:
    for name, what, times in (
            ("loop", "From an indication's bytes in to a control's bytes out.", picture.loop),
            ("acknowledgement", "From a control out to its answer in.", picture.acknowledgement),
            ("effect", "From the intent to act to the report that showed its effect.",
             picture.effect)):
        yield HistogramMetricFamily(f"{PREFIX}{name}_seconds", what, buckets=times.cumulative(),
                                    sum_value=times.total)


class _Places:
    """Families with a series for each cell or slice."""

    def __init__(self) -> None:
        self.families: dict[str, GaugeMetricFamily] = {}
        for place, labels in (("cell", PLACE), ("slice", SLICE)):
            for name, what in (
                    ("used_ratio", "PRBs used, of the cell's."),
                    ("throughput_bits_per_second", "Traffic as the node reports it."),
                    ("delay_seconds", "Waiting in RLC.")):
                self._add(f"{place}_{name}", what, (*labels, "direction"))
        self._add("cell_prbs", "PRBs that the cell has, downlink.", PLACE)
        self._add("slice_quota_ratio", "Share of the cell's PRBs, by the bound it is of.",
                  (*SLICE, "bound"))

    def _add(self, name: str, what: str, labels: tuple[str, ...]) -> None:
        self.families[name] = GaugeMetricFamily(PREFIX + name, what, labels=labels)

    def put(self, name: str, labels: tuple[str, ...], value: float | None, scale: float) -> None:
        """Nothing where the value is not known."""
        if value is not None:
            self.families[name].add_metric(labels, value * scale)

    def load(self, place: str, labels: tuple[str, ...], load: Load) -> None:
        for way, prbs, kbps, delay in (
                ("down", load.down_prbs, load.down_kbps, load.down_delay_ms),
                ("up", load.up_prbs, load.up_kbps, load.up_delay_ms)):
            self.put(f"{place}_used_ratio", (*labels, way), prbs, 0.01)
            self.put(f"{place}_throughput_bits_per_second", (*labels, way), kbps, 1000)
            self.put(f"{place}_delay_seconds", (*labels, way), delay, 0.001)

    def cell(self, cell: Cell) -> None:
        labels = (cell.key.node, cell.key.cell)
        self.load("cell", labels, cell.load)
        self.put("cell_prbs", labels, cell.prbs, 1)
        for one in list(cell.slices.values())[:MAX_SLICES_OF_CELL]:
            self._slice((*labels, str(one.snssai)), one)

    def _slice(self, labels: tuple[str, ...], one: Slice) -> None:
        self.load("slice", labels, one.load)
        if one.quota is not None:
            for bound in ("minimum", "maximum", "dedicated"):
                self.put("slice_quota_ratio", (*labels, bound), getattr(one.quota, bound), 0.01)


def _places(picture: Picture) -> Iterator[Metric]:
    cells = list(picture.observations.cells.values())
    places = _Places()
    for cell in cells[:MAX_CELLS]:
        places.cell(cell)
    yield from places.families.values()
    yield _gauge("cells", "Cells that the nodes report.", len(cells))
    yield _gauge("cells_left_out", "Cells beyond the cap, without series of their own.",
                 max(0, len(cells) - MAX_CELLS))
