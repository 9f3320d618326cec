"""The preprocessing of sound: from samples of pressure to a log-mel spectrogram."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from rushes.recipe.preprocessing import Preprocessing

Bins = Annotated[int, Field(ge=1, le=65536)]
Hertz = Annotated[float, Field(ge=0.0, le=192_000.0)]

POOLED = 4
"""Moments that become one in a net."""


class SpectrogramPreprocessing(Preprocessing):
    """How a sound becomes a picture of ``mels`` bands and ``frames`` moments, in dB.

    The defaults are those of the DreamCatcher benchmark: clips of 5 s become 64 x 501.

    Attributes:
        labels: the classes in order.
        sample_rate: Hz to which sound is resampled, channels averaged.
        clip_s: length of a clip; a longer sound is cut at its end, a shorter one filled with silence.
        fft: samples of a Fourier transform.
        window: samples of the Hann window in its middle, at most ``fft``.
        hop: samples from one moment to the next.
        mels: bands on Slaney's scale, of equal area.
        low_hz, high_hz: edges of the lowest and of the highest band.
        reference: what 0 dB is: ``peak``, the loudest cell of the clip, so that its level is lost; or
            ``full`` scale, which keeps the level.
        top_db: everything further below the loudest cell is raised to there.
        dtype: of stored features; float16 rounds by at most 0.03 dB.
    """

    labels: tuple[str, ...] = ("quiet", "breathe", "snore")
    sample_rate: Annotated[int, Field(ge=1000, le=192_000)] = 16_000
    clip_s: Annotated[float, Field(gt=0.0, le=600.0)] = 5.0
    fft: Bins = 512
    window: Bins = 400
    hop: Bins = 160
    mels: Annotated[int, Field(ge=4, le=512)] = 64
    low_hz: Hertz = 20.0
    high_hz: Hertz = 8000.0
    reference: Literal["peak", "full"] = "peak"
    top_db: Annotated[float, Field(gt=0.0, le=200.0)] = 80.0
    dtype: Literal["float32", "float16"] = "float32"

    @field_validator("labels")
    @classmethod
    def _classes(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(labels) < 2 or len(set(labels)) != len(labels):
            raise ValueError(f"at least two classes, each once, found {', '.join(labels) or 'none'}")
        return labels

    @model_validator(mode="after")
    def _bands_fit(self) -> Self:
        if self.window > self.fft:
            raise ValueError(f"window ({self.window}) is longer than fft ({self.fft})")
        if not self.low_hz < self.high_hz <= self.sample_rate / 2:
            raise ValueError(
                f"bands from {self.low_hz:g} to {self.high_hz:g} Hz; they must rise, and end at half of "
                f"sample_rate ({self.sample_rate / 2:g} Hz) at the latest"
            )
        if self.frames < POOLED:
            raise ValueError(
                f"clip_s ({self.clip_s:g} s) has {self.frames} moments, and two poolings need {POOLED}"
            )
        return self

    @property
    def samples(self) -> int:
        """Samples of a clip."""
        return round(self.clip_s * self.sample_rate)

    @property
    def frames(self) -> int:
        """Moments of a clip: windows are centred, the first on its first sample."""
        return 1 + self.samples // self.hop

    @property
    def shape(self) -> tuple[int, int]:
        """(mels, frames) of the features of a clip."""
        return self.mels, self.frames
