"""What UEs do by their counters alone, where no tap covers them: flows with little confidence.

It feeds each UE's reported rates to the KPI classifier. Its labels are the 5G service types and
`idle`; a policy that wants them names them. Confidence is capped, since counters cannot tell one
application from another. Without a model for it, nothing is labelled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from classifier.bundle import Bundle
from classifier.errors import BundleError
from classifier.kpi import BUNDLED, IDLE, KpiClassifier, KpiConfig, KpiLabel, load_kpi
from classifier.kpi_features import KpiRow
from xapp.observations import Flow, Ue, UeKey

MOST_CONFIDENCE = 0.6  # of such a label; below what quotas are raised for unless limits say so
AWAY = 10.0  # seconds without a report after which its flow ends


def load_or_none(folder: Path = BUNDLED) -> Bundle | None:
    """The model, where it is installed and whole."""
    try:
        return load_kpi(folder)
    except BundleError:
        return None  # labels by counters are an extra: taps work without


class KpiFlows:
    """One flow for each UE that no tap covers."""

    def __init__(self, bundle: Bundle, period: float) -> None:
        """`period`: seconds that one report covers."""
        self._classifier = KpiClassifier(bundle, KpiConfig(period=period, away=AWAY))
        self._flows: dict[UeKey, tuple[Flow, float]] = {}
        self._at: dict[UeKey, float] = {}

    def take(self, ues: Iterable[Ue], covered: Collection[UeKey], now: float) -> None:
        """New reports of UEs; those that a tap covers are left to it."""
        for ue in ues:
            if ue.key in covered:
                self._forget(ue.key)
            elif ue.load.at > self._at.get(ue.key, float("-inf")):
                self._at[ue.key] = ue.load.at
                label = self._classifier.update(ue.key, _row(ue), ue.load.at)
                if label is not None:
                    self._flows[ue.key] = (self._flow(ue, label), now)
        for key in [key for key, at in self._at.items() if now - at > AWAY]:
            self._forget(key)

    def _flow(self, ue: Ue, label: KpiLabel) -> Flow:
        before = self._flows.get(ue.key)
        since = (before[0].since if before is not None and before[0].label == label.label
                 else ue.load.at)
        up, down = ue.load.up_kbps, ue.load.down_kbps
        return Flow(
            f"kpi/{ue.key}", label.label, min(label.confidence, MOST_CONFIDENCE), since,
            ue.load.at, ue.key, ue.address, ue.slice, from_counters=True,
            up_bytes_per_second=None if up is None else up * 125,
            down_bytes_per_second=None if down is None else down * 125)

    def _forget(self, key: UeKey) -> None:
        self._flows.pop(key, None)
        if self._at.pop(key, None) is not None:
            self._classifier.forget(key)

    def flows(self) -> dict[str, Flow]:
        """Of UEs that do something."""
        return {flow.key: flow for flow, _ in self._flows.values() if flow.label != IDLE}


def _row(ue: Ue) -> KpiRow:
    up, down = ue.load.up_kbps, ue.load.down_kbps
    return KpiRow(downlink_mbps=None if down is None else down / 1000,
                  uplink_mbps=None if up is None else up / 1000)
