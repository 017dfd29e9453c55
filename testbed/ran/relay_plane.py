"""The user plane without namespaces: its devices are sockets that programs ask for.

    with RelayPlane(config, path, mac, reasons) as plane:
        ...                 # others: `relay_devices.taken(path, name_of(plane.n6, "n6-llm"))`

The loop, the scheduler and all counts are those of `plane.user_plane`; packets are whole IP
packets there, too. Who puts them in and takes them out has to be a host by itself: no kernel is.
No privilege is needed. There is no tunnel: nobody could listen to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed.ran.plane import topology
from testbed.ran.plane.config import PlaneConfig, SessionConfig
from testbed.ran.plane.memory import Kind, Mark
from testbed.ran.plane.user_plane import UserPlane
from testbed.ran.relay_devices import Devices, name_of
from xapp.errors import ConfigurationError


class RelayPlane(UserPlane):
    """One run."""

    def __init__(self, config: PlaneConfig, path: Path, air: Any = None,
                 reasons: Mapping[int, str] | None = None) -> None:
        """`path` is a socket's, at which ends are given."""
        if config.tunnel is not None:
            raise ConfigurationError("Without namespaces there is no tunnel.",
                                     "Leave `way.tunnel` or `way.devices` out.")
        super().__init__(config, air, reasons)
        self.devices = Devices(path)

    def _make(self) -> None:
        config = self.config
        self._undo.callback(self.devices.close)
        for ue, place, session in config.sessions():
            self._add_pair(self.namespace(ue.name), topology.ue_device(place), Kind.UE,
                           session.bearer)
        for dnn in config.dnns:
            self._add_pair(self.n6, dnn.device, Kind.N6, -1)
        self._plane.marks[Mark.TUNS] = len(self._devices)
        for ue, place, session in config.sessions():
            self._enter_bearer(ue, place, session)
        self.devices.start()

    def _add_pair(self, namespace: str, device: str, kind: Kind, owner: int) -> None:
        inner = self.devices.add(name_of(namespace, device))
        self._add_device(namespace, device, kind, owner, inner.fileno())

    def _withdraw(self, ue: str, place: int) -> None:
        """A device has no addresses of its own here: the loop alone looks at them."""

    def _readdress(self, ue: str, place: int, session: SessionConfig) -> None:
        """The same."""
