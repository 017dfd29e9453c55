"""`airsplit ue`: asks from the terminal. Heavy libraries load only when it runs."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_server.engine.options import positive
from ue_app.options import add_phone_options, phone_config

if TYPE_CHECKING:
    from edge_server.messages import Sampling
    from ue_app.phone import Phone
    from ue_app.prompt import Turn

CANCELLED = 130  # exit status of a program that Ctrl-C ended
EXAMPLES = """examples:
  airsplit ue "Once upon a time there was a fisherman"     ask the edge on this machine
  airsplit ue --edge https://edge.example:8470 --model gemma-2-2b/head "Why is the sky blue?"
  airsplit ue --private "Tell me a story about a king."    the edge sees no prompt and no answer
  airsplit ue "Tell me a story." "Go on."                  two turns of one conversation
  airsplit ue "Tell me a story." --speculate               guess ahead: fewer round trips
  airsplit ue                                              a conversation, turn by turn
  airsplit ue --local --json --seed 7 --temperature 0.8 "The bell"
"""


def configure(parser: argparse.ArgumentParser, default_model: Path) -> None:
    """Add this command's options to `parser`."""
    parser.description = "Ask a model whose first layers run here and whose others run at an edge."
    parser.epilog = EXAMPLES
    parser.add_argument("prompt", nargs="*", help="what to ask; each is a turn (default: from "
                                                  "standard input)")
    add_phone_options(parser)
    parser.add_argument("--raw", action="store_true",
                        help="take the prompt as it is, without the chat template")
    parser.add_argument("--system", metavar="TEXT", help="a system turn before the first")
    parser.add_argument("--json", action="store_true",
                        help="print one JSON object at the end instead of text")
    parser.add_argument("--report", type=Path, metavar="FILE",
                        help="write that object to FILE, beside the text")
    parser.add_argument("--quiet", action="store_true", help="no line of figures after an answer")
    _add_sampling_options(parser)
    parser.set_defaults(run=run, default_model=default_model)


def _add_sampling_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "sampling", "What is not given comes from the model's generation_config.json, else greedy.")
    group.add_argument("--temperature", type=float, metavar="T", help="0 is greedy")
    group.add_argument("--top-k", type=int, metavar="K", help="keep the K likeliest; 0 keeps all")
    group.add_argument("--top-p", type=float, metavar="P", help="keep the likeliest that sum to P")
    group.add_argument("--min-p", type=float, metavar="P",
                       help="keep those at least P times as likely as the likeliest")
    group.add_argument("--repetition-penalty", type=float, metavar="X",
                       help="above 1 makes tokens already in this answer less likely")
    group.add_argument("--seed", type=int, help="makes the choices repeatable (default: random)")
    group.add_argument("--max-new-tokens", type=positive, default=256, metavar="N",
                       help="longest answer (default: %(default)s)")
    group.add_argument("--stop", action="append", default=[], metavar="TEXT",
                       help="end the answer before this text; may be repeated")


def run(arguments: argparse.Namespace) -> int:
    """Ask every turn, then leave; 130 when Ctrl-C cancelled the answer."""
    from ue_app.phone import open_phone

    config = phone_config(arguments, arguments.max_new_tokens)
    sampling = _sampling(arguments, config.models[0])
    phone = open_phone(config)
    session = _Terminal(arguments, phone, sampling)
    try:
        return session.ask_all()
    finally:
        phone.link.close()


class _Terminal:
    """One conversation, printed as it goes."""

    def __init__(
        self, arguments: argparse.Namespace, phone: Phone, sampling: Sampling
    ) -> None:
        self._arguments = arguments
        self._phone = phone
        self._sampling = sampling
        self._turns: list[Turn] = []
        self._raw_ids: list[int] = []
        self._records: list[dict[str, Any]] = []

    def ask_all(self) -> int:
        from ue_app.prompt import Turn

        if self._arguments.system:
            self._turns.append(Turn("system", self._arguments.system))
        interactive = not self._arguments.prompt and sys.stdin.isatty()
        status = 0
        for text in self._prompts(interactive):
            status = self._ask(text)
            if status and not interactive:
                break
        if self._records:
            document = json.dumps(self._records[-1] | (
                {"turns": self._records} if len(self._records) > 1 else {}))
            if self._arguments.json:
                print(document)
            if self._arguments.report:
                self._write_report(document)
        return 0 if interactive else status

    def _write_report(self, document: str) -> None:
        from edge_server.errors import ConfigurationError

        file = self._arguments.report
        try:
            file.write_text(document + "\n", encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"--report {file}: {error.strerror}.",
                                     "Give a file in a folder that can be written.") from error

    def _prompts(self, interactive: bool) -> Iterator[str]:
        if self._arguments.prompt:
            yield from self._arguments.prompt
        elif not interactive:
            yield self._read_input().rstrip("\n")
        else:
            print("Type and press Enter; Ctrl-C stops an answer, Ctrl-D leaves.", file=sys.stderr)
            while True:
                try:
                    text = input("> ")
                except (EOFError, KeyboardInterrupt):
                    print(file=sys.stderr)
                    return
                if text.strip():
                    yield text

    def _read_input(self) -> str:
        from ue_app.errors import PromptError

        try:
            return sys.stdin.read()
        except UnicodeDecodeError as error:
            raise PromptError(f"Standard input is not text: {error}.", "Give it in UTF-8."
                              ) from error

    def _ask(self, text: str) -> int:
        from ue_app.prompt import Turn

        phone = self._phone
        if self._arguments.raw:
            new = phone.prompter.encode_raw(text)
            # A later raw prompt continues the text; only the first begins the document.
            ids = self._raw_ids + (new if not self._raw_ids else phone.prompter.tokenizer.encode(
                text, add_special_tokens=False).ids)
        else:
            self._turns.append(Turn("user", text))
            ids = phone.prompter.encode_turns(self._turns)
        cancelled = self._stream(ids)
        answer = phone.conversation.answer
        assert answer is not None  # `ask` has run
        self._turns.append(Turn("assistant", answer.text))
        self._raw_ids = list(ids) + answer.ids
        self._report()
        return CANCELLED if cancelled else 0

    def _stream(self, ids: list[int]) -> bool:
        """Print the answer to `ids` as it comes; True if Ctrl-C ended it."""
        pieces = self._phone.conversation.ask(
            ids, self._sampling, self._phone.prompter.stream(self._arguments.stop))
        begun = False  # an answer that failed before its first word leaves no empty line
        try:
            for piece in pieces:
                if not self._arguments.json:
                    print(piece, end="", flush=True)
                    begun = True
            begun = True
        except KeyboardInterrupt:
            begun = True
            pieces.close()
            self._phone.conversation.cancel()
            return True
        finally:
            if begun and not self._arguments.json:
                print(flush=True)
        return False

    def _report(self) -> None:
        from ue_app.measure import cost_of, sentence

        phone, answer = self._phone, self._phone.conversation.answer
        assert answer is not None
        cost = cost_of(answer)
        if not self._arguments.quiet and not self._arguments.json:
            ended = " · cancelled" if answer.finish == "cancelled" else ""
            print(f"[{sentence(cost, phone.place())}{ended}]", file=sys.stderr)
        placement = phone.placement
        self._records.append({
            "text": answer.text, "token_ids": answer.ids, "finish": answer.finish,
            **cost.to_dict(),
            "split": placement.first.end,
            "tail": None if placement.last is None else len(placement.last),
            "layers": placement.remote.end if placement.last is None else placement.last.end,
            "mode": "local" if self._arguments.local
            else "private" if placement.private else "split",
            "encoding": phone.link.status.encoding,
            "backend": phone.engine.backend, "dtype": phone.engine.precision,
            "seed": self._sampling.seed,
            "edge": phone.link.status.edge, "round_trip": phone.link.status.round_trip,
            "resumed": phone.link.status.resumed, "rebuilt": phone.link.status.rebuilt,
        })


def _sampling(arguments: argparse.Namespace, model: Path) -> Sampling:
    """What the options say, else the model's own generation configuration, else greedy."""
    from edge_server.errors import ConfigurationError, FrameError
    from edge_server.messages import Sampling
    from ue_app.prompt import generation_defaults

    values = generation_defaults(model)
    for name in ("temperature", "top_k", "top_p", "min_p", "repetition_penalty"):
        given = getattr(arguments, name)
        if given is not None:
            values[name] = given
    seed = arguments.seed if arguments.seed is not None else secrets.randbits(32)
    try:
        return Sampling(seed=seed, **values)
    except FrameError as error:
        raise ConfigurationError(f"--{error.problem}", error.remedy) from error
