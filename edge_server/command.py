"""`airsplit edge`: options and start of the edge server. Heavy libraries load only when it runs."""

from __future__ import annotations

import argparse
import ipaddress
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from edge_server import token_command
from edge_server.engine.options import add_engine_options, positive
from edge_server.errors import ConfigurationError
from edge_server.split import LayerRange

if TYPE_CHECKING:
    import ssl

    from edge_server.tokens import TokenStore

EXAMPLES = """examples:
  airsplit edge                                     serve the bundled model on 127.0.0.1:8470
  airsplit edge --model gemma-2-2b/tail             serve a tail that `airsplit split` wrote
  airsplit edge --model gemma-2-2b --layers 1:26    serve those layers of a whole checkpoint
  airsplit edge --model gemma-2-2b --dtype int8 --sessions 8 --threads 4
  airsplit edge token add alice                     from now on phones need a token: here is one
  airsplit edge --host 0.0.0.0 --tls-cert edge.pem --tls-key edge.key
"""
CALLERS_BESIDE_SESSIONS = 64  # connections for scrapes, for phones that come back, for refusals


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
    parser.add_argument("--log-level", default="warning",
                        choices=("debug", "info", "warning", "error"))
    parser.add_argument("--log-format", default="text", choices=("text", "json"),
                        help="lines for people or for a machine (default: %(default)s)")
    parser.add_argument("--end-with-stdin", action="store_true",
                        help="end, as by SIGTERM, when standard input closes: for a program that "
                             "starts an edge and may be killed")
    add_engine_options(parser)
    parser.add_argument("--device", default="cpu",
                        help="of the layers, as torch names it: cpu; cuda, by the reference "
                             "backend (default: cpu)")
    parser.add_argument("--step-times", type=positive, metavar="N",
                        help="keep when the last N steps were, which /v1/steps tells operators "
                             "(default: none)")
    limits = parser.add_argument_group("limits")
    limits.add_argument("--sessions", type=positive, default=4, metavar="N",
                        help="phones served at a time (default: %(default)s)")
    limits.add_argument("--cache-limit", type=positive, metavar="MIB",
                        help="memory of all sessions' caches (default: what they can fill)")
    limits.add_argument("--prompt-rows", type=positive, default=4, metavar="N",
                        help="rows of prompts that are read beside each token of the others: "
                             "fewer keep tokens steadier, more read prompts sooner "
                             "(default: %(default)s)")
    limits.add_argument("--rate", type=token_command.rate, metavar="ROWS_PER_S",
                        help="rows a second that one token's sessions may send, where the token "
                             "has no rate of its own (default: any)")
    limits.add_argument("--idle-timeout", type=seconds, default=900.0, metavar="SECONDS",
                        help="end a session after so much silence (default: %(default)g)")
    limits.add_argument("--grace", type=seconds, default=120.0, metavar="SECONDS",
                        help="keep a session whose connection broke for so long "
                             "(default: %(default)g)")
    limits.add_argument("--drain-timeout", type=seconds, default=10.0, metavar="SECONDS",
                        help="what running answers get when the edge is asked to end "
                             "(default: %(default)g)")
    _configure_access(parser)
    parser.set_defaults(run=run, default_model=default_model)
    commands = parser.add_subparsers(title="commands", dest="edge_command", metavar="COMMAND")
    token_command.configure(commands.add_parser("token", help="add, list and revoke tokens"))


def _configure_access(parser: argparse.ArgumentParser) -> None:
    access = parser.add_argument_group("access")
    token_command.add_tokens_option(access)
    access.add_argument("--allow-anyone", action="store_true",
                        help="ask nobody for a token, and listen beyond this machine all the same")
    access.add_argument("--tls-cert", type=Path, metavar="FILE",
                        help="certificate chain (PEM) to serve https:// with; SIGHUP reads a "
                             "renewed one")
    access.add_argument("--tls-key", type=Path, metavar="FILE",
                        help="its private key (default: in the certificate's file)")
    access.add_argument("--connections-per-address", type=positive, metavar="N",
                        help="connections at a time from one address; a network may hide many "
                             "phones behind one (default: --sessions + 16)")


def layer_range(text: str) -> LayerRange:
    """`1:26` as a range, for argparse."""
    try:
        start, end = text.split(":")
        return LayerRange(int(start), int(end))
    except (ValueError, ConfigurationError):
        raise argparse.ArgumentTypeError(f"{text!r} is not START:END, such as 1:26") from None


def seconds(text: str) -> float:
    """A duration, for argparse."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a duration; give seconds above 0")
    return value


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
    # First of all what costs nothing to find wrong: files, and a clash of ports. Phones that call
    # while the model loads wait in the queue instead of being turned away.
    context = _certificate(arguments)
    tokens = _tokens(arguments)
    if arguments.end_with_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    guarded = arguments.allow_anyone or (tokens is not None and tokens.required)
    with listen(arguments.host, arguments.port, guarded) as listener:
        return _serve(arguments, listener, context, tokens)


def _certificate(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.tls_cert is None:
        if arguments.tls_key is not None:
            raise ConfigurationError("--tls-key is of no use without --tls-cert.",
                                     "Give the certificate too.")
        return None
    from edge_server.tls import renew, server_context

    files = arguments.tls_cert, arguments.tls_key or arguments.tls_cert
    context = server_context(*files)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, lambda *_: renew(context, *files))
    return context


def _end_with_stdin() -> None:
    """Whoever started this edge holds the other end: the system closes it when they are gone."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _tokens(arguments: argparse.Namespace) -> TokenStore | None:
    """The tokens to ask for; None where nobody is asked."""
    from edge_server.tokens import TokenStore, default_path

    if arguments.allow_anyone:
        return None
    if arguments.tokens is not None and not arguments.tokens.exists():
        # Named, so it is meant to protect: a slip must not leave the edge open.
        raise ConfigurationError(f"--tokens {arguments.tokens}: there is no such file.",
                                 "Make it: airsplit edge token add NAME --tokens FILE")
    return TokenStore(arguments.tokens or default_path())


def _serve(
    arguments: argparse.Namespace, listener: socket.socket, context: ssl.SSLContext | None,
    tokens: TokenStore | None,
) -> int:
    from edge_server import logs
    from edge_server.access import Access
    from edge_server.app import create_app
    from edge_server.config import EdgeConfig
    from edge_server.engine.load import EngineOptions
    from edge_server.engine.parts import open_folders
    from edge_server.guard import GuardedConfig, Limits, Listener
    from edge_server.metrics import Metrics
    from edge_server.server import EdgeServer
    from edge_server.serving import open_edge

    logs.configure(arguments.log_level, arguments.log_format)
    options = EngineOptions(arguments.backend, arguments.dtype, arguments.sessions,
                            arguments.context, arguments.threads, arguments.device)
    config = EdgeConfig(
        options, arguments.host, listener.getsockname()[1], idle_timeout=arguments.idle_timeout,
        grace=arguments.grace, rate=arguments.rate or 0.0, prompt_rows=arguments.prompt_rows,
        cache_bytes=(arguments.cache_limit or 0) << 20, drain_timeout=arguments.drain_timeout,
        step_times=arguments.step_times or 0)
    checkpoint = open_folders(arguments.model or [arguments.default_model])
    metrics = Metrics()
    edge = open_edge(config, checkpoint, arguments.layers, metrics, tokens)
    limits = Limits(arguments.sessions + CALLERS_BESIDE_SESSIONS,
                    arguments.connections_per_address or arguments.sessions + 16)
    server = EdgeServer(GuardedConfig(
        create_app(edge, Access(tokens)), limits, metrics.denied, metrics.carried,
        log_config=None, access_log=False, lifespan="on",
        ssl_context_factory=(lambda *_: context) if context is not None else None,
        proxy_headers=False, server_header=False,
        # A frame over the limit is told so; only one far beyond it is cut off unread.
        ws_max_size=2 * config.max_message,
        # It would take 9 % off rows of the bundled model in bf16 (512 B, level 1 and 6 alike) for
        # 40 to 140 µs a row on the sender's processor: more than those bytes take at 10 Mbit/s.
        ws_per_message_deflate=False,
        # A phone between two questions reads nothing and so answers no ping: the idle timeout
        # and the socket's own keepalive find the dead ones.
        ws_ping_interval=None,
        timeout_graceful_shutdown=max(1, int(config.drain_timeout))), edge.desk.drain)
    scheme = "http" if context is None else "https"
    print(f"airsplit edge: layers {edge.serving.held} of {edge.serving.total_layers} "
          f"({edge.engine.backend}, {edge.engine.precision}, "
          f"{edge.worker.memory() / 2**20:,.0f} MiB) "
          f"on {scheme}://{url_host(arguments.host)}:{config.port}", flush=True)
    if not _is_loopback(listener.getsockname()[0]):
        _warn_of_strangers(arguments, tokens, context is not None)
    server.run(sockets=[Listener(listener, limits, metrics.denied, context is not None)])
    return 0


def _warn_of_strangers(arguments: argparse.Namespace, tokens: TokenStore | None,
                       encrypted: bool) -> None:
    """What other machines may do that the operator may not have meant."""
    import logging

    from edge_server.tokens import default_path

    if tokens is not None and tokens.required and not encrypted:
        logging.getLogger("edge_server").warning(
            "tokens and activations cross the network unencrypted; give --tls-cert, "
            "or put a proxy that ends TLS in front")
    if arguments.allow_anyone and (arguments.tokens or default_path()).exists():
        logging.getLogger("edge_server").warning(
            "--allow-anyone: nobody is asked for a token, though there are some in %s",
            arguments.tokens or default_path())


def listen(host: str, port: int, allow_anyone: bool) -> socket.socket:
    """A listening socket; refuses to be reachable from other machines unless any may call:
    because callers are asked for a token, or because the operator says so."""
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, OverflowError, UnicodeError) as error:
        raise ConfigurationError(f"--host {host} --port {port}: {error}.",
                                 "Give an address of this machine and a port.") from error
    if not _is_loopback(str(address[4][0])) and not allow_anyone:
        raise ConfigurationError(
            f"--host {host} is reachable from other machines, and this edge has no tokens to ask "
            "for.", "Make one (airsplit edge token add NAME), or add --allow-anyone on a network "
            "you trust.")
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


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def url_host(host: str) -> str:
    """`host` as it stands in a URL."""
    return f"[{host}]" if ":" in host else host
