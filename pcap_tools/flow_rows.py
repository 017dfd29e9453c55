"""The kernel's rows as the tables that others see: sums become means and deviations.

It knows the layout of both sides and nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcap_tools.flow_state import LIVE
from pcap_tools.flow_table import FLOW, SAMPLE

Rows = NDArray[Any]
FLAG_NAMES = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr")
SECONDS = 1e-9
LOST = 1e-10  # of the mean's square: a variance below it is rounding
SAME_NAMES = ("flow", "source_port", "destination_port", "teid_up", "teid_down", "vlan", "version",
              "protocol", "tunnel", "qfi", "quic")
# The address words of LIVE as bytes.
BYTES = np.dtype({"names": ["source", "destination"], "formats": [("u1", 16), ("u1", 16)],
                  "offsets": [0, 16], "itemsize": LIVE.itemsize})


def _same(out: Rows, live: Rows) -> None:
    for name in SAME_NAMES:
        out[name] = live[name]
    addresses = np.ascontiguousarray(live).view(BYTES)
    out["source"] = addresses["source"]
    out["destination"] = addresses["destination"]


def flow_rows(live: Rows, sides: Rows) -> Rows:
    """FLOW from LIVE and two SIDE for each."""
    out = np.zeros(len(live), FLOW)
    _same(out, live)
    for name in ("end", "first", "last"):
        out[name] = live[name]
    sides = sides.reshape(-1, 2)
    for number, side in enumerate(("up", "down")):
        _side(out, sides[:, number], side)
    gaps = sides["packets"].sum(axis=1) - 1
    _gaps(out, "", gaps, live)
    return out


def _side(out: Rows, rows: Rows, side: str) -> None:
    packets = rows["packets"]
    for name in ("packets", "bytes", "payload", "length_min", "length_max"):
        out[f"{name}_{side}"] = rows[name]
    mean, deviation = _moments(packets, rows["bytes"].astype(np.float64), rows["length_square"])
    out[f"length_mean_{side}"], out[f"length_std_{side}"] = mean, deviation
    _gaps(out, f"_{side}", packets - 1, rows)
    for bit, flag in enumerate(FLAG_NAMES):
        out[f"{flag}_{side}"] = rows["flags"][:, bit]


def _gaps(out: Rows, ending: str, number: NDArray[Any], rows: Rows) -> None:
    mean, deviation = _moments(number, rows["gap_sum"], rows["gap_square"])
    out[f"gap_mean{ending}"], out[f"gap_std{ending}"] = mean * SECONDS, deviation * SECONDS
    for name in ("gap_min", "gap_max"):
        out[f"{name}{ending}"] = np.where(number > 0, rows[name] * SECONDS, np.nan)


def _moments(number: NDArray[Any], total: NDArray[Any], square: NDArray[Any],
             ) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and deviation; NaN of nothing."""
    some = np.maximum(number, 1)
    mean = total / some
    variance = square / some - mean * mean
    variance[variance <= LOST * mean * mean] = 0.0
    none = number <= 0
    mean[none] = np.nan
    deviation = np.sqrt(variance)
    deviation[none] = np.nan
    return mean, deviation


def sample_rows(samples: Rows, flows: Rows, vectors: NDArray[np.float32]) -> Rows:
    """SAMPLE from SAMPLED, LIVE and vectors."""
    out = np.zeros(len(samples), SAMPLE)
    _same(out, flows)
    out["kind"], out["at"], out["vector"] = samples["kind"], samples["at"], vectors
    return out
