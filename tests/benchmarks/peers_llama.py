"""llama.cpp's RPC backend, both ends: `serve` lends this machine's processor, `ask` uses it.

It runs under an interpreter that has `llama_cpp`, built with the RPC backend, and `gguf`; of this
project it imports what needs Python and numpy alone. llama.cpp's own tools do the same, as
`rpc-server` and `llama-cli --rpc`; the Python package brings the library without the tools, so the
library's functions are called here. The last layers and the output matrix are lent out, as
llama.cpp does it for a number of layers. Each end computes with one thread. As `llama-rpc` the
scores come back and the token is chosen here; as `llama-rpc-sampling` the server chooses it, in the
graph ("backend sampling").

    python -m tests.benchmarks.peers_llama check
    python -m tests.benchmarks.peers_llama prepare CHECKPOINT MODEL.gguf
    python -m tests.benchmarks.peers_llama serve llama-rpc MODEL.gguf 127.0.0.1 50052
    python -m tests.benchmarks.peers_llama ask llama-rpc MODEL.gguf 127.0.0.1 50052 --lend 10
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import importlib.util
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks import llama, peers_loop

SAMPLING = "llama-rpc-sampling"
THREADS = 1
CONTEXT = 1024  # tokens
BATCH = 512  # tokens of a prompt at once
DEVICE_NAME = b"CPU"
READY_SECONDS = 60.0
POLL_SECONDS = 0.05
LOG_ERROR = 4  # GGML_LOG_LEVEL_ERROR
_POINTER, _TEXT, _SIZE, _INT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int32
_FUNCTIONS: dict[str, list[tuple[str, Any, list[Any]]]] = {  # by library: name, result, arguments
    "libggml.so": [("ggml_backend_dev_by_name", _POINTER, [_TEXT]),
                   ("ggml_backend_register", None, [_POINTER])],
    "libggml-base.so": [("ggml_backend_reg_dev_count", _SIZE, [_POINTER]),
                        ("ggml_backend_reg_dev_get", _POINTER, [_POINTER, _SIZE])],
    "libggml-rpc.so": [("ggml_backend_rpc_add_server", _POINTER, [_TEXT]),
                       ("ggml_backend_rpc_start_server", None,
                        [_TEXT, _TEXT, _SIZE, _SIZE, _POINTER])],
    "libllama.so": [("llama_set_sampler", ctypes.c_bool, [_POINTER, _INT, _POINTER]),
                    ("llama_get_sampled_token_ith", _INT, [_POINTER, _INT])]}


def main() -> None:
    peers_loop.run(peers_loop.options(__doc__),
                   {"check": check, "prepare": prepare, "serve": serve, "ask": ask})


def check(_: argparse.Namespace) -> None:
    for name in ("llama_cpp", "gguf"):
        if importlib.util.find_spec(name) is None:
            raise SystemExit(f"{name} is not installed for {sys.executable}")
    functions()


def prepare(options: argparse.Namespace) -> None:
    llama.convert(options.source, options.out)


def functions() -> dict[str, Any]:
    """Of the shared objects that `llama_cpp` brings, by name."""
    folder = Path(importlib.import_module("llama_cpp").__file__ or "").parent / "lib"
    found: dict[str, Any] = {}
    for library, ones in _FUNCTIONS.items():
        try:
            loaded = ctypes.CDLL(str(folder / library))
            for name, result, arguments in ones:
                function = found[name] = getattr(loaded, name)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError) as error:
            raise SystemExit(f"this llama_cpp was built without what it takes: {error}") from error
    return found


def serve(options: argparse.Namespace) -> None:
    """Until it is killed: it never returns."""
    call = functions()
    device = call["ggml_backend_dev_by_name"](DEVICE_NAME)
    if not device:
        raise SystemExit(f"llama.cpp has no device {DEVICE_NAME.decode()}")
    where = (options.host, options.port)
    threading.Thread(target=_say_when_open, args=where, daemon=True).start()
    call["ggml_backend_rpc_start_server"](_name(*where), None, THREADS, 1,
                                          (ctypes.c_void_p * 1)(device))
    raise SystemExit(f"llama.cpp cannot listen on {options.host}:{options.port}")


def _name(host: str, port: int) -> bytes:
    return f"{host}:{port}".encode()


def _say_when_open(host: str, port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((host, port)) == 0:
                peers_loop.say_ready()
                return
        time.sleep(POLL_SECONDS)


def ask(options: argparse.Namespace) -> None:
    peers_loop.answer_all(Client(options).step)


class Client:
    """One model, of which the last layers are at the server."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._call = functions()
        api = self._api = importlib.import_module("llama_cpp")
        self._log = api.llama_log_callback(_log)  # kept, or it would be collected
        api.llama_log_set(self._log, ctypes.c_void_p(0))
        api.llama_backend_init()
        self._devices = (ctypes.c_void_p * 2)(self._device(options.host, options.port), None)
        parameters = api.llama_model_default_params()
        parameters.n_gpu_layers = options.lend
        parameters.devices = ctypes.addressof(self._devices)
        self._model = api.llama_model_load_from_file(bytes(options.model), parameters)
        if not self._model:
            raise SystemExit(f"llama.cpp cannot load {options.model}")
        self._vocabulary = api.llama_vocab_n_tokens(api.llama_model_get_vocab(self._model))
        self._context = self._new_context()
        self._at_server = options.peer == SAMPLING
        if self._at_server:
            self._choose_at_server()

    def _device(self, host: str, port: int) -> int:
        registered = self._call["ggml_backend_rpc_add_server"](_name(host, port))
        if not registered or not self._call["ggml_backend_reg_dev_count"](registered):
            raise SystemExit(f"llama.cpp finds no RPC server at {host}:{port}")
        self._call["ggml_backend_register"](registered)
        return int(self._call["ggml_backend_reg_dev_get"](registered, 0))

    def _new_context(self) -> Any:
        parameters = self._api.llama_context_default_params()
        parameters.n_ctx = CONTEXT
        parameters.n_batch = parameters.n_ubatch = BATCH
        parameters.n_threads = parameters.n_threads_batch = THREADS
        context = self._api.llama_init_from_model(self._model, parameters)
        if not context:
            raise SystemExit("llama.cpp cannot make a context")
        return context

    def _choose_at_server(self) -> None:
        api = self._api
        self._chain = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())
        # The likeliest one by top-k, drawn from by chance: its `greedy` alone fetches all scores as
        # well, and after a top-k gives a place among those kept in place of a token.
        for one in (api.llama_sampler_init_top_k(1), api.llama_sampler_init_dist(0)):
            api.llama_sampler_chain_add(self._chain, one)
        if not self._call["llama_set_sampler"](self._context, 0, self._chain):
            raise SystemExit("llama.cpp cannot choose tokens at the server")

    def step(self, new: list[int], position: int) -> int:
        """The token after `new`; position 0 begins anew."""
        api = self._api
        if position == 0:
            api.llama_memory_clear(api.llama_get_memory(self._context), False)
        ids = (api.llama_token * len(new))(*new)
        failed = api.llama_decode(self._context, api.llama_batch_get_one(ids, len(new)))
        if failed:
            raise SystemExit(f"llama_decode returned {failed}")
        if self._at_server:
            token = int(self._call["llama_get_sampled_token_ith"](self._context, -1))
            if token < 0:
                raise SystemExit("the server chose no token")
            return token
        scores = api.llama_get_logits_ith(self._context, -1)
        return int(np.argmax(np.ctypeslib.as_array(scores, (self._vocabulary,))))


def _log(level: int, text: bytes, _: object) -> None:
    if level >= LOG_ERROR:
        sys.stderr.write(text.decode(errors="replace"))


if __name__ == "__main__":
    main()
