"""The preprocessing contract: everything that stands between a recording on disk and the model.

One small frozen object. ``prepare`` follows it, ``train`` stores it beside the weights, ``predict`` and the
service read it from there: what the model saw in training is what it sees in service.
"""

from typing import Annotated

from pydantic import Field, TypeAdapter

from rushes.contract.answers import Slot, Turn, Value
from rushes.contract.base import Contract, FrameContract
from rushes.contract.driving import CameraSetup, RigContract
from rushes.contract.operations import ClipContract
from rushes.contract.sounds import SoundContract

AnyContract = Annotated[ClipContract | RigContract | SoundContract, Field(discriminator="task")]
_ANY = TypeAdapter(AnyContract)


def read_contract(text: str) -> Contract:
    """A contract of any task from its JSON.

    Raises:
        ValueError: it is none.
    """
    return _ANY.validate_json(text)


__all__ = [
    "AnyContract",
    "CameraSetup",
    "ClipContract",
    "Contract",
    "FrameContract",
    "RigContract",
    "Slot",
    "SoundContract",
    "Turn",
    "Value",
    "read_contract",
]
