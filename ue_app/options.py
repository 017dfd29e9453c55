"""Command-line options of every program that is a phone: its model, its edge, its placement."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edge_server.encodings.registry import NAMES, RAW
from edge_server.engine.options import add_engine_options, positive
from edge_server.errors import ConfigurationError
from edge_server.frame import MAX_DRAFTS
from ue_app.drafts.registry import AUTO, DRAFTERS, LONGEST_DRAFT, DraftConfig

if TYPE_CHECKING:
    from ue_app.phone import PhoneConfig

DEFAULT_EDGE = "http://127.0.0.1:8470"
TOKEN_VARIABLE = "AIRSPLIT_TOKEN"


def add_phone_options(parser: argparse.ArgumentParser) -> None:
    """Add edge, model, placement and engine options to `parser`."""
    parser.add_argument("--edge", metavar="URL", action="append",
                        help="address of the edge; repeat it, and the later ones step in when the "
                             f"first cannot (default: {DEFAULT_EDGE})")
    parser.add_argument("--token-file", type=Path, metavar="FILE",
                        help="file with the token that the edge's operator gave you (default: "
                             f"what the variable {TOKEN_VARIABLE} holds, if anything)")
    parser.add_argument("--ca", type=Path, metavar="FILE",
                        help="certificates to trust for https, in PEM, beside the system's")
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
    parser.add_argument("--patience", type=patience, default=30.0, metavar="SECONDS",
                        help="how long to try to take an answer up again after the link broke; "
                             "0 gives up at once (default: %(default)s)")
    parser.add_argument("--chunk", type=positive, default=32, metavar="ROWS",
                        help="prompt rows sent at a time (default: %(default)s)")
    add_encoding_options(parser)
    _add_draft_options(parser)
    add_engine_options(parser)


def add_encoding_options(parser: argparse.ArgumentParser, default: str | None = RAW) -> None:
    """Add how rows are written to `parser`."""
    group = parser.add_argument_group(
        "encoding", "In what form activation rows cross the link. What each costs and saves: "
                    "`airsplit encodings list`, docs/encodings.md.")
    group.add_argument("--encoding", default=default, metavar="NAME",
                       help=f"{', '.join(NAMES)}, or auto to choose by the link's rate "
                            "(default: raw)")
    group.add_argument("--max-ppl-increase", type=percent, metavar="PERCENT",
                       help="what auto may cost in quality: growth of perplexity, as measured "
                            "for this model")


def percent(text: str) -> float:
    """A share that is not negative, for argparse."""
    value = float(text)
    if not 0.0 <= value <= 1000.0:
        raise argparse.ArgumentTypeError(f"{text} is not a percentage; give 0 to 1000")
    return value


def _add_draft_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "drafting", "Guess tokens here and have the edge check several in one round trip. The "
        "answer is the same, token for token; on a slow link it comes faster.")
    group.add_argument("--speculate", nargs="?", const=AUTO, metavar="DRAFTER", type=_drafter,
                       help=f"guess with {', '.join(DRAFTERS)}: the model's exit head where it has "
                            "one, a draft model, what the conversation repeats; auto (the "
                            "default) takes the best there is")
    group.add_argument("--drafts", type=_draft_count, default=LONGEST_DRAFT, metavar="N",
                       help="tokens to guess at most; fewer where fewer come true "
                            "(default: %(default)s)")
    group.add_argument("--draft-model", type=Path, metavar="DIR",
                       help="folder of a small model with the same tokenizer, or of an exit head")


def _drafter(text: str) -> str:
    if text not in DRAFTERS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no drafter; give {', '.join(DRAFTERS)}, or another option after "
            "--speculate where it stands alone")
    return text


def _draft_count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= MAX_DRAFTS:
        raise argparse.ArgumentTypeError(f"{text} is not a count of drafts; give 1 to {MAX_DRAFTS}")
    return count


def seconds(text: str) -> float:
    """A time to wait, for argparse: sockets take none that is 0, endless or no number."""
    value = float(text)
    if not 0.0 < value <= 86_400.0:
        raise argparse.ArgumentTypeError(f"{text} is not a time; give above 0 to 86400 seconds")
    return value


def patience(text: str) -> float:
    """A time that may be none at all, for argparse."""
    return 0.0 if float(text) == 0.0 else seconds(text)


def edge_token(file: Path | None, environment: Mapping[str, str]) -> str:
    """The token for the edge: `file`'s, else the variable's, else none."""
    if file is None:
        return environment.get(TOKEN_VARIABLE, "").strip()
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it holds no text"
        raise ConfigurationError(f"--token-file {file}: {reason}.",
                                 "Give the file with the token from the edge's operator.") from None
    if not token or len(token.split()) != 1:
        raise ConfigurationError(f"--token-file {file} holds no token.",
                                 "It should hold the one line from the edge's operator.")
    return token


def phone_config(arguments: argparse.Namespace, max_new_tokens: int) -> PhoneConfig:
    """The phone that the options describe; `default_model` is among the parser's defaults."""
    from edge_server.engine.load import EngineOptions
    from ue_app.phone import PhoneConfig
    from ue_app.wire import LinkConfig

    edges = arguments.edge or [DEFAULT_EDGE]
    return PhoneConfig(
        models=tuple(arguments.model or [arguments.default_model]),
        link=None if arguments.local else LinkConfig(
            edges[0], tuple(edges[1:]), edge_token(arguments.token_file, os.environ), arguments.ca,
            answer_timeout=arguments.timeout, patience=arguments.patience),
        engine=EngineOptions(arguments.backend, arguments.dtype, 1, arguments.context,
                             arguments.threads),
        split=arguments.split, tail=arguments.tail, private=arguments.private,
        max_new_tokens=max_new_tokens, chunk=arguments.chunk,
        encoding=arguments.encoding, max_ppl_increase=arguments.max_ppl_increase,
        drafts=None if arguments.speculate is None else DraftConfig(
            arguments.speculate, arguments.drafts, arguments.draft_model))
