"""What is kept of observations for the history: kind, subject and figures of all that has one.

It keeps nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xapp.observations import Load, Observations


def samples(
    observations: Observations,
) -> Iterator[tuple[str, str, Mapping[str, float | None]]]:
    """Kind, subject and figures of all that has a history."""
    for key, cell in observations.cells.items():
        yield "cell", str(key), _figures(cell.load)
        for snssai, one in cell.slices.items():
            quota = one.quota
            yield "slice", f"{key}/{snssai}", _figures(one.load) | {
                "quota_minimum": None if quota is None else quota.minimum,
                "quota_maximum": None if quota is None else quota.maximum,
                "quota_dedicated": None if quota is None else quota.dedicated}
    for ue_key, ue in observations.ues.items():
        yield "ue", str(ue_key), _figures(ue.load)
    for flow in observations.flows.values():
        yield "flow", flow.key, {
            "up_bytes_per_second": flow.up_bytes_per_second,
            "down_bytes_per_second": flow.down_bytes_per_second,
            "steps_per_second": flow.steps_per_second, "confidence": flow.confidence}


def _figures(load: Load) -> dict[str, float | None]:
    return {name: getattr(load, name) for name in (
        "down_kbps", "up_kbps", "down_prbs", "up_prbs", "down_delay_ms", "up_delay_ms",
        "down_drops")}
