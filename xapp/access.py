"""Who may use the xApp's REST API, and from where: one operator's token, kept in a file.

Whatever changes something needs the token, on this machine too. Reading needs it where other
machines reach the API. The file is made at the first start, readable by its owner alone, so that
the console on the same machine finds it. It knows no requests.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
from pathlib import Path

from xapp.errors import ConfigurationError, NotAllowed

PREFIX = "airsplit_xapp_"  # so that a token is recognised where it should not be: in logs
MAX_TOKEN_CHARACTERS = 128  # longer ones are refused unread; ours have 57
MIN_TOKEN_CHARACTERS = 16  # of one that somebody wrote
TOKEN_VARIABLE = "AIRSPLIT_XAPP_TOKEN"
MAX_FILE_BYTES = 4096


class Access:
    """What the operator's token allows."""

    def __init__(self, token: str | None, open_reads: bool) -> None:
        """Without a token nothing can be changed; `open_reads` lets anybody read."""
        self._digest = None if token is None else _digest(token)
        self._open_reads = open_reads

    def read(self, token: str) -> None:
        """Whether the bearer of `token` may see how things stand; raises where not."""
        if not self._open_reads:
            self.change(token)

    def change(self, token: str) -> None:
        """Whether the bearer of `token` may change something; raises where not."""
        if self._digest is None:
            raise NotAllowed("This xApp has no operator's token, so nothing can be changed.",
                             "Start it with --token-file FILE.")
        if len(token) > MAX_TOKEN_CHARACTERS or not hmac.compare_digest(
                self._digest, _digest(token)):
            raise NotAllowed(
                "The token is not this xApp's." if token else "This needs the operator's token.",
                "Send it as 'Authorization: Bearer TOKEN'; it is in the xApp's --token-file.")


def default_token_file() -> Path:
    """Where this user's xApp and console keep the token."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "airsplit" / "xapp-token"


def load_or_make_token(path: Path) -> str:
    """The token in `path`, made there if there is no such file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return load_token(path)
    except OSError as error:
        raise ConfigurationError(f"Cannot write the token to {path}: {error.strerror}.",
                                 "Name another file with --token-file.") from error
    token = PREFIX + secrets.token_urlsafe(32)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return token


def load_token(path: Path) -> str:
    """The token in `path`, which nobody but its owner may read."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise ConfigurationError(f"Cannot read the token in {path}: {error.strerror}.",
                                 "Name a readable file with --token-file.") from error
    if mode & 0o077:
        raise ConfigurationError(f"Others on this machine may read the token in {path}.",
                                 f"Close it: chmod 600 {path}; and make a new token if they did.")
    token = content.decode("ascii", "replace").strip()
    if not (MIN_TOKEN_CHARACTERS <= len(token) <= MAX_TOKEN_CHARACTERS
            and all(33 <= ord(letter) < 127 for letter in token)):
        raise ConfigurationError(
            f"{path} holds no token.", f"One line of {MIN_TOKEN_CHARACTERS} to "
            f"{MAX_TOKEN_CHARACTERS} letters and digits; remove the file to have one made.")
    return token


def listen(host: str, port: int, what: str, protected: bool, remedy: str) -> socket.socket:
    """A listening socket for `what`; beyond this machine only where `protected`."""
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, OverflowError, UnicodeError) as error:
        raise ConfigurationError(f"{what} cannot listen on {host}:{port}: {error}.",
                                 "Give an address of this machine and a port.") from error
    if not protected and not is_loopback(str(address[4][0])):
        raise ConfigurationError(f"{what} on {host} would be open to other machines.", remedy)
    listener = socket.socket(address[0], socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address[4])
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConfigurationError(
            f"{what} cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}.",
            "Give another port, or stop what uses it.") from error
    return listener


def url(host: str, port: int) -> str:
    """Of what listens there."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
