"""Orders to a running broker, as JSON both ways.

    {"order": "status"}
    {"order": "path", "link": "gnb-ue1", "set": {"path_loss": 10, "outage": false}}
    {"order": "noise", "station": "ue1", "snr": 20}
    {"order": "stop"}

An answer has `ok`, and `error` where that is false. Whoever reaches the socket may give orders; it
is a local one by default. It has no sockets itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from testbed.radio.errors import RadioError
from testbed.radio.mixer import Mixer
from testbed.radio.settings import Station, changed

MOST_BYTES = 65536  # of an order; a long one has some hundred


def answer(data: bytes, mixer: Mixer, stop: Callable[[], None]) -> bytes:
    """Obey an order, or say why not."""
    try:
        reply = {"ok": True, **_obey(_order(data), mixer, stop)}
    except RadioError as error:
        reply = {"ok": False, "error": str(error)}
    return json.dumps(reply).encode()


def _order(data: bytes) -> Mapping[str, Any]:
    if len(data) > MOST_BYTES:
        raise RadioError(f"An order has at most {MOST_BYTES} bytes.")
    try:
        order = json.loads(data)
    except (ValueError, RecursionError):
        raise RadioError("An order is one JSON object.") from None
    if not isinstance(order, dict):
        raise RadioError("An order is one JSON object.")
    return order


def _obey(order: Mapping[str, Any], mixer: Mixer, stop: Callable[[], None]) -> dict[str, Any]:
    match order:
        case {"order": "status", **rest} if not rest:
            return status(mixer)
        case {"order": "path", "link": str(link), "set": dict(values), **rest} if not rest:
            mixer.set_path(link, changed(mixer.path(link), values))
            return {"link": link, "path": asdict(mixer.path(link))}
        case {"order": "noise", "station": str(name), "snr": (int() | float() | None) as snr,
              **rest} if not rest and not isinstance(snr, bool):
            # The dataclass knows what can be meant.
            Station(name if name.isidentifier() else "station", "tcp://", snr=snr)
            mixer.set_snr(name, snr)
            return {"station": name, "snr": snr}
        case {"order": "stop", **rest} if not rest:
            stop()
            return {}
    raise RadioError("There is no such order: give status, path with link and set, noise with "
                     "station and snr, or stop.")


def status(mixer: Mixer) -> dict[str, Any]:
    """How everything is now."""
    return {
        "samples": mixer.position, "seconds": mixer.position / mixer.settings.rate,
        "rate": mixer.settings.rate,
        "stations": {name: {**asdict(tally), "here": name in mixer.joined,
                            "power": mixer.power(name), "snr": mixer.snr(name)}
                     for name, tally in mixer.tallies.items()},
        "paths": {link: asdict(mixer.path(link)) for link in mixer.settings.links}}
