"""Label messages over ZeroMQ: PUB, and CURVE where keys are given.

A subscriber that cannot keep up loses messages once its queue of `MOST_QUEUED` is full, and sees it
in their numbers; the tap never waits for it. It knows messages and not what they are about.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import zmq
import zmq.auth

from classifier.errors import TapError
from classifier.messages import MOST_BYTES, RATES_TOPIC, STATUS_TOPIC, Gaps, Message, decode, encode

MOST_QUEUED = 10_000  # messages for one subscriber: about 4 MB
_MORE, _LAST = int(zmq.NOBLOCK | zmq.SNDMORE), int(zmq.NOBLOCK)  # parts of a message
LINGER_MS = 500  # what is still queued gets, when the tap ends
_MAKE_KEYS = "Make a pair: airsplit tap keys --out FOLDER."


@dataclass(frozen=True)
class Keys:
    """One side's CURVE key pair; a subscriber needs the tap's public key beside its own pair."""

    public: bytes
    secret: bytes


class Publisher:
    """Where subscribers connect to."""

    def __init__(self, address: str, keys: Keys | None = None) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, MOST_QUEUED)
        self._socket.setsockopt(zmq.LINGER, LINGER_MS)
        self._numbers: Counter[str] = Counter()
        self.sent = 0  # labels; neither statuses nor rates
        try:
            if keys is not None:
                self._socket.curve_secretkey, self._socket.curve_publickey = (
                    keys.secret, keys.public)
                self._socket.curve_server = True
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self.close()
            raise TapError(f"Cannot publish at {address}: {error}.",
                           "Give another --publish, such as tcp://127.0.0.1:5556 or "
                           "ipc:///run/airsplit/labels.") from error
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")

    def send(self, message: Message) -> None:
        self._numbers[message.topic] += 1
        topic, payload = encode(message, self._numbers[message.topic])
        self._socket.send(topic, _MORE)
        self._socket.send(payload, _LAST)
        self.sent += message.topic not in (STATUS_TOPIC, RATES_TOPIC)

    def close(self) -> None:
        self._socket.close()
        self._context.term()


class Subscriber:
    """The other end, for the xApp and for scripts."""

    def __init__(
        self, address: str, topics: tuple[str, ...] = ("",), server: bytes | None = None,
        keys: Keys | None = None,
    ) -> None:
        """`server` is the tap's public key; `keys` are this side's, or made up."""
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MOST_BYTES)
        self._socket.setsockopt(zmq.LINGER, 0)
        self.gaps = Gaps()
        try:
            if server is not None:
                public, secret = zmq.curve_keypair() if keys is None else (keys.public, keys.secret)
                self._socket.curve_publickey, self._socket.curve_secretkey = public, secret
                self._socket.curve_serverkey = server
            for topic in topics:
                self._socket.subscribe(topic)
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            raise TapError(f"Cannot ask {address} for labels: {error}.",
                           "Give the address that the tap printed.") from error

    def receive(self, timeout: float) -> Message | None:
        """The next message; None where none came within `timeout` seconds."""
        if not self._socket.poll(int(timeout * 1000)):
            return None
        message = decode(self._socket.recv_multipart())
        self.gaps.saw(message)
        return message

    def close(self) -> None:
        self._socket.close()
        self._context.term()


def make_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """Write `NAME.key` (public) and `NAME.key_secret` (readable by the owner alone)."""
    public, secret = folder / f"{name}.key", folder / f"{name}.key_secret"
    for path in (public, secret):
        if path.exists():
            raise TapError(f"{path} exists.", "Keys are not overwritten: remove it, or give "
                           "another --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        zmq.auth.create_certificates(folder, name)
        secret.chmod(0o600)
    except OSError as error:
        raise TapError(f"Cannot write keys to {folder}: {error.strerror}.",
                       "Give another --out.") from error
    return public, secret


def read_keys(path: Path) -> Keys:
    """The pair in a `.key_secret` file."""
    public, secret = _certificate(path)
    if secret is None:
        raise TapError(f"{path} holds a public key alone.", "Give the file that ends in "
                       ".key_secret.")
    return Keys(public, secret)


def read_public(path: Path) -> bytes:
    """The public key in a `.key` file."""
    return _certificate(path)[0]


def _certificate(path: Path) -> tuple[bytes, bytes | None]:
    try:
        return zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        raise TapError(f"{path} holds no CURVE key: {error}.", _MAKE_KEYS) from error
