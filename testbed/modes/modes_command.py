"""`airsplit modes serve|ask|hold`: the modes' server, and one answer by any mode with its cost."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edge_server.command import port
from edge_server.engine.options import positive

if TYPE_CHECKING:
    from testbed.modes.policies import Mode

ADDRESS = "@address"  # a word of `hold` that becomes the address that ssh reached

EXAMPLES = """examples:
  airsplit modes ask --mode local                          nothing is sent
  airsplit modes serve --port 8490 &
  airsplit modes ask --mode semantic --server 127.0.0.1:8490
  airsplit modes ask --mode naive --server 127.0.0.1:8490 --steps 5
  airsplit edge --port 8470 &
  airsplit modes ask --mode split --edge http://127.0.0.1:8470
  airsplit modes ask --mode split --ssh me@edge.example    starts the server there, and ends it
  airsplit experiment run modes-quick                      all of them, repeated
"""


def configure(parser: argparse.ArgumentParser, bundled: Path) -> None:
    """Add this command's options."""
    parser.description = ("One model, eight ways of putting its work across a network: what each\n"
                          "sends, and how long it takes.")
    parser.epilog = EXAMPLES
    commands = parser.add_subparsers(dest="modes_command", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve", help="the server of naive, remote_cache, handle and semantic",
        description="Loads a model once and serves the modes that do not split it, and batches "
                    "that are answered together in all modes. Ends with Ctrl-C.")
    _model_options(serve, bundled)
    serve.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    serve.add_argument("--port", type=port, default=8490, help="0: a free one (default: 8490)")
    serve.add_argument("--slots", type=positive, default=8, metavar="N",
                       help="conversations at a time (default: %(default)s)")
    serve.add_argument("--device", default="cpu",
                       help="of the layers, as torch names it: cpu; cuda, by the reference "
                            "backend (default: cpu)")
    serve.add_argument("--most-mib", type=positive, default=2048, metavar="N",
                       help="largest message (default: %(default)s)")
    serve.add_argument("--allow-anyone", action="store_true",
                       help="listen beyond this machine, though there is no password")
    serve.add_argument("--end-with-stdin", action="store_true",
                       help="end when standard input does: with the program that started it")
    serve.set_defaults(run=run_serve)
    _configure_ask(commands.add_parser(
        "ask", help="one answer, its tokens and its cost", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter), bundled)
    held = commands.add_parser(
        "hold", help="run a server for as long as standard input says something",
        description="Runs another airsplit command, and ends it when standard input ends or says\n"
                    "nothing for long: for servers that are started over ssh, so that none is\n"
                    f"left where the connection drops. The word {ADDRESS} becomes the address\n"
                    "that ssh reached.",
        epilog="examples:\n  airsplit modes hold --silence 30 -- modes serve --port 0 "
               "--end-with-stdin", formatter_class=argparse.RawDescriptionHelpFormatter)
    held.add_argument("--silence", type=float, default=30.0, metavar="SECONDS",
                      help="that nothing may come on standard input (default: %(default)s)")
    held.add_argument("words", nargs="+", metavar="COMMAND", help="what to run, after --")
    held.set_defaults(run=run_hold)


def _configure_ask(ask: argparse.ArgumentParser, bundled: Path) -> None:
    _model_options(ask, bundled)
    ask.add_argument("--mode", required=True, help="local, naive, remote_cache, handle, semantic, "
                                                   "split, split_compressed, private")
    ask.add_argument("--server", metavar="HOST:PORT", help="of `airsplit modes serve`")
    ask.add_argument("--edge", metavar="URL", help="of `airsplit edge`")
    ask.add_argument("--ssh", metavar="USER@HOST",
                     help="start the server that the mode needs there, for this answer alone")
    ask.add_argument("--ssh-command", default="airsplit", metavar="WORDS",
                     help="how airsplit is called there (default: %(default)s)")
    ask.add_argument("--ssh-model", metavar="DIR",
                     help="the checkpoint's folder there (default: the same path, or its bundled "
                          "model)")
    ask.add_argument("--prompt", default="Once upon a time there was an old king who",
                     help="default: %(default)r")
    ask.add_argument("--steps", type=positive, default=30, metavar="N",
                     help="tokens of the answer (default: %(default)s)")
    ask.add_argument("--split", type=int, metavar="K",
                     help="first layers here, where the mode splits (default: 1)")
    ask.add_argument("--tail", type=positive, metavar="K",
                     help="last layers here too, in private (default: 1)")
    ask.add_argument("--likeliest", type=positive, metavar="N",
                     help="scores that come back in semantic (default: the token alone)")
    ask.add_argument("--encoding", help="of rows, in split_compressed (default: int8); auto needs "
                                        "--max-ppl-increase")
    ask.add_argument("--max-ppl-increase", type=float, metavar="PERCENT",
                     help="of perplexity, that an encoding may cost which auto chooses")
    ask.set_defaults(run=run_ask)


def _model_options(parser: argparse.ArgumentParser, bundled: Path) -> None:
    parser.add_argument("--model", type=Path, default=bundled, metavar="DIR",
                        help="whole checkpoint folder (default: the bundled model)")
    parser.add_argument("--backend", default="auto", help="as for `airsplit edge`")
    parser.add_argument("--dtype", default="auto", help="as for `airsplit edge`")
    parser.add_argument("--threads", type=positive, default=1, metavar="N",
                        help="default: %(default)s")
    parser.add_argument("--context", type=positive, default=2048, metavar="TOKENS",
                        help="that a conversation may hold (default: %(default)s)")


def run_serve(arguments: argparse.Namespace) -> int:
    """Serve until a signal."""
    import signal
    import sys
    import threading

    from edge_server.engine.checkpoint import Checkpoint
    from edge_server.engine.device import check_device
    from edge_server.engine.load import EngineOptions, open_engine
    from testbed.modes.errors import ModesError
    from testbed.modes.server import ModesServer, ServerConfig
    from testbed.modes.serving import Served

    if arguments.host not in ("127.0.0.1", "::1", "localhost") and not arguments.allow_anyone:
        raise ModesError("The modes' server has no password.",
                         "Leave out --host, or say --allow-anyone.")
    check_device(arguments.device)  # before a large model is looked for
    engine = open_engine(Checkpoint.open(arguments.model), EngineOptions(
        arguments.backend, arguments.dtype, arguments.slots, arguments.context,
        arguments.threads, arguments.device))
    server = ModesServer(Served(engine, arguments.model), ServerConfig(
        arguments.host, arguments.port, most_bytes=arguments.most_mib << 20))
    ended = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: ended.set())
    serving = threading.Thread(target=server.serve, name="modes-server")
    serving.start()
    if arguments.end_with_stdin:
        def wait() -> None:
            while sys.stdin.buffer.read(4096):
                pass  # whatever it says, it is still there
            ended.set()

        threading.Thread(target=wait, daemon=True).start()
    print(f"modes' server: {arguments.model.name}, {engine.backend} {engine.precision}, "
          f"on {arguments.host}:{server.port}", flush=True)
    ended.wait()
    server.close()
    serving.join()
    return 0


def run_ask(arguments: argparse.Namespace) -> int:
    """Ask once."""
    from rich.console import Console

    from edge_server.engine.load import EngineOptions
    from testbed.modes.errors import ModesError
    from testbed.modes.opening import ModeConfig, open_mode
    from testbed.modes.policies import Mode
    from testbed.modes.show import table_of
    from ue_app.prompt import Prompter

    try:
        mode = Mode(arguments.mode)
    except ValueError as error:
        raise ModesError(f"There is no mode {arguments.mode!r}.",
                         f"Choose one of {', '.join(Mode)}.") from error
    _check_used(arguments, mode)
    prompter = Prompter(arguments.model)
    ids = prompter.encode_raw(arguments.prompt)
    with _servers(arguments, mode) as (server, edge), open_mode(ModeConfig(
            mode, arguments.model, EngineOptions(arguments.backend, arguments.dtype, 1,
                                                 arguments.context, arguments.threads),
            1 if arguments.split is None else arguments.split, arguments.tail or 1,
            arguments.encoding or "int8", arguments.likeliest or 0, server, edge,
            max_ppl_increase=arguments.max_ppl_increase)) as opened:
        answer = opened.ask(ids, arguments.steps)
        console = Console()
        console.print(prompter.decode(answer.ids), markup=False, highlight=False)
        console.print(table_of(opened, answer))
    return 0


def _check_used(arguments: argparse.Namespace, mode: Mode) -> None:
    """What a mode does not use is no option of it: who gives it expects another answer."""
    from testbed.modes.errors import ModesError
    from testbed.modes.policies import BY_EDGE, BY_SERVER, Mode

    users = {"split": BY_EDGE, "tail": {Mode.PRIVATE}, "likeliest": {Mode.SEMANTIC},
             "encoding": {Mode.SPLIT_COMPRESSED},
             "max_ppl_increase": {Mode.SPLIT_COMPRESSED}, "edge": BY_EDGE, "server": BY_SERVER,
             "ssh": BY_EDGE | BY_SERVER}
    for name, modes in users.items():
        if getattr(arguments, name) is not None and mode not in modes:
            raise ModesError(f"{mode} has no use for --{name.replace('_', '-')}.",
                             "Leave it out, or choose of "
                             f"{', '.join(one for one in Mode if one in modes)}.")


@contextmanager
def _servers(arguments: argparse.Namespace, mode: Mode
             ) -> Iterator[tuple[tuple[str, int] | None, str | None]]:
    """The modes' server and the edge's URL: named, or started over ssh until the end."""
    from testbed.modes.places import Places, named
    from testbed.modes.settings import LinkKind, ModesSettings

    if arguments.ssh is None or mode == "local":
        server = named(arguments.server)
        yield None if server is None else (server.host, server.port), arguments.edge
        return
    with closing(Places()) as places:
        place = places.place(ModesSettings(
            mode, arguments.model, arguments.backend, arguments.dtype, arguments.threads,
            arguments.context, prompt_tokens=1, steps=1, link=LinkKind.HOST, ssh=arguments.ssh,
            ssh_command=arguments.ssh_command, ssh_model=arguments.ssh_model))
        yield (None if place.server is None else (place.server.host, place.server.port),
               None if place.edge is None else place.edge.url)


def run_hold(arguments: argparse.Namespace) -> int:
    """Until nobody is there."""
    import os
    import signal
    import sys
    import threading

    from testbed.modes.hold import hold, with_address

    ended = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, lambda *_: ended.set())
    return hold(with_address(arguments.words, os.environ), arguments.silence, sys.stdin.buffer,
                ended)
