"""What a node announced at its setup, read for which kind it is and what it can do.

All that is announced is weighed: names of measurements, styles, controls, models of its agent's
own, and the components that it says it has. Where that does not tell, the node is taken for one by
the specification, without what harms one that it might be. srsRAN and its successor OCUDU announce
the same: such a node is always taken for srsRAN, as CCC hangs its DU and not OCUDU's; only an
operator's word gives CCC to it. An operator's word goes before any guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace

from xapp.e2 import ccc
from xapp.e2.ccc import CccFunctionDefinition
from xapp.e2.common import CCC_OIDS, KPM_OIDS, RC_OIDS
from xapp.e2.e2ap_components import Component
from xapp.e2.kpm import FUNCTION, FunctionDefinition
from xapp.e2.profiles import (
    COMMON_MEASUREMENTS,
    FIRST_UE_ONLY,
    FLEXRIC,
    OAI,
    OAI_OLD,
    PROFILES,
    SPEC,
    SRSRAN,
    UNNAMED,
    Profile,
    QuotaIds,
)
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
    components: tuple[Component, ...] = ()  # its interfaces, as its setup names them

    def controls(self, style: int, action: int) -> bool:
        """Whether RC announces that control action."""
        return any(one.action(style, action) for _, one in self.rc)


@dataclass(frozen=True, slots=True)
class Guess:
    """Which kind a node seems to be, and why."""

    profile: Profile
    reasons: tuple[str, ...]
    certain: bool
    confidence: float = 0.0  # 0 to 1: the share of the evidence that is for it, as far as it goes


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


def _measured(found: Announced) -> set[str]:
    return {one.name for _, kpm in found.kpm for style in kpm.reports or ()
            for one in style.measurements if isinstance(one.name, str)}


def _measures(*names: str) -> Callable[[Announced], bool]:
    return lambda found: set(names) <= _measured(found)


def _styles(found: Announced) -> set[int]:
    return {style.style for _, kpm in found.kpm for style in kpm.reports or ()}


def _only_oai_s(found: Announced) -> bool:
    """No measurement that OpenAirInterface's agent does not have."""
    names = _measured(found)
    return bool(names) and names <= OAI_MEASUREMENTS


def _has(request: bytes) -> Callable[[Announced], bool]:
    return lambda found: any(request in one.configuration.request for one in found.components)


OAI_MEASUREMENTS = {*COMMON_MEASUREMENTS, *OAI.measurements}
ENOUGH = 2.0  # of weight, to take a node for a kind at all
SURE = 3.0  # likewise, to be certain, where nothing of weight speaks for another

# What is announced, the kind that it speaks for, how much, and why. What the specification says
# anybody may announce weighs little, whoever is known to.
EVIDENCE: tuple[tuple[Callable[[Announced], bool], Profile, float, str], ...] = (
    (_measures("DRB.PdcpSduVolumeDL"), OAI, 2.0, "KPM measures PDCP volumes, as OAI's does"),
    (_only_oai_s, OAI, 0.5, "KPM measures nothing that OAI's does not"),
    (lambda found: bool(found.kpm) and _styles(found) == {4}, OAI, 0.5,
     "KPM has style 4 alone, as OAI's"),
    (lambda found: found.controls(1, 2), OAI, 0.5, "RC maps QoS flows, as OAI's does"),
    # OpenAirInterface's gNB has the same agent in it: what it measures tells the two apart.
    (lambda found: found.own_models and _measures("DRB.PdcpSduVolumeDL")(found), OAI, 1.0,
     "it announces FlexRIC's own models"),
    (lambda found: found.own_models and not _measures("DRB.PdcpSduVolumeDL")(found), FLEXRIC, 3.5,
     "it announces FlexRIC's own models, and no volumes"),
    (_measures(*FIRST_UE_ONLY), SRSRAN, 2.0,
     "KPM measures CQI, RSRP and RSRQ by these names, as srsRAN's and OCUDU's do alike"),
    (_measures("DRB.RlcSduTransmittedVolumeDL"), SRSRAN, 1.5,
     "KPM measures RLC volumes, as srsRAN's and OCUDU's do alike"),
    (lambda found: bool(found.ccc), SRSRAN, 0.5,
     "it announces CCC, as srsRAN and OCUDU do alike"),
    (lambda found: found.controls(3, 1) or found.controls(2, 6), SRSRAN, 0.5,
     "RC controls handover or quotas, as srsRAN's and OCUDU's do alike"),
    (_has(b"reqpart"), SRSRAN, 1.5, "its component holds the text that srsRAN writes there"),
)
OR_OCUDU = ("OCUDU announces the same and is named by `profile: ocudu`, without which no CCC is "
            "sent, as that hangs srsRAN's DU")
UNKNOWN = ("until its `profile` is given (spec, srsran, ocudu, oai, oai-old or flexric), it is "
           "used by the specification, and without CCC")


def guess(found: Announced) -> Guess:
    """The kind that most speaks for, or the specification's where not enough does."""
    weights: dict[str, float] = {}
    seen = [(profile, weight, why) for shows, profile, weight, why in EVIDENCE if shows(found)]
    for profile, weight, _ in seen:
        weights[profile.name] = weights.get(profile.name, 0.0) + weight
    best = max(weights, key=lambda name: weights[name], default=SPEC.name)
    most, total = weights.get(best, 0.0), sum(weights.values())
    rival = max((weight for name, weight in weights.items() if name != best), default=0.0)
    confidence = min(1.0, most / SURE) * (most / total if total else 0.0)
    if most < ENOUGH or rival >= ENOUGH:
        reasons = tuple(why for _, _, why in seen) or ("nothing that it announced tells its kind",)
        return Guess(narrowed(UNNAMED, found), (*reasons, UNKNOWN), False, confidence)
    reasons = tuple(why for profile, _, why in seen if profile.name == best)
    if best == SRSRAN.name:  # what it is is never certain, that it is one of both may be
        return Guess(narrowed(SRSRAN, found), (*reasons, OR_OCUDU), False, confidence)
    return Guess(narrowed(PROFILES[best], found), reasons, most >= SURE, confidence)


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
