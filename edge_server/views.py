"""What the edge's HTTP routes answer, as types: the OpenAPI document is made from them.

Knows no routes. A session's own number is not in here, only its name in logs.
"""

from __future__ import annotations

from pydantic import BaseModel, Field


class Alive(BaseModel):
    """The process answers."""

    status: str = Field("ok", examples=["ok"])


class Readiness(BaseModel):
    """Whether a phone that calls now gets a session, as far as the edge itself is concerned."""

    ready: bool
    reason: str = Field("", description="why not", examples=["draining"])


class Problem(BaseModel):
    """Why there is no answer, and what to do about it."""

    problem: str = Field(examples=["This needs a token."])
    remedy: str = Field("", examples=["Send one as 'Authorization: Bearer TOKEN'."])


class LimitsView(BaseModel):
    """What phones are held to."""

    sessions: int = Field(description="at a time")
    tokens: int = Field(description="that one session may hold")
    rows_per_frame: int
    frame_bytes: int = Field(description="of one message")
    cache_bytes: int = Field(description="of all sessions' caches together")
    idle_seconds: float = Field(description="of silence before a session is ended")
    grace_seconds: float = Field(description="that a session outlives its connection")


class ModelView(BaseModel):
    """What an edge serves."""

    identity: str = Field(description="hash of the whole model: both sides must have the same")
    family: str = Field(examples=["gemma3"])
    layers: tuple[int, int] = Field(description="first, and one past the last")
    total_layers: int
    hidden: int = Field(description="elements of a row")
    output: bool = Field(description="whether it can choose tokens")
    backend: str
    dtype: str
    memory_bytes: int = Field(description="of weights and caches")
    limits: LimitsView
    sessions: int = Field(description="there are now")


class SessionView(BaseModel):
    """One session, for an operator."""

    alias: str = Field(description="as in the logs; nobody can take the session up with it")
    token: str = Field(description="name of the token it was opened with; empty: none was needed")
    state: str = Field(description="attached: a connection carries it; parked: it waits for one")
    mode: str = Field(description="tokens, or private: the phone chooses them")
    layers: tuple[int, int]
    tokens: int = Field(description="held in its cache")
    cache_bytes: int
    received_bytes: int = Field(description="of frames from the phone, over all its connections")
    sent_bytes: int
    age_seconds: float
    idle_seconds: float = Field(description="since its phone was last heard")
    resumed: int = Field(description="times it was taken up again")


class StepTimeView(BaseModel):
    """When one step of a session was: seconds of the edge's own clock."""

    end: int = Field(description="position after the rows that were computed")
    came: float = Field(description="the last of them was there")
    began: float
    ended: float


class StepTimesView(BaseModel):
    """The last steps of a session, for who measures."""

    now: float = Field(description="by the same clock")
    steps: list[StepTimeView]


class SessionsView(BaseModel):
    """Everybody who is served now."""

    sessions: list[SessionView]
