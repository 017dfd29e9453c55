"""One contender of `bench_classify`: trains a seeded model on made-up flows, then is timed.

It needs no module of this project except for the flattened trees, so that the one with ONNX can
run in an interpreter of its own. The last line of stdout is its figures as JSON.

    python tests/benchmarks/classifiers.py boosting flat
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

ROWS, FEATURES, CLASSES = 3000, 180, 10  # about what the shipped model is trained on
BATCH = 1000  # flows asked about at once
Predict = Callable[[Any], Any]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=["boosting", "forest"])
    parser.add_argument("runtime", choices=["sklearn", "flat", "onnx"])
    parser.add_argument("--trees", type=int, default=80)
    parser.add_argument("--calls", type=int, default=300)
    options = parser.parse_args()
    vectors, codes = flows()
    model = trained(options.model, options.trees, vectors, codes)
    if options.runtime == "sklearn":
        predict: Predict = model.predict_proba
    else:
        predict = flat(model) if options.runtime == "flat" else onnx(model)
    difference = float(np.abs(np.asarray(predict(vectors[:BATCH]), np.float64)
                              - model.predict_proba(vectors[:BATCH])).max())
    print(json.dumps(timed(predict, vectors, options.calls) | {"difference": difference}))


def flows() -> tuple[Any, Any]:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(ROWS, FEATURES)).astype(np.float32)
    codes = random.integers(0, CLASSES, ROWS)
    vectors[:, :20] += codes[:, None] * random.normal(size=20).astype(np.float32)
    vectors[random.random(vectors.shape) < 0.1] = -1  # what is missing; not every runtime has NaN
    return vectors, codes


def trained(kind: str, trees: int, vectors: Any, codes: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    model: Any = (
        HistGradientBoostingClassifier(max_iter=trees, max_leaf_nodes=24, random_state=1)
        if kind == "boosting" else
        RandomForestClassifier(trees, max_depth=16, n_jobs=1, random_state=1))
    model.fit(vectors, codes)
    return model


def flat(model: Any) -> Predict:
    from classifier.export import flatten

    return flatten(model).probabilities


def onnx(model: Any) -> Predict:
    import onnxruntime
    from skl2onnx import to_onnx

    converted = to_onnx(model, np.zeros((1, FEATURES), np.float32),
                        options={id(model): {"zipmap": False}})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(converted.SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda vectors: session.run(None, {name: vectors})[1]


def timed(predict: Predict, vectors: Any, calls: int) -> dict[str, object]:
    """Microseconds for one flow, each call; and CPU time for each flow of a batch."""
    predict(vectors[:1])
    one = []
    for call in range(calls):
        row = vectors[call % ROWS:call % ROWS + 1]
        began = time.perf_counter()
        predict(row)
        one.append((time.perf_counter() - began) * 1e6)
    began = time.process_time()
    rounds = 3
    for _ in range(rounds):
        predict(vectors[:BATCH])
    each = (time.process_time() - began) / rounds / BATCH * 1e6
    return {"one": one, "p99": statistics.quantiles(one, n=100)[98], "batch": each}


if __name__ == "__main__":
    main()
