"""The decoders that `bench_decode` times, each in a subprocess of its own, printing one JSON line.

All get the same prompt of token ids and produce greedily. A step is one token: embedding lookup,
layers, output matrix and the choice of the likeliest. Ours runs the product's own generation loop,
over the local link, or in turn over that and over one to an edge that was started before.
`transformers` is timed as it comes, through `generate` and a streamer.

    python -m tests.benchmarks.contenders ours --model DIR --threads 1 --precision int8
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tests.benchmarks.shapes import prompt_ids

if TYPE_CHECKING:
    from ue_app.generate import Answer

Ask = Callable[[Sequence[int], int], "Answer"]


class Stamps:
    """A streamer for `generate` that notes when each token came; the prompt comes first."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, value: torch.Tensor) -> None:
        self.times.append(time.perf_counter())

    def end(self) -> None:
        pass


def run_transformers(options: argparse.Namespace, ids: list[int]) -> dict[str, Any]:
    """Stock `generate` in bf16."""
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(options.threads)
    model: Any = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.bfloat16)
    model.eval()
    batch = torch.tensor([ids])
    prefill: list[float] = []
    for repeat in range(options.repeats + 1):
        last = repeat == options.repeats
        stamps = Stamps()
        began = time.perf_counter()
        output = model.generate(
            batch, attention_mask=torch.ones_like(batch), do_sample=False, streamer=stamps,
            max_new_tokens=options.tokens + 1 if last else 2, eos_token_id=None)
        prefill.append((stamps.times[1] - began) * 1e3)
    times = [(after - before) * 1e3 for before, after in itertools.pairwise(stamps.times[1:])]
    return {"prefill_ms": prefill[1:], "decode_ms": times[options.tokens // 8:],
            "ids": output[0, len(ids):].tolist()}


class Mute:
    """A text stream that prints nothing and never stops: there is no tokenizer here."""

    stopped = False

    def push(self, token: int) -> str:
        return ""

    def finish(self) -> str:
        return ""


def run_ours(options: argparse.Namespace, ids: list[int]) -> dict[str, Any]:
    """Our own loop: whole in this process, or with the layers from --split on at --edge."""
    ask = asker(options)
    ask(ids, 1)  # warms up
    if options.edge and options.tokens > 1:
        return compare(ask, asker(unsplit(options)), options, ids)
    prefill = [first_token(ask(ids, 1)) for _ in range(options.repeats)]
    answer = ask(ids, options.tokens + 1)
    return {"prefill_ms": prefill, "decode_ms": steps(answer, options), "ids": answer.ids}


def compare(
    split: Ask, whole: Ask, options: argparse.Namespace, ids: list[int]
) -> dict[str, Any]:
    """Split and unsplit answers in turn, so that both meet the same neighbours on the machine."""
    pairs = [(split(ids, options.tokens + 1), whole(ids, options.tokens + 1))
             for _ in range(options.repeats + 1)][1:]
    costs = [statistics.median(steps(one, options)) - statistics.median(steps(other, options))
             for one, other in pairs]
    return {"prefill_ms": [first_token(one) for one, _ in pairs],
            "decode_ms": [step for one, _ in pairs for step in steps(one, options)],
            "split_cost_ms": costs, "ids": pairs[0][0].ids}


def unsplit(options: argparse.Namespace) -> argparse.Namespace:
    return argparse.Namespace(**vars(options) | {"edge": None, "split": 0, "chunk": options.prompt})


def first_token(answer: Answer) -> float:
    """Milliseconds from asking to the first token."""
    return (answer.times[0] - answer.started) * 1e3


def steps(answer: Answer, options: argparse.Namespace) -> list[float]:
    """Milliseconds of each later token, without those that warm up."""
    times = [(after - before) * 1e3 for before, after in itertools.pairwise(answer.times)]
    return times[options.tokens // 8:]


def asker(options: argparse.Namespace) -> Ask:
    """Opens engine and link once; each call answers from an empty cache."""
    from edge_server.engine.checkpoint import Checkpoint
    from edge_server.engine.identity import identity_of
    from edge_server.engine.load import EngineOptions, open_engine
    from edge_server.engine.tensors import WIRE_TYPES
    from edge_server.messages import Hello, Mode, Sampling
    from ue_app.client import EdgeLink
    from ue_app.generate import Conversation, Limits
    from ue_app.head import Head, place
    from ue_app.link import LocalLink
    from ue_app.wire import LinkConfig

    checkpoint = Checkpoint.open(options.model)
    engine = open_engine(checkpoint, EngineOptions("fast", options.precision, 1, options.capacity,
                                                   options.threads))
    placement = place(options.split, checkpoint.architecture.layers, None)
    head = Head(engine, placement)
    hello = Hello(identity_of(checkpoint), placement.remote, WIRE_TYPES[engine.row_type],
                  Mode.TOKENS)
    link: Any = (EdgeLink(LinkConfig(options.edge), hello) if options.edge
                 else LocalLink(engine, placement.remote))

    def ask(ids: Sequence[int], tokens: int) -> Answer:
        limits = Limits(tokens, frozenset(), options.capacity, options.chunk)
        conversation = Conversation(head, link, limits, time.perf_counter)
        stream: Any = Mute()
        for _ in conversation.ask(ids, Sampling(), stream):
            pass
        assert conversation.answer is not None  # it has just been asked
        return conversation.answer

    return ask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contender", choices=["transformers", "ours"])
    parser.add_argument("--model", type=Path, required=True, help="checkpoint folder")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--precision", default="bf16", help="ours: fp32, bf16 or int8")
    parser.add_argument("--edge", help="ours: URL of the edge; without it all layers run here")
    parser.add_argument("--split", type=int, default=0, help="ours: layers before the link")
    parser.add_argument("--chunk", type=int, default=32, help="ours: prompt rows at a time")
    parser.add_argument("--prompt", type=int, default=64, help="tokens of prompt")
    parser.add_argument("--tokens", type=int, default=32, help="tokens to produce")
    parser.add_argument("--repeats", type=int, default=3, help="timed prefills")
    parser.add_argument("--capacity", type=int, default=512, help="tokens a slot holds")
    options = parser.parse_args()
    config = json.loads((options.model / "config.json").read_text())
    ids = prompt_ids(options.prompt, config["vocab_size"])
    run = run_transformers if options.contender == "transformers" else run_ours
    print(json.dumps(run(options, ids)))


if __name__ == "__main__":
    main()
