"""`airsplit edge token`: give out, list and revoke the tokens that phones and operators show."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_server.engine.options import positive

EXAMPLES = """examples:
  airsplit edge token add alice                   a token for a phone, printed once
  airsplit edge token add fleet --sessions 8 --rate 500
  airsplit edge token add ops --operator          one that may also read /metrics and /v1/sessions
  airsplit edge token list
  airsplit edge token revoke alice                works at once, in a running edge too
"""


def add_tokens_option(parser: argparse._ActionsContainer, default: object = None) -> None:
    """`--tokens FILE`, the same wherever it is offered."""
    parser.add_argument("--tokens", type=Path, metavar="FILE", default=default,
                        help="file that holds the tokens' hashes "
                             "(default: ~/.config/airsplit/edge-tokens.json)")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands about tokens to `parser`."""
    parser.description = ("Tokens that an edge asks for. Once there is one, every session needs "
                          "one, and the edge may listen beyond this machine.")
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="token_command", required=True, metavar="COMMAND")

    add = commands.add_parser("add", help="make a token and print it, once")
    add.add_argument("name", help="who it is for; shown in lists and logs")
    add.add_argument("--operator", action="store_true",
                     help="may also read /metrics and /v1/sessions")
    add.add_argument("--rate", type=rate, metavar="ROWS_PER_S",
                     help="rows a second that all its sessions together may send on average")
    # Not `sessions`: the option of the edge's own has that name.
    add.add_argument("--sessions", dest="session_limit", type=positive, metavar="N",
                     help="sessions it may have at a time")
    add.set_defaults(run=run_add)

    listing = commands.add_parser("list", help="show the tokens' names and limits")
    listing.set_defaults(run=run_list)

    revoke = commands.add_parser("revoke", help="make a token void")
    revoke.add_argument("name", help="the name it was added under")
    revoke.set_defaults(run=run_revoke)
    for command in (add, listing, revoke):
        # Suppressed: else this default would undo a --tokens that stands before `token`.
        add_tokens_option(command, argparse.SUPPRESS)


def rate(text: str) -> float:
    """A positive number of rows a second, for argparse."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a rate; give a number above 0")
    return value


def run_add(arguments: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from edge_server.tokens import TokenStore, default_path

    store = TokenStore(arguments.tokens or default_path())
    print(store.add(arguments.name, datetime.now(UTC), arguments.operator, arguments.rate,
                    arguments.session_limit))
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    from edge_server.tokens import TokenStore, default_path

    entries = TokenStore(arguments.tokens or default_path()).entries()
    width = max([4, *(len(entry.name) for entry in entries)])
    print(f"{'NAME':<{width}}  {'CREATED':<25}  {'ROLE':<8}  {'ROWS/S':>8}  {'SESSIONS':>8}")
    for entry in entries:
        role = "operator" if entry.operator else "phone"
        of_rate = "-" if entry.rate is None else f"{entry.rate:g}"
        of_sessions = "-" if entry.sessions is None else str(entry.sessions)
        print(f"{entry.name:<{width}}  {entry.created:<25}  {role:<8}  {of_rate:>8}  "
              f"{of_sessions:>8}")
    return 0


def run_revoke(arguments: argparse.Namespace) -> int:
    from edge_server.tokens import TokenStore, default_path

    TokenStore(arguments.tokens or default_path()).revoke(arguments.name)
    print(f"Revoked {arguments.name}.")
    return 0
