"""Routes that change how the xApp works: the dry run and the kill switch.

They hand commands to the xApp and wait for what came of them; who may call them is for `api`.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from xapp.api_bodies import described, read_as
from xapp.api_commands import answer
from xapp.api_errors import CHANGES
from xapp.operations import Operations

MAX_REASON = 500  # characters


class DryRun(BaseModel):
    """Whether the xApp decides and records without sending anything."""

    model_config = ConfigDict(extra="forbid")
    on: bool


class KillSwitch(BaseModel):
    """Pulled, the xApp steers nothing, and what it found at start is in force again."""

    model_config = ConfigDict(extra="forbid")
    pulled: bool
    reason: str = Field("", max_length=MAX_REASON, description="for the audit log")


WantedDryRun = Annotated[DryRun, Depends(read_as(DryRun))]
WantedKillSwitch = Annotated[KillSwitch, Depends(read_as(KillSwitch))]


class KillSwitchState(BaseModel):
    pulled: bool
    at: float | None
    by: str


def create_readers(operations: Operations) -> APIRouter:
    """How the switches stand."""
    router = APIRouter(prefix="/api/v1", tags=["control"])

    @router.get("/dry-run", summary="Is it a dry run?")
    async def dry_run() -> DryRun:
        return DryRun(on=operations.picture().modes.dry_run)

    @router.get("/kill-switch", summary="Is the kill switch pulled?")
    async def kill_switch() -> KillSwitchState:
        return _state(operations)

    return router


def create_router(operations: Operations) -> APIRouter:
    """Setting them."""
    router = APIRouter(prefix="/api/v1", tags=["control"], responses=CHANGES)

    @router.put("/dry-run", summary="Switch the dry run on or off",
                openapi_extra=described(DryRun.model_json_schema()))
    async def set_dry_run(wanted: WantedDryRun, request: Request) -> DryRun:
        await answer(operations.set_dry_run(wanted.on, who(request)))
        return DryRun(on=operations.picture().modes.dry_run)

    @router.put("/kill-switch", summary="Pull or release the kill switch",
                openapi_extra=described(KillSwitch.model_json_schema()))
    async def set_kill_switch(wanted: WantedKillSwitch, request: Request) -> KillSwitchState:
        if wanted.pulled:
            await answer(operations.pull_kill_switch(wanted.reason, who(request)))
        else:
            await answer(operations.release_kill_switch(who(request)))
        return _state(operations)

    return router


def who(request: Request) -> str:
    """Who asks, for the audit log."""
    return f"operator at {request.client.host if request.client else 'an unknown address'}"


def _state(operations: Operations) -> KillSwitchState:
    now = operations.picture()
    at = now.modes.killed_at
    return KillSwitchState(pulled=now.modes.killed, by=now.modes.killed_by,
                           at=None if at is None else now.clock.wall_time(at))
