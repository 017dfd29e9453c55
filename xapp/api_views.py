"""What the REST API answers, as types that OpenAPI describes, and how they are made of a picture.

Times are seconds since 1970, UTC. `null` is "not known", never 0. It knows no routes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from xapp.observations import Cell, Flow, Load, Quota, Slice, Ue
from xapp.operations import Clock, EventView, NodeView, Picture, PolicyView
from xapp.slice_policy import Source

Item = TypeVar("Item")
Thing = TypeVar("Thing")


class Problem(BaseModel):
    """What is wrong, and what to do."""

    error: str
    remedy: str


class Page(BaseModel, Generic[Item]):
    """A part of a list."""

    items: list[Item]
    total: int = Field(description="of which this is a part")
    next: int | None = Field(description="`offset` of the following part; null: there is none")


class Recent(BaseModel, Generic[Item]):
    """The latest of what is numbered, newest first."""

    items: list[Item]
    next: int | None = Field(description="`before` of the following part; null: there is none")


class StatusModel(BaseModel):
    """The xApp in short."""

    version: str
    now: float
    started: float
    ready: bool
    reasons: list[str] = Field(description="why it is not ready, a sentence each")
    dry_run: bool = Field(description="it decides and records, and sends nothing")
    killed: bool = Field(description="the kill switch is pulled")
    killed_at: float | None
    killed_by: str
    nodes: int = Field(description="that are connected")
    cells: int
    ues: int
    flows: dict[str, int] = Field(description="how many of each label")
    tap_heard: float | None
    decisions: dict[str, int] = Field(description="since the start, by how they ended")

    @classmethod
    def of(cls, picture: Picture) -> StatusModel:
        seen, wall = picture.observations, picture.clock.wall_time
        flows: dict[str, int] = {}
        for flow in seen.flows.values():
            flows[flow.label] = flows.get(flow.label, 0) + 1
        return cls(
            version=picture.version, now=picture.clock.wall, started=wall(picture.started),
            ready=picture.health.ready, reasons=list(picture.health.reasons),
            dry_run=picture.modes.dry_run, killed=picture.modes.killed,
            killed_at=_wall(picture.clock, picture.modes.killed_at),
            killed_by=picture.modes.killed_by,
            nodes=sum(node.state.value == "connected" for node in picture.nodes),
            cells=len(seen.cells), ues=len(seen.ues), flows=flows,
            tap_heard=_wall(picture.clock, seen.tap_heard),
            decisions={state.value: count for state, count in picture.counts.decisions.items()})


class AssociationModel(BaseModel):
    unit: str = Field(description="DU, CU-CP, CU-UP; empty: it never said")
    peer: str
    since: float


class FunctionModel(BaseModel):
    name: str
    oid: str
    id: int
    subscribed: bool


class NodeModel(BaseModel):
    """An E2 node."""

    name: str
    profile: str
    state: str = Field(description="connecting, connected or lost")
    since: float
    associations: list[AssociationModel]
    functions: list[FunctionModel]
    actuators: list[str]

    @classmethod
    def of(cls, node: NodeView, clock: Clock) -> NodeModel:
        return cls(
            name=node.name, profile=node.profile, state=node.state.value,
            since=clock.wall_time(node.since), actuators=list(node.actuators),
            associations=[AssociationModel(unit=one.unit, peer=one.peer,
                                           since=clock.wall_time(one.since))
                          for one in node.associations],
            functions=[FunctionModel(name=one.name, oid=one.oid, id=one.id,
                                     subscribed=one.subscribed) for one in node.functions])


class LoadModel(BaseModel):
    """Traffic as last reported."""

    at: float
    down_kbps: float | None
    up_kbps: float | None
    down_prbs: float | None = Field(description="percent of the cell's PRBs")
    up_prbs: float | None
    down_delay_ms: float | None = Field(description="waiting in RLC")
    up_delay_ms: float | None
    down_drops: float | None = Field(description="share of packets, 0 to 1")

    @classmethod
    def of(cls, load: Load, clock: Clock) -> LoadModel:
        return cls(at=clock.wall_time(load.at), down_kbps=load.down_kbps, up_kbps=load.up_kbps,
                   down_prbs=load.down_prbs, up_prbs=load.up_prbs,
                   down_delay_ms=load.down_delay_ms, up_delay_ms=load.up_delay_ms,
                   down_drops=load.down_drops)


class QuotaModel(BaseModel):
    """A slice's share of a cell's PRBs, in percent."""

    minimum: int
    maximum: int
    dedicated: int

    @classmethod
    def of(cls, quota: Quota) -> QuotaModel:
        return cls(minimum=quota.minimum, maximum=quota.maximum, dedicated=quota.dedicated)


class SliceModel(BaseModel):
    """A slice in a cell."""

    id: str = Field(description="NODE/CELL/SST-SD")
    snssai: str
    cell: str
    quota: QuotaModel | None = Field(description="in force as far as known; null: never set")
    since: float
    load: LoadModel

    @classmethod
    def of(cls, cell: Cell, one: Slice, clock: Clock) -> SliceModel:
        return cls(id=f"{cell.key}/{one.snssai}", snssai=str(one.snssai), cell=str(cell.key),
                   quota=None if one.quota is None else QuotaModel.of(one.quota),
                   since=clock.wall_time(one.since), load=LoadModel.of(one.load, clock))


class CellModel(BaseModel):
    """A cell, and what shares it."""

    id: str = Field(description="NODE/CELL")
    node: str
    cell: str
    prbs: int | None
    load: LoadModel
    slices: list[SliceModel]

    @classmethod
    def of(cls, cell: Cell, clock: Clock) -> CellModel:
        return cls(id=str(cell.key), node=cell.key.node, cell=cell.key.cell, prbs=cell.prbs,
                   load=LoadModel.of(cell.load, clock),
                   slices=[SliceModel.of(cell, one, clock) for one in cell.slices.values()])


class NeighbourModel(BaseModel):
    cell: str
    rsrp_dbm: float | None = Field(description="null: how well the UE hears it is not reported")


class UeModel(BaseModel):
    """A UE."""

    id: str = Field(description="NODE/UE")
    cell: str | None
    slice: str | None
    address: str | None
    load: LoadModel
    neighbours: list[NeighbourModel]

    @classmethod
    def of(cls, ue: Ue, clock: Clock) -> UeModel:
        return cls(id=str(ue.key), cell=_text(ue.cell), slice=_text(ue.slice), address=ue.address,
                   load=LoadModel.of(ue.load, clock),
                   neighbours=[NeighbourModel(cell=str(cell), rsrp_dbm=rsrp)
                               for cell, rsrp in ue.neighbours])


class FlowModel(BaseModel):
    """A labelled flow."""

    id: str
    label: str
    confidence: float = Field(description="0 to 1")
    from_counters: bool = Field(description="labelled by KPIs alone, no tap saw its packets")
    since: float
    at: float
    ue: str | None
    address: str | None
    slice: str | None
    up_bytes_per_second: float | None
    down_bytes_per_second: float | None
    steps_per_second: float | None = Field(description="activation rows up: tokens a second")
    step_bytes: float | None

    @classmethod
    def of(cls, flow: Flow, clock: Clock) -> FlowModel:
        return cls(
            id=flow.key, label=flow.label, confidence=flow.confidence,
            from_counters=flow.from_counters, since=clock.wall_time(flow.since),
            at=clock.wall_time(flow.at), ue=_text(flow.ue), address=flow.address,
            slice=_text(flow.slice), up_bytes_per_second=flow.up_bytes_per_second,
            down_bytes_per_second=flow.down_bytes_per_second,
            steps_per_second=flow.steps_per_second, step_bytes=flow.step_bytes)


class EventModel(BaseModel):
    """Something an operator may want to know."""

    number: int
    at: float
    level: str = Field(description="info, warning or error")
    code: str
    sentence: str
    subject: str

    @classmethod
    def of(cls, view: EventView, clock: Clock) -> EventModel:
        event = view.event
        return cls(number=view.number, at=clock.wall_time(view.at), level=event.level.value,
                   code=event.code.value, sentence=event.sentence, subject=event.subject)


class SeriesModel(BaseModel):
    """A figure over time. Both lists are as long; a null value is a gap in the reports."""

    subject: str
    times: list[float]
    values: list[float | None]


class HistoryModel(BaseModel):
    kind: str
    metric: str
    now: float
    series: list[SeriesModel]
    left_out: int = Field(description="series beyond the cap; ask for one by `subject`")


class PolicyModel(BaseModel):
    """A policy: an instance that came over A1, or one of the configuration."""

    source: str = Field(description="configuration or A1")
    type_id: int | None = Field(description="of A1; none for one of the configuration")
    instance: str
    body: dict[str, Any]
    created: float
    in_effect: bool
    reason: str = Field(description="why it is not in effect")

    @classmethod
    def of(cls, policy: PolicyView) -> PolicyModel:
        source = Source.CONFIGURATION if policy.type_id is None else Source.A1
        return cls(source=source.value, type_id=policy.type_id, instance=policy.instance,
                   body=dict(policy.body), created=policy.created, in_effect=policy.in_effect,
                   reason=policy.reason)


def page(
    items: Sequence[Thing], offset: int, limit: int, make: Callable[[Thing], Item]
) -> Page[Item]:
    """A part of `items`; only what is shown is made."""
    end = offset + limit
    return Page(items=[make(one) for one in items[offset:end]], total=len(items),
                next=end if end < len(items) else None)


def _wall(clock: Clock, at: float | None) -> float | None:
    return None if at is None else clock.wall_time(at)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
