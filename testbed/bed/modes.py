"""How packets are carried on this machine: by root, by an ordinary user, or by relays.

    found = detect()            # Choice(Mode.USER, "not root; an unprivileged user namespace ...")
    found = detect(Mode.ROOT)   # or NoMode says what it lacks

    root   network namespaces and TUN devices of this machine; real-time priority
    user   the same inside an unprivileged user namespace: no real-time priority
    relay  neither: programs talk over loopback, and relays carry it through the same scheduler

What is asked of the system is passed in, so that each answer can be tried.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from testbed.errors import TestbedFailure


class NoMode(TestbedFailure):
    """No mode, or not the one that was asked for, works here."""


class Mode(enum.StrEnum):
    """The better one first."""

    ROOT = "root"
    USER = "user"
    RELAY = "relay"


HONEST: Mapping[Mode, str] = {
    Mode.ROOT: "network namespaces and TUN devices; slots have a real-time priority if the system "
               "gives one",
    Mode.USER: "the same inside an unprivileged user namespace; a real-time priority is not "
               "permitted there, so slots are late where the machine is busy",
    Mode.RELAY: "loopback relays with the same scheduler, classifier and xApp; packets' headers "
                "and TCP are ours, not a kernel's, and the tap is handed what crossed",
}
REMEDY: Mapping[Mode, str] = {
    Mode.ROOT: "run as root with iproute2 installed and /dev/net/tun",
    Mode.USER: "allow unprivileged user namespaces (sysctl user.max_user_namespaces, "
               "kernel.unprivileged_userns_clone=1, "
               "kernel.apparmor_restrict_unprivileged_userns=0)",
    Mode.RELAY: "let this user open sockets with a name and at 127.0.0.1",
}


@dataclass(frozen=True)
class Choice:
    """What is used, and why."""

    mode: Mode
    why: str


def detect(forced: Mode | None = None,
           obstacles: Callable[[Mode], str | None] | None = None) -> Choice:
    """The best that works here, or the one that is asked for."""
    ask = obstacles or obstacle
    if forced is not None:
        if (reason := ask(forced)) is not None:
            raise NoMode(f"Mode {forced} does not work here: {reason}.",
                         f"To have it, {REMEDY[forced]}.")
        return Choice(forced, f"asked for: {HONEST[forced]}")
    passed: list[str] = []
    for mode in Mode:
        if (reason := ask(mode)) is None:
            return Choice(mode, "; ".join((*passed, HONEST[mode])))
        passed.append(f"not {mode} ({reason})")
    raise NoMode(f"No mode works here: {'; '.join(passed)}.", "airsplit testbed doctor says more.")


def obstacle(mode: Mode) -> str | None:
    """What keeps this process from a mode; None if nothing does. Each answer is tried."""
    from testbed import namespaces
    from testbed.bed import probes

    if mode is Mode.ROOT:
        if os.geteuid() != 0:
            return "you are not root"
        if missing := namespaces.lacking():
            return f"root has not {' and '.join(missing)} here"
        return probes.namespace_trouble()
    if mode is Mode.USER:
        return probes.user_namespace_trouble()
    return probes.relay_trouble()
