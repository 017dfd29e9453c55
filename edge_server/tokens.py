"""Who may use an edge: bearer tokens, kept as hashes in a file.

A token is 256 random bits, so its plain SHA-256 is enough: there is nothing to guess that a slow or
salted hash would protect, and a check costs microseconds. The file is replaced as a whole under a
lock; a running edge reads it again when it has changed. It knows no sessions and no HTTP.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from edge_server.errors import ConfigurationError

logger = logging.getLogger("edge_server.tokens")
PREFIX = "airsplit_"  # so that a token is recognised where it should not be: in logs, in commits
MAX_TOKEN_CHARACTERS = 128  # longer ones are refused unread; ours have 52
FILE_VERSION = 1
LOCK_SECONDS = 10.0  # to wait for another command that writes
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # stands in logs and tables as it is


@dataclass(frozen=True)
class TokenEntry:
    """One token, without the token."""

    name: str
    sha256: str  # of the token, hexadecimal
    created: str  # ISO 8601, UTC
    operator: bool = False  # may also read /metrics and /v1/sessions
    rate: float | None = None  # rows a second, over all its sessions; None: no limit of its own
    sessions: int | None = None  # at a time; None: no limit of its own

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and _NAME.fullmatch(self.name)):
            raise ConfigurationError(f"{self.name!r} cannot name a token.",
                                     "Use letters, digits, '.', '_' and '-', 64 at most.")
        if not (isinstance(self.sha256, str) and re.fullmatch("[0-9a-f]{64}", self.sha256)):
            raise ConfigurationError(f"Token {self.name} has no SHA-256.")
        if not (isinstance(self.operator, bool) and isinstance(self.created, str)):
            raise ConfigurationError(f"Token {self.name} has a field of another type.")
        for limit in (self.rate, self.sessions):
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)
                                      or not 0 < limit < float("inf")):
                raise ConfigurationError(f"Token {self.name} has a limit of {limit!r}.")


class TokenStore:
    """The tokens in one file. Safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.Lock()
        self._stamp = self._stat()  # before reading: a change in between is read again
        self._entries = self._load()
        self._required = bool(self._entries)

    @property
    def required(self) -> bool:
        """Whether a session needs a token.

        Once this was so it stays so: an edge whose last token is revoked, or whose file is lost,
        serves nobody, instead of everybody.
        """
        self._refresh()
        return self._required

    def entries(self) -> tuple[TokenEntry, ...]:
        self._refresh()
        return self._entries

    def check(self, token: str) -> TokenEntry | None:
        """The entry of `token`, or None. Takes as long for any token of the same length."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            return None
        digest, found = _digest(token), None
        for entry in self.entries():  # every one, so that the time does not tell which
            if hmac.compare_digest(entry.sha256, digest):
                found = entry
        return found

    def holds(self, entry: TokenEntry) -> bool:
        """Whether `entry`, from an earlier check, has not been revoked since."""
        return any(other.sha256 == entry.sha256 for other in self.entries())

    def add(
        self, name: str, created: datetime, operator: bool = False, rate: float | None = None,
        sessions: int | None = None,
    ) -> str:
        """Make a token; what is returned is its only copy."""
        token = PREFIX + secrets.token_urlsafe(32)
        entry = TokenEntry(name, _digest(token), created.isoformat(timespec="seconds"), operator,
                           rate, sessions)
        with self._writing() as entries:
            if any(other.name == name for other in entries):
                raise ConfigurationError(f"There is a token named {name} already.",
                                         "Choose another name, or revoke that one first.")
            self._save((*entries, entry))
        return token

    def revoke(self, name: str) -> None:
        with self._writing() as entries:
            kept = tuple(entry for entry in entries if entry.name != name)
            if len(kept) == len(entries):
                raise ConfigurationError(f"No token is named {name} in {self.path}.",
                                         "See `airsplit edge token list`.")
            self._save(kept)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[tuple[TokenEntry, ...]]:
        """Hold the file's lock; gives what the file holds meanwhile."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(f"{self.path}.lock", timeout=LOCK_SECONDS, mode=0o600):
                yield self._load()
        except Timeout as error:
            raise ConfigurationError(
                f"Another command has been writing {self.path} for {LOCK_SECONDS:.0f} s.",
                "Try again.") from error
        except OSError as error:
            raise ConfigurationError(f"Cannot write {self.path}: {error.strerror}.",
                                     "Name another file with --tokens.") from error

    def _refresh(self) -> None:
        """Take in a changed file. One that cannot be read changes nothing: neither is everybody
        locked out by a slip of an editor, nor anybody let in."""
        with self._mutex:
            stamp = self._stat()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                self._entries = self._load()
            except ConfigurationError as error:
                logger.error("tokens not read again", extra={"problem": str(error)})
                return
            self._required = self._required or bool(self._entries)

    def _stat(self) -> tuple[int, ...] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _load(self) -> tuple[TokenEntry, ...]:
        try:
            return _parse(json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise ConfigurationError(f"Cannot read the tokens in {self.path}: {error.strerror}.",
                                     "Make it readable, or name another file with --tokens."
                                     ) from error
        except (ValueError, TypeError, KeyError, RecursionError, ConfigurationError) as error:
            raise ConfigurationError(
                f"The tokens in {self.path} are damaged: {error}",
                "Repair the file or put it aside and add tokens anew; it was left as it is."
            ) from error

    def _save(self, entries: tuple[TokenEntry, ...]) -> None:
        content = {"version": FILE_VERSION, "tokens": [asdict(entry) for entry in entries]}
        # A temporary file is made with mode 600, and stands beside its target to be renamed.
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=2)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
        except BaseException:
            os.unlink(name)
            raise
        self._refresh()


def default_path() -> Path:
    """Where the tokens of this user's edge are."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "airsplit" / "edge-tokens.json"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _parse(content: Any) -> tuple[TokenEntry, ...]:
    """The entries of a file's content; whatever it holds besides is not ours."""
    if not isinstance(content, dict) or content.get("version") != FILE_VERSION:
        raise ValueError(f"it is not a token file of version {FILE_VERSION}.")
    entries = tuple(TokenEntry(**entry) for entry in content["tokens"])
    if len({entry.name for entry in entries}) < len(entries):
        raise ValueError("two tokens have one name.")
    return entries
