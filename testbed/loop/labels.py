"""What the labels of a run were worth: how soon a flow had the right one, and whether it kept it.

The first packet of a flow is taken from a capture beside the tap, on the clock that the tap's
messages bear; when a label was known is when a subscriber on this machine had it. Truth is where a
flow went to: what talks to the edge is the split model's, and nothing else is.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from classifier.labels import LLM_SPLIT
from testbed.tap import Flow, flow_key, flow_of

TCP = 6
RAW_IP = 101


@dataclass(frozen=True)
class LabelFigures:
    """Of one run; None is what was not measured."""

    flows: int  # of the edge's, of which a capture has the first packet
    labelled: int  # of these, that got any label
    right: int  # of these, of which the last label was right
    first_right_seconds: float | None  # median: first packet to the first right label, as heard
    decided_seconds: float | None  # the same, to the packet that decided
    first_label_seconds: float | None  # to the first label of any kind, as heard
    changes: int  # labels that replaced another one
    others_labelled: int  # flows that are not the edge's, and got a label
    others_wrong: int  # of these, that were ever called a split model's


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
                  edge: tuple[str, int]) -> LabelFigures:
    """`messages` are label messages with the time at which each was heard."""
    of_edge: dict[Flow, list[Mapping[str, Any]]] = {
        flow: [] for flow in began if is_of(flow, edge)}
    others: dict[Flow, list[Mapping[str, Any]]] = {}
    for one in messages:
        flow = flow_of_message(one)
        if flow in of_edge:
            of_edge[flow].append(one)
        elif not is_of(flow, edge):
            others.setdefault(flow, []).append(one)
    said = {flow: found for flow, found in of_edge.items() if found}
    right = {flow: next((one for one in found if one["label"] == LLM_SPLIT), None)
             for flow, found in said.items()}
    first_right = {flow: one for flow, one in right.items() if one is not None}
    return LabelFigures(
        len(of_edge), len(said), sum(found[-1]["label"] == LLM_SPLIT for found in said.values()),
        _median(one["heard"] - began[flow] for flow, one in first_right.items()),
        _median(one["at"] / 1e9 - began[flow] for flow, one in first_right.items()),
        _median(found[0]["heard"] - began[flow] for flow, found in said.items()),
        sum(_changes(found) for found in said.values()), len(others),
        sum(any(one["label"] == LLM_SPLIT for one in found) for found in others.values()))


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


def _changes(found: Sequence[Mapping[str, Any]]) -> int:
    return sum(before["label"] != after["label"]
               for before, after in pairwise(found))


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return statistics.median(found) if found else None
