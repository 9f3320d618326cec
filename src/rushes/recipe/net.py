"""The section of a recipe that names a small net."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rushes.recipe.sections import Section

NetName = Literal["crnn", "tinycnn"]
AttentionName = Literal["cbam", "channel", "spatial"]


class Net(Section):
    """Which net.

    Attributes:
        net: ``crnn`` can tell the order of events, ``tinycnn`` only which ones there are.
        attention: after the second pooling of ``tinycnn``; null has none.
        reduction: of channels inside channel attention.
        kernel: side of the convolution of spatial attention.
        hidden, layers: of the GRU of ``crnn``.
    """

    net: NetName = "tinycnn"
    attention: AttentionName | None = None
    reduction: Annotated[int, Field(ge=1, le=32)] = 8
    kernel: Annotated[int, Field(ge=1, le=31)] = 3
    hidden: Annotated[int, Field(ge=1, le=1024)] = 64
    layers: Annotated[int, Field(ge=1, le=4)] = 2

    @model_validator(mode="after")
    def _fits(self) -> Net:
        if self.net == "crnn" and self.attention is not None:
            raise ValueError("crnn has no attention: leave it out")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd to be centred, found {self.kernel}")
        return self
