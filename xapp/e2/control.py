"""A control request's contents, and whether a kind of base station takes it at all."""

from __future__ import annotations

from dataclasses import dataclass

from xapp.e2.profiles import Actuator, Lever, Profile
from xapp.errors import PolicyError


@dataclass(frozen=True, slots=True)
class Control:
    """What goes into a RIC control request."""

    header: bytes
    message: bytes


def needed(profile: Profile, lever: Lever) -> Actuator:
    """The way to act, or PolicyError where this kind has none or is harmed by it."""
    actuator = profile.actuator(lever)
    if actuator is None:
        raise PolicyError(f"{profile.title} has no {lever.value}.", "Choose another actuator.")
    if not actuator.usable:
        raise PolicyError(f"{profile.title} is harmed by {lever.value}: {actuator.known}",
                          "Choose another actuator.")
    return actuator
