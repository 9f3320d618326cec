"""A YAML file that people write: harmless, and every fault of it can be told with its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rushes.errors import RecipeError

MAX_BYTES = 100_000
MAX_FAULTS = 50
MAX_DEPTH = 20

KEYS = {"recipe": "task and source", "manifest": "campaign, recipe and phases"}
"""First keys of each kind of file."""


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as it was read.

    Attributes:
        path: the file.
        tree: its plain values.
        root: the node of ``tree``; nodes know their lines.
        what: the file is to its reader: a recipe, say.
    """

    path: Path
    tree: dict[str, Any]
    root: yaml.Node
    what: str = "recipe"

    def where(self, place: Sequence[str | int]) -> str:
        """File and line of the deepest key of ``place`` that the file holds."""
        return f"{self.path.name}:{line_of(self.root, place)[0]}"

    def written(self, place: Sequence[str | int]) -> str | None:
        """See `written_in`."""
        return written_in(self.root, place)

    def repeated(self) -> list[str]:
        """A fault for each key that stands twice in one mapping."""
        return [f"{self.path.name}:{line}: {fault}" for line, fault in _repeated(self.root)]


def written_in(node: yaml.Node | None, place: Sequence[str | int]) -> str | None:
    """A plain value as it was typed, before YAML made a number or true of it; None where there is none."""
    for part in place:
        if isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        else:
            return None
    return node.value if isinstance(node, yaml.ScalarNode) and node.style is None else None


def read_tree(path: Path, what: str = "recipe") -> Document:
    """Read a YAML file; nothing is checked but that it is one, and harmless.

    Raises:
        RecipeError: it cannot be read, is no YAML, or could grow without bound: aliases, size, depth.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RecipeError.of([f"cannot be read: {error.strerror}"], path, what) from None
    return document_of(data, path, what)


def document_of(data: bytes, path: Path, what: str = "recipe") -> Document:
    """What `read_tree` reads where ``data`` stands at ``path``, or is about to.

    Raises:
        RecipeError: as there.
    """
    if len(data) > MAX_BYTES:
        raise RecipeError.of([f"a {what} is at most {MAX_BYTES} bytes long"], path, what)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        fault = f"not a text in UTF-8: {error.reason} at byte {error.start}"
        raise RecipeError.of([fault], path, what) from None
    tree, root = _parse(text, path, what)
    return Document(path, tree, root, what)


def refuse(faults: Sequence[str], document: Document) -> None:
    """Raise all faults of a document at once; nothing where there are none.

    Raises:
        RecipeError: there are faults.
    """
    if len(faults) > MAX_FAULTS:
        faults = [*faults[:MAX_FAULTS], f"and {len(faults) - MAX_FAULTS} more"]
    if faults:
        raise RecipeError.of(faults, document.path, document.what)


def line_of(node: yaml.Node, place: Sequence[str | int]) -> tuple[int, int]:
    """Line (from 1) of the deepest key of ``place`` that the file holds, and how deep that is."""
    line, depth = node.start_mark.line + 1, 0
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
        depth += 1
    return line, depth


def _parse(text: str, path: Path, what: str) -> tuple[dict[str, Any], yaml.Node]:
    """Plain values, and the nodes that know their lines."""
    try:
        _refuse_traps(text, path, what)
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            tree = None if root is None else loader.construct_document(root)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"{path.name}:{error.problem_mark.line + 1}: "
        raise RecipeError.of([f"{line}not YAML: {error.problem or error.context}"], path, what) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that cannot be
        raise RecipeError.of([f"not YAML: {str(error).splitlines()[0]}"], path, what) from None
    if root is None or not isinstance(tree, dict):
        found = "an empty file" if tree is None else type(tree).__name__
        raise RecipeError.of([f"expected keys such as {KEYS[what]}, found {found}"], path, what)
    return tree, root


def _refuse_traps(text: str, path: Path, what: str) -> None:
    """Refuse, before anything is built of it, what a small file can grow without bound with."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        fault = None
        if isinstance(event, yaml.AliasEvent):
            fault = f"*{event.anchor}: write the value out, a {what} has no aliases"
        elif depth > MAX_DEPTH:
            fault = f"nested more than {MAX_DEPTH} deep"
        if fault is not None:
            line = "" if event.start_mark is None else f":{event.start_mark.line + 1}"
            raise RecipeError.of([f"{path.name}{line}: {fault}"], path, what)


def _repeated(node: yaml.Node, place: str = "") -> Iterator[tuple[int, str]]:
    """Line and text for each key that stands twice in one mapping: YAML would let the last one win."""
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _repeated(item, f"{place}{number}.")
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in first:
                yield line, f"{place}{name}: stands here again, first in line {first[name]}"
            first.setdefault(name, line)
            yield from _repeated(value, f"{place}{name}.")
