"""What the labels of a run were worth: how soon a flow had the right one, and whether it kept it.

The first packet of a flow is taken from a capture beside the tap, on the clock that the tap's
messages bear; when a label was known is when a subscriber on this machine had it. Truth is where a
flow went to: what talks to the edge is the split model's, and nothing else is.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from classifier.labels import LLM_SPLIT
from testbed.tap import Flow, flow_key, flow_of

TCP = 6
RAW_IP = 101


@dataclass(frozen=True)
class FlowLabels:
    """One flow of the phone's; None is what never was."""

    began: float  # seconds since 1970, of its first packet
    first_label: str | None
    last_label: str | None
    confidence: float | None  # of the last
    heard_seconds: float | None  # first packet to the first label of any kind, as heard
    right_seconds: float | None  # to the first right label, as heard
    decided_seconds: float | None  # to the packet that decided it
    changes: int  # labels that replaced another one


@dataclass(frozen=True)
class LabelFigures:
    """Of one run; None is what was not measured."""

    flows: tuple[FlowLabels, ...]  # the phone's with its edge, in their order
    first_right_seconds: float | None  # median of them; a flow without is later than any
    decided_seconds: float | None  # the same; None: not even half of them had it
    others_labelled: int  # flows of others that got a label
    others_wrong: int  # of these, that were ever called a split model's

    @property
    def right(self) -> int:
        """Flows of which the last label was right."""
        return sum(one.last_label == LLM_SPLIT for one in self.flows)


def first_packets(capture: Path) -> dict[Flow, float]:
    """When each flow in a capture of raw IP began, in seconds since 1970."""
    from pcap_tools.read import open_captures

    found: dict[Flow, float] = {}
    seen: set[bytes] = set()
    for records in open_captures([capture]):
        for start, captured, link, at in zip(
                records.start.tolist(), records.captured.tolist(), records.link.tolist(),
                records.time.tolist(), strict=True):
            key = flow_key(records.data[start:start + captured].tobytes())
            if link == RAW_IP and key not in seen:
                seen.add(key)
                flow = flow_of(key)
                if flow is not None:
                    found[flow] = min(at / 1e9, found.get(flow, at / 1e9))
    return found


def label_figures(messages: Sequence[Mapping[str, Any]], began: Mapping[Flow, float],
                  edge: tuple[str, int], phone: str) -> LabelFigures:
    """`messages` are label messages, each with the time at which it was heard."""
    mine: dict[Flow, list[Mapping[str, Any]]] = {
        flow: [] for flow in sorted(began, key=lambda one: began[one])
        if is_of(flow, edge) and phone in (flow.address_a, flow.address_b)}
    others: dict[Flow, list[Mapping[str, Any]]] = {}
    for one in messages:
        flow = flow_of_message(one)
        if flow in mine:
            mine[flow].append(one)
        elif not is_of(flow, edge):  # other phones of the edge's are neither
            others.setdefault(flow, []).append(one)
    return of_flows(
        [_of_flow(began[flow], found) for flow, found in mine.items()], len(others),
        sum(any(one["label"] == LLM_SPLIT for one in found) for found in others.values()))


def of_flows(flows: Sequence[FlowLabels], others_labelled: int,
             others_wrong: int) -> LabelFigures:
    """What the phone's flows come to."""
    return LabelFigures(
        tuple(flows), _median([one.right_seconds for one in flows]),
        _median([one.decided_seconds for one in flows]), others_labelled, others_wrong)


def _of_flow(began: float, found: Sequence[Mapping[str, Any]]) -> FlowLabels:
    if not found:
        return FlowLabels(began, None, None, None, None, None, None, 0)
    right = next((one for one in found if one["label"] == LLM_SPLIT), None)
    return FlowLabels(
        began, found[0]["label"], found[-1]["label"], found[-1]["confidence"],
        found[0]["heard"] - began, None if right is None else right["heard"] - began,
        None if right is None else right["at"] / 1e9 - began,
        sum(before["label"] != after["label"] for before, after in pairwise(found)))


def flow_of_message(message: Mapping[str, Any]) -> Flow:
    ends = sorted([(message["source"], message["source_port"]),
                   (message["destination"], message["destination_port"])], key=_order)
    return Flow(message["protocol"], *ends[0], *ends[1])


def is_of(flow: Flow, end: tuple[str, int]) -> bool:
    """Whether one of the flow's ends is that."""
    return flow.protocol == TCP and end in ((flow.address_a, flow.port_a),
                                            (flow.address_b, flow.port_b))


def _order(end: tuple[str, int]) -> tuple[bytes, int]:
    """As `Flow` puts the smaller end first: by the octets of its address."""
    import ipaddress

    return ipaddress.ip_address(end[0]).packed, end[1]


def _median(values: Sequence[float | None]) -> float | None:
    """What never was is later than all that was: left out, it would make the rest look good."""
    if not values:
        return None
    found = statistics.median(math.inf if one is None else one for one in values)
    return found if math.isfinite(found) else None
