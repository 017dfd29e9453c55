"""llama.cpp as a baseline: converts a benchmark checkpoint to GGUF, and times `llama_decode` on it.

It runs as a script under any interpreter that has `llama_cpp` and `gguf` (not this project), so it
imports nothing of this project. It times prefill and single-token decode only: no sampling, no
tokenizer, and the next token is chosen outside the timed region. The keys and values are fp16,
llama.cpp's default. It does not judge text: the weights are random.

    python llama.py convert CHECKPOINT OUT.gguf [--q8]
    python llama.py run MODEL.gguf --threads 1 --prompt 64 --tokens 32 --repeats 3
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ARCHITECTURES = {"gemma": "gemma", "gemma3_text": "gemma3"}  # model_type -> GGUF's name
LAYER_NAMES = {  # after "model.layers.N." -> after "blk.N."; only the MLP's norms differ by family
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "self_attn.q_norm.weight": "attn_q_norm.weight",
    "self_attn.k_norm.weight": "attn_k_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
    "pre_feedforward_layernorm.weight": "ffn_norm.weight",
    "post_feedforward_layernorm.weight": "post_ffw_norm.weight",
}
LOAD_MODES = {"memory": 0, "mmap": 1}  # LLAMA_LOAD_MODE_NONE and _MMAP


def gguf_name(name: str, architecture: str) -> str:
    """The GGUF name of a Hugging Face tensor."""
    outer = {"model.embed_tokens.weight": "token_embd.weight",
             "model.norm.weight": "output_norm.weight"}
    if name in outer:
        return outer[name]
    _, _, index, inner = name.split(".", 3)
    if inner == "post_attention_layernorm.weight":
        sandwich = architecture == "gemma3"  # Gemma 1 normalises only what goes into the MLP
        return f"blk.{index}.{'post_attention_norm' if sandwich else 'ffn_norm'}.weight"
    return f"blk.{index}.{LAYER_NAMES[inner]}"


def tensors(folder: Path) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Name and mapped bf16 bits (uint16) of every tensor of a checkpoint."""
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as handle:
            length = int.from_bytes(handle.read(8), "little")
            header = json.loads(handle.read(length))
        for name, about in header.items():
            if name == "__metadata__":
                continue
            if about["dtype"] != "BF16":
                raise SystemExit(f"{file}: {name} is {about['dtype']}, not BF16")
            yield name, np.memmap(file, np.uint16, "r", 8 + length + about["data_offsets"][0],
                                  tuple(about["shape"]))


def convert(folder: Path, out: Path) -> None:
    """Write `folder` as a bf16 GGUF without a vocabulary (norms are fp32, as llama.cpp wants)."""
    gguf: Any = importlib.import_module("gguf")
    config = json.loads((folder / "config.json").read_text())
    architecture = ARCHITECTURES[config["model_type"]]
    writer = gguf.GGUFWriter(out, architecture)
    describe(writer, gguf, config, architecture)
    for name, bits in tensors(folder):
        if bits.ndim == 1:  # Gemma stores norm weights minus 1; llama.cpp wants them whole
            values = (bits.astype(np.uint32) << 16).view(np.float32) + np.float32(1)
            writer.add_tensor(gguf_name(name, architecture), values)
        else:
            writer.add_tensor(gguf_name(name, architecture), bits.view(np.uint8),
                              raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def describe(writer: Any, gguf: Any, config: dict[str, Any], architecture: str) -> None:
    """The metadata that llama.cpp's own converter writes, with an empty vocabulary."""
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    if architecture == "gemma3":
        writer.add_sliding_window(config["sliding_window"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    writer.add_tokenizer_model("no_vocab")
    writer.add_vocab_size(config["vocab_size"])


def quantize(source: Path, out: Path) -> None:
    """Q8_0 by llama.cpp's own quantizer."""
    llama: Any = importlib.import_module("llama_cpp")
    parameters = llama.llama_model_quantize_default_params()
    parameters.ftype = llama.LLAMA_FTYPE_MOSTLY_Q8_0
    parameters.nthread = os.cpu_count() or 1
    failed = llama.llama_model_quantize(bytes(source), bytes(out), ctypes.byref(parameters))
    if failed:
        raise SystemExit(f"llama.cpp could not quantize {source}")


class Runner:
    """One model and context, through the low-level API."""

    def __init__(self, model: Path, threads: int, prompt: int, capacity: int, load: str) -> None:
        self.llama: Any = importlib.import_module("llama_cpp")
        llama = self.llama
        # "error: ..." lines stay; the rest of its log is chatter. Kept, or it would be collected.
        self.log = llama.llama_log_callback(_log)
        llama.llama_log_set(self.log, ctypes.c_void_p(0))
        llama.llama_backend_init()
        self.model = llama.llama_model_load_from_file(bytes(model), self._model_parameters(load))
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {model}")
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = capacity
        parameters.n_batch = parameters.n_ubatch = prompt
        parameters.n_threads = parameters.n_threads_batch = threads
        self.context = llama.llama_init_from_model(self.model, parameters)
        if not self.context:
            raise SystemExit(f"llama.cpp cannot make a context for {model}")
        self.vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))

    def _model_parameters(self, load: str) -> Any:
        parameters = self.llama.llama_model_default_params()
        if hasattr(parameters, "load_mode"):
            parameters.load_mode = LOAD_MODES[load]
        else:  # before load modes there was a flag
            parameters.use_mmap = load == "mmap"
        return parameters

    def decode(self, ids: list[int]) -> float:
        """Milliseconds for `ids` as one batch; logits are computed for the last of them."""
        llama = self.llama
        array = (llama.llama_token * len(ids))(*ids)
        batch = llama.llama_batch_get_one(array, len(ids))
        began = time.perf_counter()
        failed = llama.llama_decode(self.context, batch)
        llama.llama_synchronize(self.context)
        took = (time.perf_counter() - began) * 1e3
        if failed:
            raise SystemExit(f"llama_decode returned {failed}")
        return took

    def best(self) -> int:
        """The likeliest next token."""
        logits = self.llama.llama_get_logits_ith(self.context, -1)
        return int(np.argmax(np.ctypeslib.as_array(logits, (self.vocabulary,))))

    def clear(self) -> None:
        self.llama.llama_memory_clear(self.llama.llama_get_memory(self.context), False)


def _log(level: int, text: bytes, _: object) -> None:
    if level >= 4:  # GGML_LOG_LEVEL_ERROR
        sys.stderr.write(text.decode(errors="replace"))


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Prefill `repeats` times, then decode `tokens` greedily; the first prefill warms up."""
    ids = json.loads(options.ids)
    runner = Runner(options.model, options.threads, len(ids), options.capacity, options.load)
    prefill = []
    for _ in range(options.repeats + 1):
        runner.clear()
        prefill.append(runner.decode(ids))
    produced = [runner.best()]
    steps = []
    for _ in range(options.tokens):
        steps.append(runner.decode(produced[-1:]))
        produced.append(runner.best())
    warm = options.tokens // 8
    return {"prefill_ms": prefill[1:], "decode_ms": steps[warm:], "ids": produced,
            "kernels": runner.llama.llama_print_system_info().decode().strip(),
            "llama_cpp_python": runner.llama.__version__}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("convert", help="checkpoint folder to GGUF")
    one.add_argument("folder", type=Path)
    one.add_argument("out", type=Path)
    two = commands.add_parser("quantize", help="bf16 GGUF to Q8_0")
    two.add_argument("folder", type=Path, metavar="model")
    two.add_argument("out", type=Path)
    three = commands.add_parser("run", help="time one model; prints JSON")
    three.add_argument("model", type=Path)
    three.add_argument("--threads", type=int, required=True)
    three.add_argument("--ids", required=True, help="JSON list: the prompt")
    three.add_argument("--tokens", type=int, required=True)
    three.add_argument("--repeats", type=int, default=3)
    three.add_argument("--capacity", type=int, default=512)
    three.add_argument("--load", choices=LOAD_MODES, default="mmap")
    commands.add_parser("check", help="exit 0 where llama_cpp and gguf are importable")
    options = parser.parse_args()
    if options.command == "convert":
        convert(options.folder, options.out)
    elif options.command == "quantize":
        quantize(options.folder, options.out)
    elif options.command == "run":
        print(json.dumps(run(options)))
    elif not all(importlib.util.find_spec(name) for name in ("llama_cpp", "gguf")):
        raise SystemExit("llama_cpp or gguf is not installed for this interpreter")


if __name__ == "__main__":
    main()
