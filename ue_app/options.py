"""Command-line options of every program that is a phone: its model, its edge, its placement."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_server.engine.options import add_engine_options, positive

if TYPE_CHECKING:
    from ue_app.phone import PhoneConfig

DEFAULT_EDGE = "http://127.0.0.1:8470"


def add_phone_options(parser: argparse.ArgumentParser) -> None:
    """Add edge, model, placement and engine options to `parser`."""
    parser.add_argument("--edge", metavar="URL", default=DEFAULT_EDGE,
                        help="address of the edge (default: %(default)s)")
    parser.add_argument("--local", action="store_true", help="run every layer here, with no edge")
    parser.add_argument("--model", type=Path, action="append", metavar="DIR",
                        help="checkpoint folder, whole or the head part; repeat to join parts "
                             "(default: the bundled model)")
    parser.add_argument("--split", type=int, metavar="K",
                        help="layers that run here (default: what the part holds; 1 of a whole)")
    parser.add_argument("--private", action="store_true",
                        help="run the last layers and the choice of tokens here too")
    parser.add_argument("--tail", type=int, metavar="N",
                        help="last layers that --private keeps here (default: 1, or the part's)")
    parser.add_argument("--timeout", type=seconds, default=60.0, metavar="SECONDS",
                        help="how long the edge may be silent (default: %(default)s)")
    parser.add_argument("--chunk", type=positive, default=32, metavar="ROWS",
                        help="prompt rows sent at a time (default: %(default)s)")
    add_engine_options(parser)


def seconds(text: str) -> float:
    """A time to wait, for argparse: sockets take none that is 0, endless or no number."""
    value = float(text)
    if not 0.0 < value <= 86_400.0:
        raise argparse.ArgumentTypeError(f"{text} is not a time; give above 0 to 86400 seconds")
    return value


def phone_config(arguments: argparse.Namespace, max_new_tokens: int) -> PhoneConfig:
    """The phone that the options describe; `default_model` is among the parser's defaults."""
    from edge_server.engine.load import EngineOptions
    from ue_app.client import LinkConfig
    from ue_app.phone import PhoneConfig

    return PhoneConfig(
        models=tuple(arguments.model or [arguments.default_model]),
        link=None if arguments.local else LinkConfig(arguments.edge,
                                                     answer_timeout=arguments.timeout),
        engine=EngineOptions(arguments.backend, arguments.dtype, 1, arguments.context,
                             arguments.threads),
        split=arguments.split, tail=arguments.tail, private=arguments.private,
        max_new_tokens=max_new_tokens, chunk=arguments.chunk)
