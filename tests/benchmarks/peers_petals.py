"""Petals in a private swarm, both ends: `serve` has all blocks, `ask` the embedding and the scores.

It runs under an interpreter that has `petals`, as peers_petals.txt says; of this project it
imports what needs Python alone. Petals 2.2 knows Llama, Bloom and Falcon and no Gemma, so `prepare`
writes a Llama of the same width, layers, heads and vocabulary with random weights: its tokens are
its own. Its client computes no layer, so the server has all. Nothing is asked of the public swarm,
nor of any host. What its old releases miss in newer torch and triton is put in place before it is
imported; both are for training and GPUs, which nothing here uses.

    python -m tests.benchmarks.peers_petals check
    python -m tests.benchmarks.peers_petals prepare CHECKPOINT MODEL
    python -m tests.benchmarks.peers_petals serve petals MODEL 127.0.0.1 31337
    python -m tests.benchmarks.peers_petals ask petals MODEL 127.0.0.1 31337 --join ADDRESS
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import sys
import tempfile
import threading
import time
import types
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.benchmarks import peers_loop
from tests.benchmarks.peers_loop import Step

CONTEXT = 1024  # tokens
SWARM = "airsplit-peers"  # the prefix of its blocks' names
READY_SECONDS = 120.0
POLL_SECONDS = 0.05
KEPT = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
        "num_attention_heads", "num_key_value_heads", "rms_norm_eps", "max_position_embeddings")


def main() -> None:
    warnings.simplefilter("ignore")
    peers_loop.run(peers_loop.options(__doc__),
                   {"check": check, "prepare": prepare, "serve": serve, "ask": ask})


def check(_: argparse.Namespace) -> None:
    if importlib.util.find_spec("petals") is None:
        raise SystemExit(f"petals is not installed for {sys.executable}")
    _petals()


def prepare(options: argparse.Namespace) -> None:
    """A random Llama of the checkpoint's measures, in Petals' own form of files."""
    _in_place()
    torch = importlib.import_module("torch")
    transformers = importlib.import_module("transformers")
    config = transformers.LlamaConfig(
        **llama_shape(json.loads((options.source / "config.json").read_text())),
        tie_word_embeddings=False, torch_dtype="bfloat16")
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(options.out, safe_serialization=False)


def llama_shape(config: dict[str, Any]) -> dict[str, Any]:
    """What a Llama takes over from another model's config.json; its heads' width follows."""
    return {name: config[name] for name in KEPT}


def _petals() -> Any:
    _in_place()
    return importlib.import_module("petals")


def _in_place() -> None:
    """What petals and its libraries import and newer ones no longer have."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    new = importlib.import_module("torch.amp.grad_scaler")
    old: Any = importlib.import_module("torch.cuda.amp.grad_scaler")
    for name in ("_refresh_per_optimizer_state", "OptState"):
        setattr(old, name, getattr(new, name))
    performance: Any = types.ModuleType("triton.ops.matmul_perf_model")
    performance.early_config_prune = performance.estimate_matmul_time = None
    sys.modules.setdefault("triton.ops", types.ModuleType("triton.ops"))
    sys.modules.setdefault("triton.ops.matmul_perf_model", performance)


def serve(options: argparse.Namespace) -> None:
    """All blocks, and the swarm's first peer; it says at which address."""
    _petals()
    with tempfile.TemporaryDirectory(prefix="airsplit-petals-") as folder:
        server = _server(options, Path(folder))
        threading.Thread(target=_say_when_ready, args=(server,), daemon=True).start()
        server.run()


def _server(options: argparse.Namespace, folder: Path) -> Any:
    module = importlib.import_module("petals.server.server")
    layers = json.loads((options.model / "config.json").read_text())["num_hidden_layers"]
    return module.Server(
        initial_peers=[], dht_prefix=SWARM, converted_model_name_or_path=str(options.model),
        throughput=1.0, block_indices=f"0:{layers}", num_handlers=1, device="cpu",
        torch_dtype="bfloat16", cache_dir=str(folder), skip_reachability_check=True,
        use_relay=False, use_auto_relay=False, reachable_via_relay=False,
        identity_path=str(folder / "identity"), startup_timeout=READY_SECONDS,
        host_maddrs=[f"/ip4/{options.host}/tcp/{options.port}"])


def _say_when_ready(server: Any) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        container = getattr(server, "module_container", None)
        if container is not None and container.ready.is_set():
            peers_loop.say_ready(str(server.dht.get_visible_maddrs()[0]))
            return
        time.sleep(POLL_SECONDS)
    print(f"no blocks were served within {READY_SECONDS:.0f} s", file=sys.stderr, flush=True)
    peers_loop.end()


def ask(options: argparse.Namespace) -> None:
    petals = _petals()
    torch = importlib.import_module("torch")
    model = petals.AutoDistributedModelForCausalLM.from_pretrained(
        str(options.model), initial_peers=[options.join], dht_prefix=SWARM,
        torch_dtype=torch.bfloat16, max_retries=1)
    peers_loop.answer_all(_step(torch, model))
    peers_loop.end()  # its daemon and threads go on else


def _step(torch: Any, model: Any) -> Step:
    """Rows go through the blocks in one session of Petals for each answer."""
    held, sessions = ExitStack(), list[Any]()

    def step(new: list[int], position: int) -> int:
        if position == 0:
            held.close()
            sessions[:] = [held.enter_context(
                model.transformer.h.inference_session(max_length=CONTEXT))]
        with torch.inference_mode():
            rows = sessions[0].step(model.model.embed_tokens(torch.tensor([new])))
            return int(model.lm_head(model.model.norm(rows[:, -1:]))[0, -1].argmax())

    return step


if __name__ == "__main__":
    main()
