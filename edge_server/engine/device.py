"""Whether torch can compute on a device here: asked before a large model is loaded."""

from __future__ import annotations

from edge_server.errors import ConfigurationError

CPU = "cpu"


def check_device(name: str) -> None:
    """`ConfigurationError` unless torch can compute on the device of that name."""
    if name == CPU:
        return
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigurationError(f"There is no kind of device {name!r}.",
                                 "Give cpu, cuda, or one of several as cuda:1.") from error
    try:
        torch.ones(1).to(device).item()
    except (AssertionError, RuntimeError) as error:  # torch has both for what is not there
        raise ConfigurationError(
            f"torch cannot compute on {name} here: {_reason(error)}.",
            "Give --device cpu, or install the driver, and a torch that was made for it."
            ) from error


def _reason(error: Exception) -> str:
    """The first line of what torch says, which goes on for many."""
    return next(iter(str(error).splitlines()), "it does not say why")[:200].rstrip(".")
