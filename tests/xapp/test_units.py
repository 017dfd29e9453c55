"""Units are those of a load, and every kind of base station has some."""

from __future__ import annotations

from dataclasses import fields

from xapp.e2.profiles import PROFILES
from xapp.observations import Load
from xapp.units import FIELDS, LOAD_FIELDS, UNITS


def test_figures_begin_with_those_of_a_load() -> None:
    assert FIELDS[:LOAD_FIELDS] == tuple(entry.name for entry in fields(Load)
                                         if entry.name not in ("at", "prbs_over"))


def test_every_profile_has_units() -> None:
    assert set(UNITS) == set(PROFILES)
    for name, profile in PROFILES.items():
        assert UNITS[name].period == profile.fresh_every / 1000
