"""Text to token ids and back: tokenizer, chat template, stop strings.

The tokenizer and the template are the model folder's own; the template is rendered as transformers
renders it, in a sandbox, without importing that library onto the phone. It knows no model and no
network.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from ue_app.errors import PromptError

Role = Literal["system", "user", "assistant"]
SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token")


@dataclass(frozen=True)
class Turn:
    """One utterance of a conversation."""

    role: Role
    text: str


class Prompter:
    """The text side of one model folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._config = _read_json(folder / "tokenizer_config.json")
        self.tokenizer = _read_tokenizer(folder)
        self.stop_ids = frozenset(_stop_ids(folder))
        self._template_text = _template_of(folder, self._config)

    def encode_raw(self, text: str) -> list[int]:
        """`text` as it is, with the ids the tokenizer itself puts around it."""
        return self._encode(text, add_special_tokens=True)

    def encode_turns(self, turns: Sequence[Turn]) -> list[int]:
        """A conversation through the model's chat template, ready for the model's next turn."""
        return self._encode(self.render(turns), add_special_tokens=False)

    def render(self, turns: Sequence[Turn]) -> str:
        """The text that the chat template makes of `turns`."""
        if self._template_text is None:
            raise PromptError(f"{self._folder} has no chat template.",
                              "Use --raw to give the prompt as it is.")
        messages = [{"role": turn.role, "content": turn.text} for turn in turns]
        try:
            template = _environment().from_string(self._template_text)
            return template.render(messages=messages, add_generation_prompt=True, tools=None,
                                   documents=None, **self._special_tokens())
        except Exception as error:  # a template is a program of others: it may fail in any way
            raise PromptError(f"The model's chat template refuses this conversation: {error}.",
                              "Leave out the system turn, or use --raw.") from error

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`, without special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def stream(self, stop: Sequence[str] = ()) -> TextStream:
        return TextStream(self.tokenizer, stop)

    def _encode(self, text: str, add_special_tokens: bool) -> list[int]:
        try:
            ids: list[int] = self.tokenizer.encode(text, add_special_tokens=add_special_tokens).ids
        except TypeError as error:  # how the library reports what UTF-8 cannot hold
            raise PromptError("The prompt is not text in UTF-8.",
                              "Set the terminal, or save the file, in that encoding.") from error
        if not ids:
            raise PromptError("The prompt holds no tokens.", "Type some text.")
        return ids

    def _special_tokens(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in SPECIAL_TOKENS:
            value = self._config.get(name)
            if isinstance(value, Mapping):
                value = value.get("content")
            if isinstance(value, str):
                found[name] = value
        return found


class TextStream:
    """Tokens in, printable text out, stopping before a stop string.

    Text that might be the beginning of a stop string is held back until it is clear.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stop = [text for text in stop if text]
        self._held = ""
        # The ids since the last text but one: a decoder needs to see what stands before an id.
        self._ids: list[int] = []
        self._given = 0  # of these, how many are in the text already
        self.stopped = False

    def push(self, token: int) -> str:
        """The text that is certain after `token`; sets `stopped` when a stop string is complete."""
        self._ids.append(token)
        text = self._new_text()
        if text and not text.endswith("\N{REPLACEMENT CHARACTER}"):  # no half character
            self._ids, self._given = self._ids[self._given:], len(self._ids) - self._given
            self._held += text
        # The one that is complete first ends the answer, wherever tokens happen to begin.
        found = [(self._held.find(stop) + len(stop), self._held.find(stop))
                 for stop in self._stop if stop in self._held]
        if found:
            self.stopped = True
            certain, self._held = self._held[: min(found)[1]], ""
            return certain
        keep = max((_overlap(self._held, text) for text in self._stop), default=0)
        cut = len(self._held) - keep
        certain, self._held = self._held[:cut], self._held[cut:]
        return certain

    def finish(self) -> str:
        """What was held back, once no token follows: half a character comes as U+FFFD."""
        rest, self._held = self._held + self._new_text(), ""
        self._given = len(self._ids)
        return rest

    def _new_text(self) -> str:
        """What the ids say beyond those given; the library's `DecodeStream` fails on odd bytes."""
        given = self._tokenizer.decode(self._ids[:self._given], skip_special_tokens=True)
        text: str = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        return text[len(given):]


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if stop.startswith(text[-length:]):
            return length
    return 0


def _read_tokenizer(folder: Path) -> Tokenizer:
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise PromptError(f"{file} is not there.",
                          "Copy the checkpoint's tokenizer files into the folder, or convert an "
                          "old tokenizer.model with transformers' AutoTokenizer.save_pretrained.")
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises its plain Exception for any damage
        raise PromptError(f"{file} cannot be read: {error}.", "Download it again.") from error


def _stop_ids(folder: Path) -> list[int]:
    """Ids that end an answer: the generation configuration's, else the model's."""
    for name in ("generation_config.json", "config.json"):
        document = _read_json(folder / name)
        nested = document.get("text_config")
        for part in (document, nested if isinstance(nested, Mapping) else {}):
            ids = part.get("eos_token_id")
            if isinstance(ids, int):
                return [ids]
            if isinstance(ids, list) and ids and all(isinstance(one, int) for one in ids):
                return ids
    return []


def generation_defaults(folder: Path) -> dict[str, Any]:
    """How the model's makers want tokens chosen; empty, which is greedy, where they do not say."""
    document = _read_json(folder / "generation_config.json")
    if not document.get("do_sample"):
        return {}
    names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
    return {"temperature": 1.0} | {
        name: document[name] for name in names if isinstance(document.get(name), int | float)}


def _template_of(folder: Path, config: Mapping[str, Any]) -> str | None:
    file = folder / "chat_template.jinja"
    if file.is_file():
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise PromptError(f"{file} cannot be read: {error}.", "Download it again.") from error
    template = config.get("chat_template")
    if isinstance(template, list):  # several named templates: the one called default
        named = {entry.get("name"): entry.get("template") for entry in template
                 if isinstance(entry, Mapping)}
        template = named.get("default")
    return template if isinstance(template, str) else None


def _read_json(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}  # optional in a checkpoint
    except (OSError, ValueError) as error:
        raise PromptError(f"{file} cannot be read: {error}.", "Download it again.") from error
    return document if isinstance(document, dict) else {}


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                extensions=[loopcontrols])
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    return environment


def _to_json(
    value: Any, ensure_ascii: bool = False, indent: int | None = None,
    separators: tuple[str, str] | None = None, sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def _raise(message: str) -> None:
    raise TemplateError(message)
