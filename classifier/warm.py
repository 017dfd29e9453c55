"""Compiles everything of this package ahead of time: `python -m classifier.warm`.

Set-up runs it, so that no tap begins with seconds of compiling. What it compiles is kept where
`pcap_tools.compiled` says. It asks the shipped models about nothing and looks at no answer.
"""

from __future__ import annotations

import numpy as np

from classifier.bundle import Bundle, load
from classifier.command import BUNDLED
from classifier.kpi import KpiClassifier, KpiConfig, load_kpi
from classifier.kpi_features import KpiRow

FEW, MANY = 1, 64  # rows: a few are walked through the trees, many go through as masks


def warm() -> None:
    """Call every compiled function that Python calls, with the types that it is called with."""
    ask(load(BUNDLED))
    kpi = load_kpi()
    ask(kpi)
    config = KpiConfig()
    classifier = KpiClassifier(kpi, config)
    for number in range(config.first):
        classifier.update("", KpiRow(), number * config.period)


def ask(bundle: Bundle) -> None:
    """Everything that is compiled for one model."""
    for rows in (FEW, MANY):
        vectors = np.full((rows, len(bundle.schema.features)), np.nan, np.float32)
        for name in bundle.decisions:
            bundle.predict(name, vectors)


if __name__ == "__main__":
    warm()
