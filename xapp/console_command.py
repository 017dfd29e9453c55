"""`airsplit xapp-console`: options and start of the console. Heavy libraries load when it runs."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xapp.access import TOKEN_VARIABLE, default_token_file, listen, load_token
from xapp.errors import ConfigurationError

if TYPE_CHECKING:
    from xapp.console_state import Console

EXAMPLES = """examples:
  airsplit xapp-console                              the xApp on this machine
  airsplit xapp-console --api http://10.0.0.5:8480 --token-file ops.token
  airsplit xapp-console --read-only --port 8600      look, and change nothing

  then open the address it prints. The xApp makes its operator's token at its first start and keeps
  it in ~/.config/airsplit/xapp-token, where this command looks too.
"""
DEFAULT_API = "http://127.0.0.1:8480"
DEFAULT_PORT = 8502


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = "Watch and steer an xApp in the browser."
    parser.epilog = EXAMPLES
    parser.add_argument("--api", default=DEFAULT_API, metavar="URL",
                        help="address of the xApp's REST API (default: %(default)s)")
    parser.add_argument("--token-file", type=Path, metavar="FILE",
                        help="file with the operator's token (default: what the variable "
                             f"{TOKEN_VARIABLE} holds, or the file that the xApp on this machine "
                             "made)")
    parser.add_argument("--read-only", action="store_true",
                        help="change nothing, although there may be a token")
    parser.add_argument("--host", default="127.0.0.1",
                        help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT,
                        help="port to listen on; 0 picks a free one (default: %(default)s)")
    parser.add_argument("--allow-anyone", action="store_true",
                        help="listen beyond this machine although anyone there can then see the "
                             "network, and steer it unless --read-only is given")
    parser.add_argument("--refresh", type=_seconds, default=2.0, metavar="SECONDS",
                        help="time between two looks at the xApp (default: %(default)g)")
    parser.add_argument("--log-level", default="warning",
                        choices=("debug", "info", "warning", "error"))
    parser.set_defaults(run=run)


def _port(text: str) -> int:
    """A TCP port, for argparse: the system would wrap a larger number around."""
    value = int(text)
    if not 0 <= value < 65536:
        raise argparse.ArgumentTypeError(f"{text} is not a port; give 0 to 65535")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.5 <= value <= 60:
        raise argparse.ArgumentTypeError(f"{text} is not 0.5 to 60 seconds")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    check_url(arguments.api)
    token = token_of(arguments.token_file, os.environ.get(TOKEN_VARIABLE))
    with listen(arguments.host, arguments.port, "The console", arguments.allow_anyone,
                "It asks for no password: keep to 127.0.0.1, or add --allow-anyone on a network "
                "you trust.") as listener:
        return _serve(arguments, token, listener)


def check_url(url: str) -> None:
    """ConfigurationError where `url` names no HTTP server."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(f"--api {url} is no address of a REST API.",
                                 f"Give one such as {DEFAULT_API}.")


def token_of(file: Path | None, variable: str | None) -> str | None:
    """The operator's token, from where it is given; None where nobody gave one."""
    if file is not None:
        return load_token(file)
    if variable:
        return variable.strip()
    default = default_token_file()
    return load_token(default) if default.exists() else None


def _serve(arguments: argparse.Namespace, token: str | None, listener: socket.socket) -> int:
    import time

    import uvicorn

    from xapp.console_client import Client
    from xapp.console_state import Console, ConsoleConfig, install

    logging.basicConfig(level=arguments.log_level.upper(),
                        format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # It writes every request at INFO, with the address and each figure that was asked for.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    console = Console(Client(arguments.api, token),
                      ConsoleConfig(arguments.refresh, arguments.read_only), time.monotonic)
    install(console)
    server = uvicorn.Server(uvicorn.Config(
        _page(arguments.host, arguments.allow_anyone, arguments.log_level),
        log_level=arguments.log_level, access_log=False, lifespan="on",
        ws="websockets-sansio", timeout_graceful_shutdown=3))
    if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handler
        # The server hands on the signal that ended it once all is closed: that is no failure.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    print(f"airsplit xapp-console: {_what(console)} on http://{host}:{listener.getsockname()[1]}",
          flush=True)
    try:
        with contextlib.suppress(KeyboardInterrupt):  # how a person ends it
            server.run(sockets=[listener])
    finally:
        console.client.close()
    return 0


def _what(console: Console) -> str:
    return console.client.url + ("" if console.may_change else ", to look at only,")


def _page(host: str, anyone: bool, log_level: str) -> Any:
    """The page as an application for the web server."""
    import streamlit
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from streamlit.web.bootstrap import load_config_options

    from xapp.console_style import THEME

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
        Path(__file__).with_name("console.py"), on_script_error=_say_sorry,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)])


def _say_sorry(error: Exception) -> bool:
    """A bug of ours: the page says so in its own words, and the log holds the rest."""
    import streamlit

    from xapp.console_text import error_html

    logging.getLogger("xapp.console").exception("the page failed", exc_info=error)
    streamlit.html(error_html("The console failed to draw this page; its log says why.",
                              "Load the page again. The xApp goes on by itself."))
    return True
