"""`airsplit edge`: options and start of the edge server. Heavy libraries load only when it runs."""

from __future__ import annotations

import argparse
import ipaddress
import logging
import signal
import socket
import sys
import threading
from pathlib import Path

from edge_server.engine.options import add_engine_options, positive
from edge_server.errors import ConfigurationError
from edge_server.split import LayerRange

EXAMPLES = """examples:
  airsplit edge                                     serve the bundled model on 127.0.0.1:8470
  airsplit edge --model gemma-2-2b/tail             serve a tail that `airsplit split` wrote
  airsplit edge --model gemma-2-2b --layers 1:26    serve those layers of a whole checkpoint
  airsplit edge --model gemma-2-2b --dtype int8 --sessions 8 --threads 4
"""


def configure(parser: argparse.ArgumentParser, default_model: Path) -> None:
    """Add this command's options to `parser`."""
    parser.description = "Run a model's later layers for phones: an edge server."
    parser.epilog = EXAMPLES
    parser.add_argument("--model", type=Path, action="append", metavar="DIR",
                        help="checkpoint folder, whole or a part; repeat to join parts "
                             "(default: the bundled model)")
    parser.add_argument("--layers", type=layer_range, metavar="START:END",
                        help="layers to load (default: all the folder holds)")
    parser.add_argument("--host", default="127.0.0.1",
                        help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=port, default=8470,
                        help="port to listen on; 0 picks a free one (default: %(default)s)")
    parser.add_argument("--allow-anyone", action="store_true",
                        help="listen beyond this machine although anyone there can then use it")
    parser.add_argument("--sessions", type=positive, default=4, metavar="N",
                        help="phones served at a time (default: %(default)s)")
    parser.add_argument("--log-level", default="warning",
                        choices=("debug", "info", "warning", "error"))
    add_engine_options(parser)
    parser.set_defaults(run=run, default_model=default_model)


def layer_range(text: str) -> LayerRange:
    """`1:26` as a range, for argparse."""
    try:
        start, end = text.split(":")
        return LayerRange(int(start), int(end))
    except (ValueError, ConfigurationError):
        raise argparse.ArgumentTypeError(f"{text!r} is not START:END, such as 1:26") from None


def port(text: str) -> int:
    """A TCP port, for argparse: the system would wrap a larger number around."""
    value = int(text)
    if not 0 <= value < 65536:
        raise argparse.ArgumentTypeError(f"{text} is not a port; give 0 to 65535")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handler
        # The server hands on the signal that ended it once all is closed: that is no failure.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # First of all: a clash of ports is told at once, and phones that call while the model loads
    # wait in the queue instead of being turned away.
    with listen(arguments.host, arguments.port, arguments.allow_anyone) as listener:
        return _serve(arguments, listener)


def _serve(arguments: argparse.Namespace, listener: socket.socket) -> int:
    import uvicorn

    from edge_server.app import create_app
    from edge_server.config import EdgeConfig
    from edge_server.engine.load import EngineOptions
    from edge_server.engine.parts import open_folders
    from edge_server.serving import open_edge

    logging.basicConfig(level=arguments.log_level.upper(),
                        format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    options = EngineOptions(arguments.backend, arguments.dtype, arguments.sessions,
                            arguments.context, arguments.threads)
    config = EdgeConfig(options, arguments.host, listener.getsockname()[1])
    checkpoint = open_folders(arguments.model or [arguments.default_model])
    edge = open_edge(config, checkpoint, arguments.layers)
    server = uvicorn.Server(uvicorn.Config(
        create_app(edge), log_level=arguments.log_level, access_log=False, lifespan="on",
        ws="websockets-sansio", ws_max_size=config.max_message, ws_per_message_deflate=False,
        # A phone between two questions reads nothing and so answers no ping: the idle timeout
        # and the socket's own keepalive find the dead ones.
        ws_ping_interval=None,
        timeout_graceful_shutdown=int(config.drain_timeout)))
    print(f"airsplit edge: layers {edge.serving.held} of {edge.serving.total_layers} "
          f"({edge.engine.backend}, {edge.engine.precision}, "
          f"{edge.worker.memory() / 2**20:,.0f} MiB) "
          f"on http://{url_host(arguments.host)}:{config.port}", flush=True)
    server.run(sockets=[listener])
    return 0


def listen(host: str, port: int, allow_anyone: bool) -> socket.socket:
    """A listening socket; refuses to be reachable from other machines unless told so."""
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, OverflowError, UnicodeError) as error:
        raise ConfigurationError(f"--host {host} --port {port}: {error}.",
                                 "Give an address of this machine and a port.") from error
    if not ipaddress.ip_address(address[4][0]).is_loopback and not allow_anyone:
        raise ConfigurationError(
            f"--host {host} is reachable from other machines, and this edge asks for no password.",
            "Keep to 127.0.0.1 behind a tunnel, or add --allow-anyone on a network you trust.")
    # With the protocol spelled out: asyncio turns Nagle's delay off for such sockets alone.
    listener = socket.socket(address[0], socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address[4])
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"Cannot listen on {host}:{port}: {error.strerror}.",
                                 "Give another --port, or stop what uses it.") from error
    listener.listen(128)
    return listener


def url_host(host: str) -> str:
    """`host` as it stands in a URL."""
    return f"[{host}]" if ":" in host else host
