"""`airsplit app`: options and start of the phone's page. Heavy libraries load only when it runs."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_server.engine.options import BACKENDS, PRECISIONS, positive
from edge_server.errors import ConfigurationError
from ue_app.drafts.registry import AUTO, CHOICES
from ue_app.options import TOKEN_VARIABLE, add_encoding_options, edge_token

if TYPE_CHECKING:
    from ue_app.phone_app import AppConfig, PhoneApp

EXAMPLES = """examples:
  airsplit app                                      the bundled model; starts an edge if none runs
  airsplit app --edge https://edge.example:8470 --model gemma-2-2b/head
  airsplit app --private --port 8600

  then open the address it prints. Settings can be changed in the page; an option given here holds
  for this run and goes before what was set there.
"""


def configure(
    parser: argparse.ArgumentParser, default_model: Path, edge_command: Sequence[str]
) -> None:
    """Add this command's options; `edge_command` is how an edge is started on this machine."""
    parser.description = "Chat in the browser with a model whose first layers run here."
    parser.epilog = EXAMPLES
    parser.add_argument("--host", default="127.0.0.1",
                        help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=8501,
                        help="port to listen on; 0 picks a free one (default: %(default)s)")
    parser.add_argument("--allow-anyone", action="store_true",
                        help="listen beyond this machine although anyone there can then read the "
                             "conversations")
    parser.add_argument("--edge", action="append", metavar="URL",
                        help="address of the edge; repeat for others to fall back on (default: "
                             "one on this machine, started by the app if none runs)")
    parser.add_argument("--token-file", type=Path, metavar="FILE",
                        help="file with the token that the edge's operator gave you (default: "
                             f"what the variable {TOKEN_VARIABLE} holds, if anything)")
    parser.add_argument("--ca", metavar="FILE",
                        help="certificates to trust for https, in PEM, beside the system's")
    parser.add_argument("--model", type=Path, action="append", metavar="DIR",
                        help="checkpoint folder, whole or the head part; repeat to join parts "
                             "(default: the bundled model)")
    parser.add_argument("--split", type=int, metavar="K",
                        help="layers that run here (default: what the part holds; 1 of a whole)")
    parser.add_argument("--private", action="store_true", default=None,
                        help="run the last layers and the choice of tokens here too")
    parser.add_argument("--tail", type=int, metavar="N",
                        help="last layers that --private keeps here (default: 1, or the part's)")
    parser.add_argument("--dtype", choices=PRECISIONS, dest="precision",
                        help="precision of weights; int8 exchanges bf16 rows (default: as stored)")
    parser.add_argument("--backend", choices=BACKENDS,
                        help="as for `airsplit ue` (default: the fastest there is)")
    add_encoding_options(parser, default=None)
    parser.add_argument("--speculate", nargs="?", const=AUTO, choices=CHOICES,
                        help="guess tokens ahead with the model's exit head, by what the "
                             "conversation repeats (lookup), or with both (auto, where nothing "
                             "else is said); can be switched in the page")
    parser.add_argument("--context", type=positive, metavar="TOKENS",
                        help="tokens a conversation may hold (default: 2048)")
    parser.add_argument("--data", type=Path, metavar="DIR",
                        help="folder of conversations, recordings and settings (default: "
                             "~/.local/share/airsplit, and ~/.config/airsplit for settings)")
    parser.add_argument("--log-level", default="warning",
                        choices=("debug", "info", "warning", "error"))
    parser.set_defaults(run=run, default_model=default_model, edge_command=tuple(edge_command))


def _port(text: str) -> int:
    """A TCP port, for argparse: the system would wrap a larger number around."""
    value = int(text)
    if not 0 <= value < 65536:
        raise argparse.ArgumentTypeError(f"{text} is not a port; give 0 to 65535")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    with _listen(arguments.host, arguments.port, arguments.allow_anyone) as listener:
        return _serve(arguments, listener)


def _serve(arguments: argparse.Namespace, listener: socket.socket) -> int:
    import time

    import uvicorn

    from ue_app.phone_app import PhoneApp, install
    from ue_app.recorder import ScapyCapture

    logging.basicConfig(level=arguments.log_level.upper(),
                        format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    app = PhoneApp(app_config(arguments), time.monotonic, time.time, ScapyCapture)
    install(app)
    server = uvicorn.Server(uvicorn.Config(
        _page(app, arguments.host, arguments.allow_anyone, arguments.log_level),
        log_level=arguments.log_level, access_log=False, lifespan="on",
        ws="websockets-sansio", timeout_graceful_shutdown=3))
    if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handler
        # The server hands on the signal that ended it once all is closed: that is no failure.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    print(f"airsplit app: {app.model_name()} on http://{host}:{listener.getsockname()[1]}",
          flush=True)
    app.connect()
    try:
        with contextlib.suppress(KeyboardInterrupt):  # how a person ends it
            server.run(sockets=[listener])
    finally:
        app.close()
    return 0


def app_config(arguments: argparse.Namespace) -> AppConfig:
    """What the options say."""
    from ue_app.phone_app import AppConfig, default_data_folder
    from ue_app.settings import default_settings_file

    overrides: dict[str, Any] = {
        name: getattr(arguments, name)
        for name in ("split", "private", "tail", "precision", "backend", "context", "ca",
                     "encoding", "max_ppl_increase", "speculate")
        if getattr(arguments, name) is not None}
    if token := edge_token(arguments.token_file, os.environ):
        overrides["token"] = token
    if arguments.edge:
        overrides["edges"] = tuple(arguments.edge)
    if arguments.model:
        overrides["models"] = tuple(str(folder) for folder in arguments.model)
    data = arguments.data
    return AppConfig(arguments.default_model, data or default_data_folder(),
                     data / "settings.json" if data else default_settings_file(),
                     arguments.edge_command, overrides)


def _page(app: PhoneApp, host: str, anyone: bool, log_level: str) -> Any:
    """The page as an application for the web server."""
    import streamlit
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route
    from streamlit.web.bootstrap import load_config_options

    from ue_app.page_live import PATH, live_state
    from ue_app.page_style import THEME
    from ue_app.phone_app import number_of

    def live(request: Request) -> JSONResponse:
        return JSONResponse(live_state(app, number_of(request.query_params.get("chat"))))

    hosts = ["*"] if anyone else ["localhost", "127.0.0.1", "[::1]", "::1", host]
    load_config_options({
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "global.developmentMode": False,
        "logger.level": log_level,
        # A page of another site could otherwise reach this one through a name it made up.
        "server.allowedHosts": hosts,
        "server.fileWatcherType": "none",
        "server.headless": True,
        "server.showEmailPrompt": False,
        **THEME,
    })
    return streamlit.App(
        Path(__file__).with_name("page.py"), on_script_error=_say_sorry,
        routes=[Route(PATH, live)],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)])


def _say_sorry(error: Exception) -> bool:
    """A bug of ours: the page says so in its own words, and the log holds the rest."""
    import streamlit

    from ue_app.page_text import error_html

    logging.getLogger("ue_app.page").exception("the page failed", exc_info=error)
    streamlit.html(error_html("The app failed to draw this page; its log says why.",
                              "Load the page again. Conversations are safe."))
    return True


def _listen(host: str, port: int, allow_anyone: bool) -> socket.socket:
    """A listening socket; refuses to be reachable from other machines unless told so."""
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, OverflowError, UnicodeError) as error:
        raise ConfigurationError(f"--host {host} --port {port}: {error}.",
                                 "Give an address of this machine and a port.") from error
    if not ipaddress.ip_address(address[4][0]).is_loopback and not allow_anyone:
        raise ConfigurationError(
            f"--host {host} is reachable from other machines, and the page asks for no password.",
            "Keep to 127.0.0.1, or add --allow-anyone on a network you trust.")
    listener = socket.socket(address[0], socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address[4])
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConfigurationError(f"Cannot listen on {host}:{port}: {error}.",
                                 "Give another --port, or stop what uses it.") from error
    return listener
