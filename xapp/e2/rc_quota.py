"""Shares of slices through E2SM-RC style 2 action 6, as each kind of base station spells them.

    control = slice_quota_control(PROFILES["oai"], [SliceQuota(Snssai(1, 5), 30, 80, 20)])
    quotas = read_slice_quota(PROFILES["oai"], control.message)

What comes of it is the profile's `scope`: with srsRAN, limits of the UE that the header names. A
message differs from another one for the same slices in its percentages alone, an octet each: where
these are is remembered, since it is made while a slice waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from xapp.e2.bits import refused
from xapp.e2.codec import Codec
from xapp.e2.common import Snssai, plmn_octets, plmn_text
from xapp.e2.control import Control, needed
from xapp.e2.profiles import Lever, Profile, QuotaLayout
from xapp.e2.quota import NO_SD, SliceQuota, check
from xapp.e2.rc import BundleHeader, BundleMessage, ControlHeader, ControlMessage
from xapp.e2.rc_parameters import Element, Entries, Parameter, Structure, find
from xapp.e2.ue_id import GnbUe, Guami, UeId
from xapp.errors import PolicyError

STYLE, ACTION = 2, 6
MOST_FORMS = 256  # messages and headers remembered: a cell's slices are the same ones each time
Place = tuple[int, int | None, str]  # a slice's SST and SD, and its PLMN
Form = tuple[bytes, tuple[int, ...]]  # a message, and where in it each percentage is


def slice_quota_control(
    profile: Profile, quotas: Sequence[SliceQuota], ue: UeId | None = None
) -> Control:
    """The control request for these shares; PolicyError where they or the UE cannot be meant."""
    actuator = needed(profile, Lever.RC_SLICE_QUOTA)
    check(quotas, actuator.least_dedicated)
    if actuator.entries is not None and len(quotas) > actuator.entries:
        raise PolicyError(
            f"{profile.title} obeys {actuator.entries} of {len(quotas)} quotas in a request.",
            "Send one request for each.")
    if profile.control_ue is not None and not isinstance(ue, profile.control_ue):
        raise PolicyError(f"{profile.title} needs a UE as {profile.control_ue.__name__}, "
                          f"not {ue}.", "Look the UE up in the UE map.")
    if ue is None:  # the type wants one where the base station does not look at it
        ue = GnbUe(0, Guami(plmn_octets(quotas[0].plmn), 0, 0, 0))
    return Control(_header(profile.rc.header, ue), _message(profile, quotas))


@lru_cache(MOST_FORMS)
def _header(codec: Codec[ControlHeader | BundleHeader], ue: UeId) -> bytes:
    return codec.encode(ControlHeader(ue, STYLE, ACTION))


def _message(profile: Profile, quotas: Sequence[SliceQuota]) -> bytes:
    form = _form(profile.rc.message, profile.quota, tuple(
        [(one.slice.sst, one.slice.sd, one.plmn) for one in quotas]))
    numbers = [number for one in quotas for number in (one.minimum, one.maximum, one.dedicated)]
    if form is None or not all(type(number) is int for number in numbers):
        return _encoded(profile.rc.message, profile.quota, quotas)
    message = bytearray(form[0])
    for place, percentage in zip(form[1], numbers, strict=True):
        message[place] = percentage
    return bytes(message)


@lru_cache(MOST_FORMS)
def _form(codec: Codec[ControlMessage | BundleMessage], layout: QuotaLayout,
          places: tuple[Place, ...]) -> Form | None:
    """What all messages for these slices have in common; None where that cannot be told."""
    blank, numbered = (
        _encoded(codec, layout, [
            SliceQuota(Snssai(sst, sd), step * at, step * (at + 1), step * (at + 2), plmn)
            for at, (sst, sd, plmn) in zip(range(1, 3 * len(places), 3), places, strict=True)])
        for step in (0, 1))
    differing = [at for at, (one, other) in enumerate(zip(blank, numbered, strict=False))
                 if one != other]
    if len(blank) != len(numbered) or [numbered[at] for at in differing] != list(
            range(1, 3 * len(places) + 1)):
        return None  # so many slices that their numbers are no octets, or not in this order
    return blank, tuple(differing)


def _encoded(codec: Codec[ControlMessage | BundleMessage], layout: QuotaLayout,
             quotas: Sequence[SliceQuota]) -> bytes:
    ids = layout.ids
    entries = Entries(tuple(_item(layout, ids.policy, _policy(layout, one)) for one in quotas))
    return codec.encode(ControlMessage((Parameter(ids.policies, entries),)))


def _item(layout: QuotaLayout, number: int, parameters: tuple[Parameter, ...]) -> Structure:
    """A list's item, with the structure of its own number around it where that is wanted."""
    inner = Structure(parameters)
    return Structure((Parameter(number, inner),)) if layout.wrapped else inner


def _policy(layout: QuotaLayout, quota: SliceQuota) -> tuple[Parameter, ...]:
    """A slice's share: its group, minimum, maximum, dedicated, in the order that OAI reads."""
    ids = layout.ids
    sd = NO_SD if quota.slice.sd is None and layout.sd_needed else quota.slice.sd
    named = [Parameter(ids.sst, Element(_written(layout, quota.slice.sst, 1)))]
    if sd is not None:
        named.append(Parameter(ids.sd, Element(_written(layout, sd, 3))))
    plmn = quota.plmn.encode() if layout.as_text else plmn_octets(quota.plmn)
    member = (Parameter(ids.plmn, Element(plmn)), Parameter(ids.slice, Structure(tuple(named))))
    members = Entries((_item(layout, ids.member, member),))
    return (Parameter(ids.group, Structure((Parameter(ids.members, members),))),
            Parameter(ids.minimum, Element(quota.minimum)),
            Parameter(ids.maximum, Element(quota.maximum)),
            Parameter(ids.dedicated, Element(quota.dedicated)))


def _written(layout: QuotaLayout, value: int, octets: int) -> bytes:
    return str(value).encode() if layout.as_text else value.to_bytes(octets)


def read_slice_quota(profile: Profile, message: bytes | ControlMessage) -> tuple[SliceQuota, ...]:
    """All shares that a message asks for, read as this kind of base station reads them.

    ProtocolError where it would not find them. How many it obeys is the actuator's `entries`.
    """
    if isinstance(message, bytes):
        decoded = profile.rc.message.decode(message)
        if not isinstance(decoded, ControlMessage):
            raise refused("quotas in a message of another format than 1")
        message = decoded
    layout = profile.quota
    quotas: list[SliceQuota] = []
    for item in _entries(message.parameters, layout.ids.policies):
        parameters = _unwrapped(layout, layout.ids.policy, item)
        if layout.positional:
            _in_order(layout, parameters)
        quotas += _quotas(layout, parameters)
    return tuple(quotas)


def _quotas(layout: QuotaLayout, parameters: tuple[Parameter, ...]) -> list[SliceQuota]:
    ids = layout.ids
    ratios = [_number(parameters, number) for number in (ids.minimum, ids.maximum, ids.dedicated)]
    group = _structure(parameters, ids.group)
    quotas = []
    for item in _entries(group, ids.members):
        member = _unwrapped(layout, ids.member, item)
        named = _structure(member, ids.slice)
        plmn = _octets(member, ids.plmn)
        there = layout.sd_needed or find(named, ids.sd)
        sd = _read_number(layout, _octets(named, ids.sd), 3) if there else NO_SD
        quotas.append(SliceQuota(
            Snssai(_read_number(layout, _octets(named, ids.sst), 1), None if sd == NO_SD else sd),
            ratios[0], ratios[1], ratios[2],
            plmn.decode("latin-1") if layout.as_text else plmn_text(plmn)))
    return quotas


def _unwrapped(layout: QuotaLayout, number: int, item: Structure) -> tuple[Parameter, ...]:
    if layout.wrapped:
        return _structure(item.parameters or (), number)
    return item.parameters or ()


def _in_order(layout: QuotaLayout, parameters: tuple[Parameter, ...]) -> None:
    ids = layout.ids
    wanted = (ids.group, ids.minimum, ids.maximum, ids.dedicated)
    if tuple(one.id for one in parameters) != wanted:
        raise refused(f"parameters of a quota in another order than {wanted}")


def _entries(parameters: tuple[Parameter, ...], number: int) -> tuple[Structure, ...]:
    found = find(parameters, number)
    if found is None or not isinstance(found.value, Entries):
        raise refused(f"a quota without the list {number}")
    return found.value.items


def _structure(parameters: tuple[Parameter, ...], number: int) -> tuple[Parameter, ...]:
    found = find(parameters, number)
    if found is None or not isinstance(found.value, Structure):
        raise refused(f"a quota without the structure {number}")
    return found.value.parameters or ()


def _element(parameters: tuple[Parameter, ...], number: int) -> object:
    found = find(parameters, number)
    return found.value.value if found and isinstance(found.value, Element) else None


def _octets(parameters: tuple[Parameter, ...], number: int) -> bytes:
    value = _element(parameters, number)
    if not isinstance(value, bytes):
        raise refused(f"a quota without octets {number}")
    return value


def _number(parameters: tuple[Parameter, ...], number: int) -> int:
    value = _element(parameters, number)
    if type(value) is not int or not 0 <= value <= 100:
        raise refused(f"a quota without a percentage {number}")
    return value


def _read_number(layout: QuotaLayout, octets: bytes, count: int) -> int:
    if layout.as_text:
        if not 0 < len(octets) <= 8 or not octets.isdigit() or int(octets) >= 1 << 8 * count:
            raise refused(f"{octets!r} where digits are needed")
        return int(octets)
    if len(octets) != count:
        raise refused(f"{len(octets)} octets where {count} are needed")
    return int.from_bytes(octets)
