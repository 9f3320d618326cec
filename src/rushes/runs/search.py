"""How a finished run is searched: what ``rushes search`` and a service share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rushes.errors import StageError

if TYPE_CHECKING:
    from rushes.predict.vectors import Of, System
    from rushes.runs.run import Run


@dataclass(frozen=True, slots=True)
class Among:
    """What is searched, and how.

    Attributes:
        system: whose vectors.
        of: which of them.
        approximate: whether an index may answer, which misses some; how many is measured when it is built.
    """

    system: System = "model"
    of: Of = "picture"
    approximate: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """An item that was found.

    Attributes:
        key: of the item.
        rank: from 1.
        score: cosine, -1 to 1.
        fields: title and metadata.
    """

    key: str
    rank: int
    score: float
    fields: Mapping[str, Any]


class Search(ABC):
    """The vectors of a finished run, and the model that they come from; weights are loaded when first asked."""

    @abstractmethod
    def find(
        self,
        text: str | None,
        picture: bytes | None,
        k: int,
        *,
        where: Mapping[str, str] | None = None,
        weight: float = 0.5,
    ) -> Sequence[Hit]:
        """The best ``k`` items, best first; equal scores in order of their keys.

        Args:
            text: words, or None.
            picture: bytes of a picture file, or None; with both, their vectors are mixed.
            k: at least 1.
            where: field -> value that an item must have.
            weight: of the words where both are given, 0 to 1.

        Raises:
            QuestionError: neither words nor a picture, or a field or value that no item has.
            MediaError: the picture cannot be read.
        """

    @abstractmethod
    def picture(self, key: str) -> bytes:
        """The JPEG of an item.

        Raises:
            QuestionError: there is none.
        """

    @property
    def said(self) -> str:
        """What a reader of the answers must know of how they were found; empty where they are exact."""
        return ""


def require_vectors(run: Run[Any], stage: str, reader: str) -> None:
    """Refuse a run whose items have no vectors yet; quick, since nothing of a model is imported.

    Raises:
        StageError: the stage that makes them is not done.
    """
    if run.status(stage).state != "done":
        raise StageError(
            f"{reader} needs the vectors of a trained model, and {stage} is not done",
            where=run.folder(stage),
            cure="run `rushes run RECIPE`",
        )
