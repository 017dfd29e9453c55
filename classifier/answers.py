"""How probabilities become answers: calibration, and when to say that a flow is unknown.

What is asked are models; each stage of a flow has a decision of its own about one of them. It knows
neither files nor packets, nor what the classes are called for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.labels import UNKNOWN
from classifier.model import Model

NOTHING = -1  # the code of `unknown`
LEAST_DISTANCE = 1e-6  # a limit of 0, of a class whose samples were all alike, still divides


@dataclass(frozen=True)
class Decision:
    """How one stage's probabilities become an answer."""

    model: str  # the name of the one that is asked
    scale: float = 1.0  # logarithms of probabilities are multiplied by it: below 1 is less sure
    bias: tuple[float, ...] = ()  # [classes] then added to them; () adds nothing
    least: tuple[float, ...] = ()  # [classes] confidence below which it is unknown; () accepts all
    most: tuple[float, ...] = ()  # [classes] distance from training above which it is unknown
    packets: int = 0  # seen of a flow, below which it is unknown


@dataclass(frozen=True)
class Labels:
    """The answers for many vectors; all arrays have one row for each."""

    classes: tuple[str, ...]
    codes: NDArray[np.int16]  # index into classes, or NOTHING for unknown
    confidence: NDArray[np.float32]  # calibrated probability of the best class, said or not
    best: NDArray[np.int16]  # the best class, were there no unknown
    novelty: NDArray[np.float32]  # distance from training over what is accepted; above 1 is unknown
    probabilities: NDArray[np.float32]  # [rows, classes] calibrated

    def __len__(self) -> int:
        return len(self.codes)

    def names(self) -> list[str]:
        """The labels as words."""
        return [self.classes[code] if code >= 0 else UNKNOWN for code in self.codes.tolist()]


class Stages:
    """Answers for samples of several stages at once: one walk through each model is enough."""

    def __init__(self, classes: tuple[str, ...], decisions: Sequence[Decision],
                 models: Mapping[str, Model], seen: Sequence[int] = ()) -> None:
        """`decisions`, each about one of `models`, are named by their places.

        `seen` are the features that together count a flow's packets, where there are some.
        """
        self._classes = classes
        self._seen = list(seen)
        self._packets = np.array([one.packets for one in decisions])
        self._asked = [models[name] for name in dict.fromkeys(one.model for one in decisions)]
        self._model = np.array([next(place for place, model in enumerate(self._asked)
                                     if model is models[one.model]) for one in decisions])
        count = len(classes)
        self._scale = np.array([[one.scale] for one in decisions])
        self._bias = np.array([one.bias or (0.0,) * count for one in decisions])
        self._as_is = np.array([one.scale == 1.0 and not one.bias for one in decisions])
        self._least = np.array([one.least or (-np.inf,) * count for one in decisions])
        self._most = np.array([one.most or (np.inf,) * count for one in decisions], np.float32)
        self._limited = np.array([
            bool(one.most) and models[one.model].prototypes is not None for one in decisions])

    def labels(
        self, which: NDArray[np.intp], vectors: NDArray[np.float32], brief: bool = False,
    ) -> Labels:
        """Labels for `vectors` [rows, features]; each is decided on as `which` says.

        `brief` leaves out the novelty (NaN) of what is unknown for want of confidence already: half
        of the work.
        """
        if len(self._asked) == 1:
            return self._labels(self._asked[0], which, vectors, brief)
        of = self._model[which]
        rows = [np.flatnonzero(of == place) for place in range(len(self._asked))]
        parts = [self._labels(model, which[mine], vectors[mine], brief)
                 for model, mine in zip(self._asked, rows, strict=True)]
        back = np.argsort(np.concatenate(rows))
        return Labels(
            self._classes, np.concatenate([part.codes for part in parts])[back],
            np.concatenate([part.confidence for part in parts])[back],
            np.concatenate([part.best for part in parts])[back],
            np.concatenate([part.novelty for part in parts])[back],
            np.concatenate([part.probabilities for part in parts])[back])

    def _labels(self, model: Model, which: NDArray[np.intp], vectors: NDArray[np.float32],
                brief: bool) -> Labels:
        shares = self._calibrated(model.trees.probabilities(vectors), which)
        best = shares.argmax(axis=1)
        confidence = shares[np.arange(len(best)), best]
        codes = best.astype(np.int16)
        codes[confidence < self._least[which, best]] = NOTHING
        if self._seen:
            codes[vectors[:, self._seen].sum(axis=1) < self._packets[which]] = NOTHING
        novelty = np.zeros(len(best), np.float32)
        limited = self._limited[which]
        if model.prototypes is not None and limited.any():
            asked = limited & (codes != NOTHING) if brief else limited
            novelty[limited & ~asked] = np.nan
            most = np.maximum(self._most[which[asked], best[asked]], LEAST_DISTANCE)
            novelty[asked] = model.prototypes.distance(vectors[asked]) / most
            codes[novelty > 1] = NOTHING
        return Labels(self._classes, codes, confidence.astype(np.float32), best.astype(np.int16),
                      novelty, shares.astype(np.float32))

    def _calibrated(self, shares: NDArray[np.float64], which: NDArray[np.intp],
                    ) -> NDArray[np.float64]:
        as_is = self._as_is[which]
        if as_is.all():
            return shares
        made = _raised(shares, self._scale[which], self._bias[which])
        return np.where(as_is[:, None], shares, made)


def calibrated(
    shares: NDArray[np.float64], scale: float, bias: Sequence[float] = (),
) -> NDArray[np.float64]:
    """Probabilities [rows, classes] made as sure as experience says they may be."""
    if scale == 1.0 and not bias:
        return shares
    return _raised(shares, np.array(scale), np.array(bias or (0.0,) * shares.shape[1]))


def _raised(shares: NDArray[np.float64], scale: NDArray[np.float64], bias: NDArray[np.float64],
            ) -> NDArray[np.float64]:
    """To the power of `scale`, times e to the power of `bias`, and again a sum of 1."""
    logarithms = np.log(np.maximum(shares, 1e-12)) * scale + bias
    raised = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
