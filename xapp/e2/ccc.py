"""E2SM-CCC: cell configuration and control, in JSON; of it the shares of slices (O-RRMPolicyRatio).

What a base station does with them is in its profile: OCUDU applies them to slices, srsRAN's DU
hangs. The definition of what it can do, control by cell (style 2, message format 2), its outcome
and reports by cell are known; other structures than O-RRMPolicyRatio are left out when read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xapp.e2 import strict_json
from xapp.e2.bits import refused
from xapp.e2.common import FunctionName, Snssai, plmn_octets
from xapp.e2.quota import SliceQuota
from xapp.e2.strict_json import Fields, inner, items, number, text

CELL_STYLE = 2
RATIO = "O-RRMPolicyRatio"
RESOURCES = ("PRB", "PRB_UL", "PRB_DL")
ATTRIBUTES = ("resourceType", "rRMPolicyMemberList", "rRMPolicyMaxRatio", "rRMPolicyMinRatio",
              "rRMPolicyDedicatedRatio")
CAUSES = ("notSupported", "notAvailable", "incompatibleState", "jsonError", "semanticError",
          "unspecified")
REASONS = ("uponSubscription", "uponChange", "periodic")
CHANGES = ("none", "modification", "addition", "deletion")


@dataclass(frozen=True, slots=True)
class CccCell:
    """A 5G cell, by its network's digits and its number of 36 bits."""

    plmn: str
    cell: int


@dataclass(frozen=True, slots=True)
class Ratio:
    """One group of slices and its share, in percent."""

    members: tuple[tuple[str, Snssai], ...]  # network and slice
    maximum: int
    minimum: int
    dedicated: int
    resource: str = "PRB_DL"  # srsRAN and OCUDU take no plain PRB as new value


@dataclass(frozen=True, slots=True)
class CellControl:
    """What to change in a cell: pairs of old and new."""

    cell: CccCell
    changes: tuple[tuple[Ratio, Ratio], ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that was not made, and why."""

    ratio: Ratio
    cause: str


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """What was changed in a cell, and what was not."""

    cell: CccCell
    accepted: tuple[Ratio, ...] = ()
    failed: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class CellReport:
    """What is configured in a cell, and how it changed."""

    cell: CccCell
    ratios: tuple[tuple[str, Ratio], ...]  # change and what is now


@dataclass(frozen=True, slots=True)
class CellSupport:
    """What of a cell can be configured: structures, and their attributes."""

    cell: CccCell
    structures: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class CccFunctionDefinition:
    """What a base station's CCC can do."""

    name: FunctionName
    cells: tuple[CellSupport, ...] = ()

    def supports(self, structure: str) -> bool:
        return any(name == structure for cell in self.cells for name, _ in cell.structures)


def write_header(style: int = CELL_STYLE) -> bytes:
    return strict_json.dump({"controlHeaderFormat": {"ricStyleType": style}})


def read_header(data: bytes) -> int:
    """The style of a control."""
    return number(inner(strict_json.load(data), "controlHeaderFormat"), "ricStyleType", 1, 65535)


def write_control(cells: Sequence[CellControl]) -> bytes:
    return strict_json.dump({"controlMessageFormat": {"listOfCellsControlled": [
        {"cellGlobalId": _cell(one.cell), "listOfConfigurationStructures": [
            {"ranConfigurationStructureName": RATIO, "oldValuesOfAttributes": _ratio(old),
             "newValuesOfAttributes": _ratio(new)} for old, new in one.changes]}
        for one in cells]}})


def read_control(data: bytes) -> tuple[CellControl, ...]:
    cells = items(inner(strict_json.load(data), "controlMessageFormat"), "listOfCellsControlled")
    return tuple(CellControl(_read_cell(cell), tuple(
        (_read_ratio(one, "oldValuesOfAttributes"), _read_ratio(one, "newValuesOfAttributes"))
        for one in _ratios(cell, "listOfConfigurationStructures"))) for cell in cells)


def write_outcome(cells: Sequence[CellOutcome]) -> bytes:
    return strict_json.dump({"controlOutcomeFormat": {"listOfCellsForControlOutcome": [
        {"cellGlobalId": _cell(one.cell),
         "ranConfigurationStructuresAcceptedList": [
             {"ranConfigurationStructureName": RATIO, "oldValuesOfAttributes": _ratio(ratio),
              "currentValuesOfAttributes": _ratio(ratio)} for ratio in one.accepted],
         "ranConfigurationStructuresFailedList": [
             {"ranConfigurationStructureName": RATIO, "oldValuesOfAttributes": _ratio(bad.ratio),
              "requestedValuesOfAttributes": _ratio(bad.ratio), "cause": bad.cause}
             for bad in one.failed]} for one in cells]}})


def read_outcome(data: bytes) -> tuple[CellOutcome, ...]:
    cells = items(inner(strict_json.load(data), "controlOutcomeFormat"),
                  "listOfCellsForControlOutcome")
    return tuple(CellOutcome(
        _read_cell(cell),
        tuple(_read_ratio(one, "currentValuesOfAttributes")
              for one in _ratios(cell, "ranConfigurationStructuresAcceptedList")),
        tuple(Refused(_read_ratio(one, "requestedValuesOfAttributes"), text(one, "cause", 150))
              for one in _ratios(cell, "ranConfigurationStructuresFailedList")))
        for cell in cells)


def write_report(reason: str, cells: Sequence[CellReport]) -> tuple[bytes, bytes]:
    """Header and message of an indication."""
    return (strict_json.dump({"indicationHeaderFormat": {"indicationReason": reason}}),
            strict_json.dump({"indicationMessageFormat": {"listOfCellsReported": [
                {"cellGlobalId": _cell(one.cell), "listOfConfigurationStructuresReported": [
                    {"changeType": change, "ranConfigurationStructureName": RATIO,
                     "valuesOfAttributes": _ratio(ratio)} for change, ratio in one.ratios]}
                for one in cells]}}))


def read_report(header: bytes, message: bytes) -> tuple[str, tuple[CellReport, ...]]:
    """The reason of an indication, and what it reports."""
    reason = text(inner(strict_json.load(header), "indicationHeaderFormat"), "indicationReason", 64)
    cells = items(inner(strict_json.load(message), "indicationMessageFormat"),
                  "listOfCellsReported")
    if reason not in REASONS:
        raise refused(f"a report for the reason {reason}")
    return reason, tuple(CellReport(_read_cell(cell), tuple(
        (text(one, "changeType", 64), _read_ratio(one, "valuesOfAttributes"))
        for one in _ratios(cell, "listOfConfigurationStructuresReported"))) for cell in cells)


def write_function(definition: CccFunctionDefinition) -> bytes:
    name = definition.name
    style = {"controlServiceStyleType": CELL_STYLE,
             "controlServiceStyleName": "Cell Configuration and Control",
             "controlServiceHeaderFormatType": 1, "controlServiceMessageFormatType": 2,
             "controlServiceControlOutcomeFormatType": 2}
    services = {"controlService": {"listOfSupportedControlStyles": [style]}}
    return strict_json.dump({
        "ranFunctionName": {
            "ranFunctionShortName": name.short_name, "ranFunctionServiceModelOID": name.oid,
            "ranFunctionDescription": name.description}
        | ({} if name.instance is None else {"ranFunctionInstance": name.instance}),
        "listOfCellsForRANFunctionDefinition": [
            {"cellGlobalID": _cell(one.cell),
             "listOfSupportedCellLevelRANConfigurationStructures": [
                 {"ranConfigurationStructureName": structure, "listOfSupportedAttributes": [
                     {"attributeName": attribute, "supportedServices": services}
                     for attribute in attributes]} for structure, attributes in one.structures]}
            for one in definition.cells]})


def read_function(data: bytes) -> CccFunctionDefinition:
    fields = strict_json.load(data)
    name = inner(fields, "ranFunctionName")
    instance = name.get("ranFunctionInstance")
    return CccFunctionDefinition(
        FunctionName(text(name, "ranFunctionShortName"), text(name, "ranFunctionServiceModelOID"),
                     text(name, "ranFunctionDescription"),
                     None if instance is None else number(name, "ranFunctionInstance", 0, 2**31)),
        tuple(CellSupport(_read_cell(cell), tuple(
            (text(one, "ranConfigurationStructureName", 150),
             tuple(text(attribute, "attributeName", 150)
                   for attribute in items(one, "listOfSupportedAttributes", needed=False)))
            for one in items(cell, "listOfSupportedCellLevelRANConfigurationStructures")))
            for cell in items(fields, "listOfCellsForRANFunctionDefinition", needed=False)))


def ratios_of(quotas: Sequence[SliceQuota], resource: str = "PRB_DL") -> tuple[Ratio, ...]:
    """One group for each slice."""
    return tuple(Ratio(((one.plmn, one.slice),), one.maximum, one.minimum, one.dedicated, resource)
                 for one in quotas)


def quotas_of(ratios: Sequence[Ratio]) -> tuple[SliceQuota, ...]:
    """One quota for each slice of each group."""
    return tuple(SliceQuota(member, one.minimum, one.maximum, one.dedicated, plmn)
                 for one in ratios for plmn, member in one.members)


def _network(plmn: str) -> Fields:
    plmn_octets(plmn)
    return {"mcc": plmn[:3], "mnc": plmn[3:]}


def _read_network(fields: Fields) -> str:
    plmn = text(fields, "mcc", 3) + text(fields, "mnc", 3)
    plmn_octets(plmn)
    return plmn


def _cell(cell: CccCell) -> Fields:
    return {"plmnIdentity": _network(cell.plmn), "nRCellIdentity": f"{cell.cell:09X}"}


def _read_cell(fields: Fields) -> CccCell:
    # The definition of a RAN function spells the key in another way than messages do.
    cell = inner(fields, "cellGlobalID" if "cellGlobalID" in fields else "cellGlobalId")
    return CccCell(_read_network(inner(cell, "plmnIdentity")),
                   _hexadecimal(text(cell, "nRCellIdentity", 9), 9))


def _hexadecimal(digits: str, count: int) -> int:
    if len(digits) != count or not all(one in "0123456789abcdefABCDEF" for one in digits):
        raise refused(f"{digits!r} where {count} hexadecimal digits are needed")
    return int(digits, 16)


def _ratio(one: Ratio) -> Fields:
    members = [{"plmnId": _network(plmn), "snssai": {"sst": member.sst}
                | ({} if member.sd is None else {"sd": f"{member.sd:06x}"})}
               for plmn, member in one.members]
    return {"ranConfigurationStructure": {
        "resourceType": one.resource, "rRMPolicyMemberList": members,
        "rRMPolicyMaxRatio": one.maximum, "rRMPolicyMinRatio": one.minimum,
        "rRMPolicyDedicatedRatio": one.dedicated}}


def _ratios(fields: Fields, key: str) -> list[Fields]:
    return [one for one in items(fields, key, needed=False)
            if text(one, "ranConfigurationStructureName", 150) == RATIO]


def _read_ratio(fields: Fields, key: str) -> Ratio:
    values = inner(fields, key, "ranConfigurationStructure")
    resource = text(values, "resourceType", 16)
    if resource not in RESOURCES:
        raise refused(f"a resource {resource}")
    members = tuple((_read_network(inner(one, "plmnId")), _read_slice(inner(one, "snssai")))
                    for one in items(values, "rRMPolicyMemberList"))
    return Ratio(members, number(values, "rRMPolicyMaxRatio", 0, 100),
                 number(values, "rRMPolicyMinRatio", 0, 100),
                 number(values, "rRMPolicyDedicatedRatio", 0, 100), resource)


def _read_slice(fields: Fields) -> Snssai:
    sd = _hexadecimal(text(fields, "sd", 6), 6) if "sd" in fields else None
    return Snssai(number(fields, "sst", 0, 255), sd)
