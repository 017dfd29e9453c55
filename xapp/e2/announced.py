"""What a node announced at its setup, read for which kind it is and what it can do.

The guess is one: srsRAN and its successor OCUDU announce the same, and the careful one of both is
taken then. `certain` says so, and an operator's word goes before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace

from xapp.e2 import ccc
from xapp.e2.ccc import CccFunctionDefinition
from xapp.e2.common import CCC_OIDS, KPM_OIDS, RC_OIDS
from xapp.e2.kpm import FUNCTION, FunctionDefinition
from xapp.e2.profiles import FLEXRIC, OAI, OAI_OLD, SPEC, SRSRAN, Profile, QuotaIds
from xapp.e2.rc_function import RC_FUNCTION, RcFunctionDefinition
from xapp.errors import ProtocolError

KPM_3_OID = KPM_OIDS[1]
QUOTA_NAMES = {"policies": "RRM Policy Ratio List", "policy": "RRM Policy Ratio Group",
               "group": "RRM Policy", "members": "RRM Policy Member List",
               "member": "RRM Policy Member", "plmn": "PLMN Identity", "slice": "S-NSSAI",
               "sst": "SST", "sd": "SD", "minimum": "Min PRB Policy Ratio",
               "maximum": "Max PRB Policy Ratio", "dedicated": "Dedicated PRB Policy Ratio"}


@dataclass(frozen=True, slots=True)
class Announced:
    """The RAN functions of a node that are understood, by number; what was not, and why."""

    kpm: tuple[tuple[int, FunctionDefinition], ...] = ()
    rc: tuple[tuple[int, RcFunctionDefinition], ...] = ()
    ccc: tuple[tuple[int, CccFunctionDefinition], ...] = ()
    others: tuple[tuple[int, str], ...] = ()  # number and OID
    problems: tuple[str, ...] = ()
    own_models: bool = False  # FlexRIC's, for layers of the protocol stack

    def controls(self, style: int, action: int) -> bool:
        """Whether RC announces that control action."""
        return any(one.action(style, action) for _, one in self.rc)


@dataclass(frozen=True, slots=True)
class Guess:
    """Which kind a node seems to be, and why."""

    profile: Profile
    reasons: tuple[str, ...]
    certain: bool


def read_functions(functions: Iterable[tuple[int, str, bytes]]) -> Announced:
    """What a node's RAN functions, given as number, OID and definition, can do."""
    found = Announced()
    for number, oid, definition in functions:
        found = _with(found, number, oid.strip("\0 "), definition)
    return found


def _with(found: Announced, number: int, oid: str, definition: bytes) -> Announced:
    try:
        if oid in KPM_OIDS:
            return replace(found, kpm=(*found.kpm, (number, FUNCTION.decode(definition))))
        if oid in RC_OIDS:
            return replace(found, rc=(*found.rc, (number, RC_FUNCTION.decode(definition))))
        if oid in CCC_OIDS:
            return replace(found, ccc=(*found.ccc, (number, ccc.read_function(definition))))
    except ProtocolError as error:
        return replace(found, problems=(*found.problems, f"function {number}: {error.problem}"))
    return replace(found, others=(*found.others, (number, oid)),
                   own_models=found.own_models or b"_STATS_V0" in definition)


def _measures(name: str) -> Callable[[Announced], bool]:
    return lambda found: any(one.name == name for _, kpm in found.kpm
                             for style in kpm.reports or () for one in style.measurements)


# Evidence in the order of its weight: what shows a kind, the kind, why, and whether that is sure.
EVIDENCE: tuple[tuple[Callable[[Announced], bool], Profile, str, bool], ...] = (
    (_measures("DRB.PdcpSduVolumeDL"), OAI, "KPM measures PDCP volumes, as OAI's does", True),
    (lambda found: found.controls(1, 2) and not found.own_models, OAI,
     "RC maps QoS flows, as OAI's does", True),
    (lambda found: found.own_models, FLEXRIC, "it announces FlexRIC's own models", True),
    (lambda found: bool(found.ccc), SRSRAN,
     "it announces CCC, as srsRAN and OCUDU do alike", False),
    (_measures("DRB.RlcSduTransmittedVolumeDL"), SRSRAN,
     "KPM measures RLC volumes, as srsRAN's and OCUDU's do alike", False),
    (lambda found: found.controls(3, 1) or found.controls(2, 6), SRSRAN,
     "RC controls handover or quotas, as srsRAN's and OCUDU's do alike", False),
)


def guess(found: Announced) -> Guess:
    """The kind that most speaks for, or the specification's where nothing does."""
    reasons = [(profile, why, certain) for shows, profile, why, certain in EVIDENCE if shows(found)]
    if not reasons:
        return Guess(SPEC, ("nothing that it announced tells its kind",), False)
    profile = reasons[0][0]
    return Guess(narrowed(profile, found), tuple(why for one, why, _ in reasons if one is profile),
                 any(certain for one, _, certain in reasons if one is profile))


def narrowed(profile: Profile, found: Announced) -> Profile:
    """The profile with the numbers of quota parameters and the KPM layout that were announced."""
    ids = announced_ids(found)
    if profile is OAI and ids == OAI_OLD.quota.ids:
        profile = OAI_OLD
    if ids is not None and ids != profile.quota.ids:
        profile = replace(profile, quota=replace(profile.quota, ids=ids))
    if profile.kpm_3 not in (None, profile.kpm) and any(
            kpm.name.oid == KPM_3_OID for _, kpm in found.kpm):
        profile = replace(profile, kpm=profile.kpm_3)
    return profile


def announced_ids(found: Announced) -> QuotaIds | None:
    """The numbers that RC style 2 action 6 gives its parameters, where it names them all."""
    for _, one in found.rc:
        action = one.action(2, 6)
        numbers = {parameter.name.strip("> "): parameter.id
                   for parameter in (action and action.parameters) or ()}
        wanted = {entry.name: numbers.get(QUOTA_NAMES[entry.name]) for entry in fields(QuotaIds)}
        known = {name: number for name, number in wanted.items() if number is not None}
        if len(known) == len(wanted):
            return QuotaIds(**known)
    return None
