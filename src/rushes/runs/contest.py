"""What people compare: ranked lists of two systems for the same questions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of both systems.

    Attributes:
        key: unique.
        text: the words that are asked; empty where a picture is.
        picture: key of the item whose picture is asked; None where words are.
        stratum: part of the questions that is told apart, such as a type of object.
        cluster: questions that move together, such as those about one product family.
    """

    key: str
    text: str
    picture: str | None
    stratum: str
    cluster: str


class Contender(ABC):
    """A system that answers questions with ranked items.

    Attributes:
        name: for whoever reads the result; raters never see it.
    """

    name: str

    @abstractmethod
    def questions(self) -> Sequence[Question]:
        """What it can be asked, in a fixed order; two contenders are compared on the keys that both have."""

    @abstractmethod
    def ranked(self, question: Question, k: int) -> tuple[str, ...]:
        """Keys of the best ``k`` items, best first."""

    @abstractmethod
    def picture(self, key: str) -> bytes:
        """The JPEG of an item, the same bytes whichever system is asked."""

    @abstractmethod
    def signature(self) -> str:
        """What the answers follow from: signature of the stage, and which of its vectors."""
