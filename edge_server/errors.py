"""The errors of the edge server and of the engine both sides run.

Every error says what is wrong, names the input, and says what to do next. It knows no transport:
`frame` maps some of these to codes on the wire, the programs print them.

    EdgeError
    ├── ConfigurationError      an option or a combination of options cannot work
    ├── ModelError              a model folder cannot be used
    │   ├── UnknownArchitecture   its config.json asks for something we do not run
    │   ├── MissingTensor         a tensor (or the whole file) is not there
    │   ├── WrongShape            a tensor is there with another shape or type
    │   ├── DamagedFile           truncated, or not what its header says
    │   └── HashMismatch          two parts are not from the same model
    ├── FrameError              bytes from the network are not a valid frame: the one protocol error
    │   └── FrameTooLarge         they may be one, beyond the size that is taken
    ├── StageError              a row was sent to a slot or position that cannot take it
    ├── NoToken                 a token is needed, and none that is valid came
    ├── NotAnOperator           the token is valid, and not for this
    └── SessionError            the peer refused or ended a session; carries a wire code
"""

from __future__ import annotations


class EdgeError(Exception):
    """Base of the tree: a sentence that says what is wrong, and one that says what to do."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem = problem
        self.remedy = remedy


class ConfigurationError(EdgeError):
    """An option, or a combination of options, that cannot work."""


class ModelError(EdgeError):
    """A model folder that cannot be used."""


class UnknownArchitecture(ModelError):
    """A config.json that asks for something this engine does not run."""


class MissingTensor(ModelError):
    """A tensor, or a file of the checkpoint, is not there."""


class WrongShape(ModelError):
    """A tensor has another shape or element type than its config.json implies."""


class DamagedFile(ModelError):
    """A file is truncated or contradicts its own header."""


class HashMismatch(ModelError):
    """Two parts do not come from the same model, or a part was changed after it was written."""


class FrameError(EdgeError):
    """Bytes from the network that are not a valid frame."""


class FrameTooLarge(FrameError):
    """A frame beyond the size that is taken."""


class StageError(EdgeError):
    """A row for a slot or position that the stage cannot take."""


class NoToken(EdgeError):
    """A token is needed, and none that is valid came."""


class NotAnOperator(EdgeError):
    """The token is valid, and not for this."""


class SessionError(EdgeError):
    """The peer refused or ended a session; `code` is one of `frame.ErrorCode`."""

    def __init__(
        self, code: int, problem: str, remedy: str = "", retry_after: float = 0.0,
        position: int = 0,
    ) -> None:
        super().__init__(problem, remedy)
        self.code = code
        self.retry_after = retry_after  # seconds until trying again makes sense; 0 says nothing
        self.position = position  # from which on rows were not taken
