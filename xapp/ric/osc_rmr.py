"""RMR, the message bus of an OSC RIC, through `ricxappframe`'s binding of librmr.

    rmr = open_rmr(4560, take)         # `take` is called in RMR's thread

Only the binding is used: the framework's xApp class brings a data base, a registration and a helper
for receiving that need more than is here. Both the framework and librmr_si.so have to be installed;
neither is imported before they are asked for.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any, Protocol

from xapp.errors import ConfigurationError, TransportError
from xapp.ric.osc_config import MOST_NAME
from xapp.ric.osc_messages import MOST_PAYLOAD, RmrMessage

RECEIVE_MS = 500  # to wait for a message before looking whether it is over
SEND_TRIES = 3  # at once, where RMR says that it could not yet
MOST_KEPT = 1024  # messages that came and were not dealt with yet
ROOM = 4096  # octets of a buffer to begin with; RMR makes larger ones itself
END_SECONDS = 3.0
Take = Callable[[RmrMessage], None]


class Rmr(Protocol):
    """The bus as it is used here."""

    def send(self, message: RmrMessage) -> None:
        """Raises TransportError where it is not taken."""

    def done(self, message: RmrMessage) -> None:
        """A message that came will not be answered any more."""

    def close(self) -> None:
        """No more messages come."""


def open_rmr(port: int, take: Take) -> Rmr:
    """RMR at a port, or ConfigurationError where it is not installed."""
    try:
        from ricxappframe.rmr import rmr
    except ImportError as error:
        raise ConfigurationError(
            f"An OSC RIC needs the xApp framework: {error}.",
            "Install it: pip install --no-deps ricxappframe==3.2.2; docs/osc.md has the rest."
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"The xApp framework finds no RMR library: {error}.", "Install librmr_si.so: the "
            "packages rmr and rmr-dev of OSC's release repository, or use their base image."
        ) from error
    return LibRmr(rmr, port, take)


class LibRmr:
    """`binding` is the module ricxappframe.rmr.rmr."""

    def __init__(self, binding: Any, port: int, take: Take) -> None:
        self._rmr, self._take = binding, take
        try:
            self._context = binding.rmr_init(str(port).encode(), MOST_PAYLOAD,
                                             binding.RMRFL_MTCALL)
        except binding.InitFailed:
            raise TransportError(f"RMR cannot be opened at port {port}.", "See its log, and "
                                 "whether another process has the port.") from None
        self._origins = itertools.count(1)
        self._kept: dict[int, Any] = {}  # buffers of messages that may be answered
        self._wormholes: dict[str, Any] = {}  # by HOST:PORT
        self._lock = threading.Lock()  # of `_kept`
        self.lost = 0  # messages that came while as many waited as may
        self._over = False
        self._thread = threading.Thread(target=self._run, name="xapp-rmr", daemon=True)
        self._thread.start()

    def send(self, message: RmrMessage) -> None:
        buffer = self._pop(message.origin)
        try:
            for _ in range(SEND_TRIES):
                if message.to:
                    buffer = self._rmr.rmr_wh_send_msg(
                        self._context, self._wormhole(message.to), buffer or self._filled(message))
                elif message.origin and buffer is not None:
                    buffer = self._rmr.rmr_rts_msg(self._context, buffer, message.payload,
                                                   message.type)
                else:
                    buffer = buffer or self._filled(message)
                    buffer = self._rmr.rmr_send_msg(self._context, buffer)
                if not buffer:
                    raise TransportError("RMR lost a message's buffer.")
                state = int(buffer.contents.state)
                if state == self._rmr.RMR_OK:
                    return
                if state != self._rmr.RMR_ERR_RETRY:
                    break
            raise TransportError(f"RMR does not take messages of type {message.type}: state "
                                 f"{state}", "See whether the RIC has a route for them.")
        finally:
            if buffer:
                self._rmr.rmr_free_msg(buffer)

    def _wormhole(self, to: str) -> Any:
        """RMR's word for a way of its own to one place, opened once."""
        found = self._wormholes.get(to)
        if found is None:
            found = self._rmr.rmr_wh_open(self._context, to.encode())
            if self._rmr.rmr_wh_state(self._context, found) != self._rmr.RMR_OK:
                raise TransportError(f"RMR reaches nobody at {to}.", "See whether the service is "
                                     "there, and correct its address in the configuration.")
            self._wormholes[to] = found
        return found

    def _filled(self, message: RmrMessage) -> Any:
        meid = message.meid.encode()
        if len(meid) > MOST_NAME:
            raise TransportError(f"{message.meid} is too long a name for RMR.")
        try:
            return self._rmr.rmr_alloc_msg(
                self._context, max(len(message.payload), 1), payload=message.payload,
                gen_transaction_id=True, mtype=message.type, meid=meid or None,
                sub_id=message.subscription)
        except self._rmr.BadBufferAllocation:
            raise TransportError("RMR has no buffer for a message.") from None

    def done(self, message: RmrMessage) -> None:
        buffer = self._pop(message.origin)
        if buffer is not None:
            self._rmr.rmr_free_msg(buffer)

    def close(self) -> None:
        self._over = True
        self._thread.join(END_SECONDS)
        if self._thread.is_alive():
            return  # it is inside the library, which must not be closed under it
        with self._lock:
            kept, self._kept = list(self._kept.values()), {}
        for buffer in kept:
            self._rmr.rmr_free_msg(buffer)
        self._rmr.rmr_close(self._context)

    def _pop(self, origin: int) -> Any:
        with self._lock:
            return self._kept.pop(origin, None)

    def _run(self) -> None:
        while not self._over:
            # It wants a buffer even where nothing comes: it tells the time-out in that.
            buffer = self._rmr.rmr_alloc_msg(self._context, ROOM)
            buffer = self._rmr.rmr_torcv_msg(self._context, buffer, RECEIVE_MS)
            if not buffer:
                continue
            if int(buffer.contents.state) != self._rmr.RMR_OK:
                self._rmr.rmr_free_msg(buffer)
                continue
            self._received(buffer)

    def _received(self, buffer: Any) -> None:
        rmr = self._rmr
        message = RmrMessage(
            int(buffer.contents.mtype), bytes(rmr.get_payload(buffer) or b""),
            bytes(rmr.rmr_get_meid(buffer) or b"").split(b"\0")[0].decode("ascii", "replace"),
            int(buffer.contents.sub_id), next(self._origins))
        with self._lock:
            full = len(self._kept) >= MOST_KEPT
            if not full:
                self._kept[message.origin] = buffer
        if full:  # the loop is behind: what is not taken now is lost, as on any bus
            self.lost += 1
            rmr.rmr_free_msg(buffer)
        else:
            self._take(message)
