"""What kinds of base stations do with E2, as data: layouts, numbers, quirks, and whom to trust.

    profile = PROFILES["srsran"]
    profile.actuator("rc_slice_quota").scope   # Scope.PER_UE: a UE's grants, whatever it is called

Every quirk was seen on a real system or in its source. Code asks a profile and never for a name.
What a node announced narrows a profile (`xapp.e2.announced`); an operator may name one instead.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from xapp.e2.kpm import KPM_FLEXRIC_V3, KPM_V2, KPM_V3, KPM_V5, Kpm
from xapp.e2.rc import RC, RC_FLEXRIC, Rc
from xapp.e2.ue_id import GnbDuUe, GnbUe


class Scope(enum.Enum):
    """What an actuator acts on, whatever its name says."""

    PER_UE = "per_ue"
    PER_SLICE = "per_slice"
    PER_FLOW = "per_flow"


class Trust(enum.Enum):
    """What an acknowledgement is worth; none replaces a look at the effect."""

    SEEN = "its effect was seen on a real base station"
    READ = "its effect is read from source code"
    NONE = "it acknowledges what it does not do"
    HARMFUL = "it was seen to hang or end the base station"
    WITHHELD = "it may harm what this could be, and nobody said what it is"


class Lever(enum.Enum):
    """Ways to act on a RAN."""

    RC_SLICE_QUOTA = "rc_slice_quota"  # RC style 2 action 6
    RC_HANDOVER = "rc_handover"  # RC style 3 action 1
    RC_FLOW_MAPPING = "rc_flow_mapping"  # RC style 1 action 2
    CCC_SLICE_QUOTA = "ccc_slice_quota"  # CCC style 2, O-RRMPolicyRatio
    WEBSOCKET_SLICE_QUOTA = "websocket_slice_quota"  # srsRAN's own remote control
    CORE_FLOW_PROMOTION = "core_flow_promotion"  # no base station's: the core's policy function


@dataclass(frozen=True, slots=True)
class Actuator:
    """One way to act, what it acts on, and what is known of it."""

    lever: Lever
    scope: Scope
    trust: Trust
    unit: str  # which association takes it: "du", "cu_cp", or "any"
    known: str  # a sentence for the operator
    least_dedicated: int = 0  # percent
    entries: int | None = None  # of a list that are obeyed; None: all
    obeys: tuple[str, ...] = ("minimum", "maximum", "dedicated")  # of a quota

    @property
    def usable(self) -> bool:
        return self.trust not in (Trust.HARMFUL, Trust.WITHHELD)


@dataclass(frozen=True, slots=True)
class QuotaIds:
    """RAN parameter numbers of RC style 2 action 6."""

    policies: int = 1
    policy: int = 2
    group: int = 3
    members: int = 5
    member: int = 6
    plmn: int = 7
    slice: int = 8
    sst: int = 9
    sd: int = 10
    minimum: int = 11
    maximum: int = 12
    dedicated: int = 13


@dataclass(frozen=True, slots=True)
class QuotaLayout:
    """How RC style 2 action 6 is spelled."""

    ids: QuotaIds = QuotaIds()
    wrapped: bool = True  # list items hold one structure with a number of its own (2 and 6)
    as_text: bool = False  # PLMN, SST and SD as ASCII digits instead of octets
    sd_needed: bool = True
    positional: bool = False  # read by place: group, minimum, maximum, dedicated


class Conditions(enum.Enum):
    """Which conditions KPM style 4 takes."""

    ANY = "any"
    IGNORED = "ignored: all UEs are reported"
    SLICE_EQUAL = "S-NSSAI EQUAL; the base station ends itself on any other"


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of base station."""

    name: str
    title: str
    kpm: Kpm
    rc: Rc
    actuators: tuple[Actuator, ...]
    kpm_3: Kpm | None = None  # instead, where the node announces version 3's OID
    quota: QuotaLayout = QuotaLayout()
    control_ue: type[GnbDuUe] | type[GnbUe] | None = GnbDuUe  # that a quota needs; None: any UE id
    conditions: Conditions = Conditions.ANY
    slice_as_number: bool = False  # the SST in a condition: a whole number instead of an octet
    actions_per_subscription: int | None = None  # None: any number
    counts_indications: bool = True  # sends RICindicationSN
    fresh_every: int = 0  # milliseconds; a faster report repeats old values
    cell_style: int = 1
    ue_style: int = 4  # the common denominator of reports for each UE
    measurements: tuple[str, ...] = ()  # beyond those common to all

    def actuator(self, lever: Lever | str) -> Actuator | None:
        """The way to act of that name, where this kind has it."""
        wanted = lever if type(lever) is Lever else Lever(lever)
        for one in self.actuators:  # several times for each decision
            if one.lever is wanted:
                return one
        return None


COMMON_MEASUREMENTS = ("DRB.UEThpDl", "DRB.UEThpUl", "DRB.RlcSduDelayDl", "RRU.PrbTotDl",
                       "RRU.PrbTotUl")
SRSRAN_MEASUREMENTS = (
    "RRU.PrbAvailDl", "RRU.PrbAvailUl", "RRU.PrbUsedDl", "RRU.PrbUsedUl", "DRB.RlcDelayUl",
    "DRB.AirIfDelayUl", "DRB.RlcPacketDropRateDl", "DRB.RlcSduTransmittedVolumeDL",
    "DRB.RlcSduTransmittedVolumeUL", "CQI", "RSRP", "RSRQ")
FIRST_UE_ONLY = ("CQI", "RSRP", "RSRQ")  # on srsRAN; other UEs have none

HANDOVER = Actuator(Lever.RC_HANDOVER, Scope.PER_UE, Trust.READ, "cu_cp",
                    "Within one CU only; needs the AMF's number, GUAMI and an F1AP id.")
UE_QUOTA = Actuator(
    Lever.RC_SLICE_QUOTA, Scope.PER_UE, Trust.SEEN, "du",
    "Limits the grants of the UE named; the slice is ignored, and so are dedicated and all but the "
    "first entry.",
    entries=1, obeys=("minimum", "maximum"))
WEBSOCKET = Actuator(
    Lever.WEBSOCKET_SLICE_QUOTA, Scope.PER_SLICE, Trust.NONE, "any",
    "Acknowledges unknown slices and a minimum above the maximum too: check before sending.")

SPEC = Profile(
    "spec", "a base station by the specification", KPM_V3, RC,
    (Actuator(Lever.RC_SLICE_QUOTA, Scope.PER_SLICE, Trust.READ, "du", "As E2SM-RC 7.6.3 says."),
     HANDOVER,
     Actuator(Lever.RC_FLOW_MAPPING, Scope.PER_FLOW, Trust.READ, "any", "As E2SM-RC 7.6.2 says."),
     Actuator(Lever.CCC_SLICE_QUOTA, Scope.PER_SLICE, Trust.READ, "du", "As E2SM-CCC 8.8 says.")))

SRSRAN = Profile(
    "srsran", "srsRAN Project's gNB", KPM_V5, RC,
    (UE_QUOTA, HANDOVER, WEBSOCKET,
     Actuator(Lever.CCC_SLICE_QUOTA, Scope.PER_SLICE, Trust.HARMFUL, "du",
              "Valid values hung the DU in 2 of 2 runs.", least_dedicated=1)),
    conditions=Conditions.IGNORED, actions_per_subscription=1, counts_indications=False,
    fresh_every=1000, measurements=SRSRAN_MEASUREMENTS)

OCUDU = replace(
    SRSRAN, name="ocudu", title="OCUDU's gNB, srsRAN Project's successor", actuators=(
        replace(UE_QUOTA, trust=Trust.READ), HANDOVER, WEBSOCKET,
        Actuator(Lever.CCC_SLICE_QUOTA, Scope.PER_SLICE, Trust.READ, "du",
                 "Refuses dedicated 0; made asynchronous, so that the DU no longer hangs.",
                 least_dedicated=1)))

OAI = Profile(
    "oai", "OpenAirInterface's gNB with slicing", KPM_V2, RC_FLEXRIC,
    (Actuator(Lever.RC_SLICE_QUOTA, Scope.PER_SLICE, Trust.READ, "any",
              "Dedicated becomes a reserved share; minimum is only logged, maximum ignored.",
              obeys=("dedicated",)),
     Actuator(Lever.RC_FLOW_MAPPING, Scope.PER_FLOW, Trust.NONE, "any",
              "Released versions only print the request.")),
    KPM_FLEXRIC_V3, QuotaLayout(wrapped=False, as_text=True, positional=True), control_ue=None,
    conditions=Conditions.SLICE_EQUAL,
    measurements=("DRB.PdcpSduVolumeDL", "DRB.PdcpSduVolumeUL"))

# Forks from before the specification left number 4 free.
OAI_OLD = replace(
    OAI, name="oai-old", title="OpenAirInterface's gNB with slicing, older forks",
    slice_as_number=True,
    quota=replace(OAI.quota, ids=QuotaIds(members=4, member=5, plmn=6, slice=7, sst=8, sd=9,
                                          minimum=10, maximum=11, dedicated=12)))

FLEXRIC = Profile(
    "flexric", "a base station or emulator with FlexRIC's agent", KPM_V2, RC_FLEXRIC,
    (Actuator(Lever.RC_SLICE_QUOTA, Scope.PER_SLICE, Trust.NONE, "any",
              "The emulated agent acknowledges and does nothing."),
     Actuator(Lever.RC_FLOW_MAPPING, Scope.PER_FLOW, Trust.NONE, "any",
              "The emulated agent acknowledges and does nothing.")),
    KPM_FLEXRIC_V3, QuotaLayout(wrapped=False, as_text=True, positional=True), control_ue=None,
    conditions=Conditions.SLICE_EQUAL)

# A base station that nobody named and that nothing tells: what is safe with all of them.
UNNAMED = replace(
    SPEC, title="a base station of unknown kind", actuators=tuple(
        replace(one, trust=Trust.WITHHELD, known="srsRAN's DU, which announces the same, hangs on "
                "it: name the kind under `ran.nodes` to have it used.")
        if one.lever is Lever.CCC_SLICE_QUOTA else one for one in SPEC.actuators))

PROFILES = {one.name: one for one in (SPEC, SRSRAN, OCUDU, OAI, OAI_OLD, FLEXRIC)}
