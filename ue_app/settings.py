"""What a person chose on the settings page, checked, and kept in a file only they can read.

Values come as a form gives them and leave as the configuration of a phone. A value that cannot work
is one clear error, and what was kept before stays. It knows no widgets.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from edge_server.encodings.registry import RAW
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions
from edge_server.engine.options import BACKENDS, PRECISIONS
from edge_server.engine.parts import open_folders
from edge_server.errors import ConfigurationError, EdgeError, FrameError
from edge_server.messages import Sampling
from ue_app.drafts.registry import CHOICES, OFF, DraftConfig, check_exit
from ue_app.encoding import AUTO
from ue_app.encoding import check as check_encoding
from ue_app.encoding_table import find
from ue_app.errors import PhoneError, SettingsError
from ue_app.manner import Manner
from ue_app.phone import PhoneConfig, placement_of
from ue_app.prompt import generation_defaults
from ue_app.wire import LinkConfig, edge_uri

FILE_MODE = 0o600  # the token of the edge is in it
MAX_TOKENS = 1 << 20  # far beyond any context here; catches a slip of the finger
SAMPLING_NAMES = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")


@dataclass(frozen=True)
class Settings:
    """Everything a person can choose. None, or empty, leaves the choice to the program."""

    edges: tuple[str, ...] = ()  # URLs, first choice first; none: an edge on this machine
    token: str = ""  # that the edge asks for
    ca: str = ""  # file of certificates to trust for https, beside the system's
    models: tuple[str, ...] = ()  # checkpoint folder, or parts of one; none: the bundled model
    split: int | None = None  # layers on the phone; None: what the part holds
    private: bool = False
    tail: int | None = None  # last layers private mode keeps on the phone
    precision: str = "auto"  # of weights, and with them of the rows that are sent
    backend: str = "auto"
    temperature: float | None = None  # this and the next four: None is the model's own
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None  # None: another one each time
    max_new_tokens: int = 256
    context: int = 2048  # tokens a conversation may hold
    timeout: float = 60.0  # seconds the edge may be silent
    patience: float = 30.0  # seconds to take an answer up again after the link broke
    encoding: str = RAW  # of the rows that are sent; auto chooses by the link's rate
    max_ppl_increase: float | None = None  # percent that auto may cost in perplexity
    speculate: str = OFF  # what guesses tokens ahead; off, or a drafter's name


def from_values(values: Mapping[str, Any]) -> Settings:
    """Settings from a form or a file; raises `SettingsError` for what is no value of its field.

    A field that is not there keeps its default, one that is not known is an error.
    """
    known = {field.name for field in fields(Settings)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise SettingsError(f"There is no setting {unknown[0]!r}.", "Remove it.")
    settings = Settings(**{name: _typed(name, value) for name, value in values.items()})
    _check(settings)
    return settings


def lines(text: str) -> tuple[str, ...]:
    """The entries of a field that takes several, one a line or with commas between."""
    return tuple(part.strip() for part in text.replace(",", "\n").splitlines() if part.strip())


def _typed(name: str, value: Any) -> Any:
    kind = str(Settings.__annotations__[name])
    if value is None and "None" in kind:
        return None
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "str" and isinstance(value, str):
        return value.strip()
    if kind.startswith("tuple") and isinstance(value, str):
        return lines(value)
    if kind.startswith("tuple") and isinstance(value, list | tuple) and all(
            isinstance(one, str) for one in value):
        return tuple(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if kind.startswith("float"):
            return float(value)
        if kind.startswith("int") and float(value).is_integer():
            return int(value)
    raise SettingsError(f"{name.replace('_', ' ')}: {value!r} is not a value for it.",
                        "Correct it, or leave it empty for the default.")


def _check(settings: Settings) -> None:
    for url in settings.edges:
        edge_uri(url)  # raises what is wrong with it
    if settings.token and not (settings.token.isascii() and settings.token.isprintable()
                               and " " not in settings.token):
        raise SettingsError("The token holds characters that no token has.",
                            "Paste it again, as `airsplit edge token add` printed it.")
    if settings.ca and not Path(settings.ca).expanduser().is_file():
        raise SettingsError(f"There is no file {settings.ca}.",
                            "Give the file with the certificates, or leave the field empty.")
    for name, what, allowed in (
            ("precision", "precision", PRECISIONS), ("backend", "backend", BACKENDS),
            ("speculate", "drafter", CHOICES)):
        if getattr(settings, name) not in allowed:
            raise SettingsError(f"There is no {what} {getattr(settings, name)!r}.",
                                f"Choose one of {', '.join(allowed)}.")
    for name, low, high in (
            ("split", 0, 4096), ("tail", 0, 4096), ("max_new_tokens", 1, MAX_TOKENS),
            ("context", 2, MAX_TOKENS), ("timeout", 0.1, 86_400), ("patience", 0, 86_400),
            ("max_ppl_increase", 0, 1000)):
        value = getattr(settings, name)
        if value is not None and not low <= value <= high:
            raise SettingsError(f"{name.replace('_', ' ')} {value} is out of range.",
                                f"Give {low} to {high}.")
    try:
        check_encoding(settings.encoding, settings.max_ppl_increase)
    except ConfigurationError as error:
        raise SettingsError(error.problem, error.remedy) from error
    sampling_of(settings, {}, settings.seed or 0)


def sampling_of(settings: Settings, model_defaults: Mapping[str, Any], seed: int) -> Sampling:
    """How tokens are chosen: what was set, else the model's own way, else greedy."""
    values = dict(model_defaults)
    for name in SAMPLING_NAMES:
        if getattr(settings, name) is not None:
            values[name] = getattr(settings, name)
    try:
        return Sampling(seed=seed if settings.seed is None else settings.seed, **values)
    except FrameError as error:
        raise SettingsError(error.problem, error.remedy) from error


def phone_config(
    settings: Settings, default_model: Path, edges: tuple[str, ...], threads: int = 0
) -> PhoneConfig:
    """The phone that `settings` describe, asking one of `edges`; no `threads` means all."""
    return PhoneConfig(
        models=model_folders(settings, default_model),
        link=LinkConfig(edges[0], tuple(edges[1:]), settings.token,
                        Path(settings.ca).expanduser() if settings.ca else None,
                        answer_timeout=settings.timeout, patience=settings.patience),
        engine=EngineOptions(settings.backend, settings.precision, 1, settings.context,
                             threads),
        split=settings.split, tail=settings.tail, private=settings.private,
        max_new_tokens=settings.max_new_tokens, encoding=settings.encoding,
        max_ppl_increase=settings.max_ppl_increase, drafts=drafts_of(settings))


def drafts_of(settings: Settings) -> DraftConfig | None:
    return None if settings.speculate == OFF else DraftConfig(settings.speculate)


def manner_of(settings: Settings) -> Manner:
    """The settings that an open phone can take over between two answers."""
    return Manner(settings.encoding, settings.max_ppl_increase, drafts_of(settings))


def model_folders(settings: Settings, default_model: Path) -> tuple[Path, ...]:
    return tuple(Path(name).expanduser() for name in settings.models) or (default_model,)


@dataclass(frozen=True)
class ModelFacts:
    """What the settings page says of a model, and what the model's makers chose."""

    layers: int
    hidden: int
    sampling: Mapping[str, Any]


def check_model(settings: Settings, default_model: Path) -> ModelFacts:
    """Whether the model can be used, split as the settings say; raises what keeps it from that."""
    config = phone_config(settings, default_model, settings.edges or ("http://127.0.0.1:1",))
    checkpoint: Checkpoint = open_folders(config.models)
    placement_of(checkpoint, config)
    check_manner(settings, config.models, checkpoint)
    return ModelFacts(checkpoint.architecture.layers, checkpoint.architecture.hidden,
                      generation_defaults(config.models[0]))


def check_manner(
    settings: Settings, models: tuple[Path, ...], checkpoint: Checkpoint
) -> None:
    """Whether rows can be written and tokens guessed so; raises what keeps them from that."""
    if settings.speculate == "exit":
        check_exit(models, checkpoint)
    if settings.encoding == AUTO:
        find(checkpoint, models)


class SettingsFile:
    """Where settings are kept."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def load(self) -> Settings:
        """What was kept; the defaults where nothing was."""
        try:
            document = json.loads(self.file.read_text(encoding="utf-8"))
            if not isinstance(document, dict):
                raise ValueError("it holds no settings")
            return from_values(document)
        except FileNotFoundError:
            return Settings()
        except (OSError, ValueError, RecursionError, PhoneError, EdgeError) as error:
            raise SettingsError(f"The settings in {self.file} cannot be used: {error}",
                                "The defaults apply until you save settings anew.") from error

    def save(self, settings: Settings) -> None:
        """Keep `settings`: the whole file, or on a full disk the one before."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            # The temporary file has mode 600 from its first byte on.
            handle, name = tempfile.mkstemp(dir=self.file.parent, prefix=self.file.name)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as stream:
                    json.dump(asdict(settings), stream, indent=2)
                    stream.write("\n")
                os.chmod(name, FILE_MODE)
                os.replace(name, self.file)
            except BaseException:
                os.unlink(name)
                raise
        except OSError as error:
            raise SettingsError(
                f"The settings cannot be kept in {self.file}: {error.strerror or error}.",
                "They hold until the app ends. Free some space or mend the permissions."
            ) from error


def without_token(settings: Settings) -> dict[str, Any]:
    """The settings as they may stand in a file that is handed around."""
    return asdict(replace(settings, token="")) | {"token": "set" if settings.token else "none"}


def default_settings_file() -> Path:
    """Where settings are kept, by the XDG rules."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "airsplit" / "settings.json"
