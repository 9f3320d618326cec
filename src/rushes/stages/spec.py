"""What a stage's result depends on, and the signature of that, from a plan and from a folder alike."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rushes.errors import StageError
from rushes.stages.files import canonical_json, read_json

STAGE_NAME = re.compile(r"[a-z][a-z0-9_]*")
PARTS = ("stage", "version", "recipe", "inputs", "fingerprint")
SHORT = 60  # letters of a value where it is told that it differs
FOLDER_NAME = re.compile(r"(?P<stage>[a-z][a-z0-9_]*)-(?P<signature>[0-9a-f]{12})")


@dataclass(frozen=True, slots=True)
class StageSpec:
    """What a stage's result depends on, and nothing else.

    Worker counts, logging, paths and device numbers do not change a result; the caller leaves them out.

    Attributes:
        name: of the stage.
        version: raised by hand when the stage's code changes the meaning of its result.
        recipe: the *resolved* part of the recipe that the stage depends on, defaults filled in.
        inputs: name to signature of the stages that it reads.
        fingerprint: of the raw source, or of the base weights, if the stage reads one: of their content.
        owner: name of the recipe that asks; recorded, and no part of the signature.

    Raises:
        StageError: ``name`` is not made of lower-case letters, digits and ``_``.

    >>> StageSpec("prepare", 1, {"clip_s": 5.0}, {"twin": "0123456789ab"}).signature
    '1f5fd7f53fbc'
    """

    name: str
    version: int
    recipe: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str | None = None
    owner: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if STAGE_NAME.fullmatch(self.name) is None:
            raise StageError(f"not a stage's name: {self.name!r}", cure="use a-z, 0-9 and _")

    @property
    def signature(self) -> str:
        """First 12 hex digits of the SHA-256 of the canonical JSON of the parts."""
        return hashlib.sha256(canonical_json(self.parts()).encode()).hexdigest()[:12]

    def folder(self, workspace: Path) -> Path:
        """``<workspace>/<name>-<signature>``."""
        return Path(workspace) / f"{self.name}-{self.signature}"

    def parts(self) -> dict[str, Any]:
        """The parts as JSON gives them back: what recipe.json holds and what :func:`differences` compares."""
        parts = (self.name, self.version, self.recipe, self.inputs, self.fingerprint)
        as_json: dict[str, Any] = json.loads(canonical_json(dict(zip(PARTS, parts, strict=True))))
        return as_json


def spec_of_folder(folder: Path) -> StageSpec:
    """The spec that ``folder`` was made from.

    Raises:
        StageError: recipe.json is missing, torn or incomplete.
    """
    path = Path(folder) / "recipe.json"
    return spec_of(read_json(path), path)


def spec_of(recorded: Any, where: object) -> StageSpec:
    """The spec that a recipe.json with this content, found at ``where``, stands for.

    Raises:
        StageError: it is incomplete.
    """
    try:
        parts = [recorded[name] for name in PARTS]
    except (TypeError, KeyError, IndexError) as error:
        raise StageError(f"recipe.json lacks {error}", where=where, cure="move the folder away") from None
    return StageSpec(*parts)


def signature_of_folder(folder: Path) -> str:
    """The signature computed again from what stands in ``folder``; equal to the plan's by construction.

    Raises:
        StageError: recipe.json does not hold, or is not of the signature that the folder's name ends in.
    """
    found = spec_of_folder(folder).signature
    if found != (named := named_signature(folder)):
        raise StageError(
            f"the folder is named for signature {named}, its recipe.json gives {found}",
            where=folder,
            cure="recipe.json or the name was changed by hand: move the folder away",
        )
    return found


def named_signature(folder: Path) -> str:
    """The signature that the folder's name ends in.

    Raises:
        StageError: the name is not a stage folder's.
    """
    match = FOLDER_NAME.fullmatch(Path(folder).name)
    if match is None:
        raise StageError("not a stage's folder: its name must be <stage>-<12 hex digits>", where=folder)
    return match["signature"]


def differences(spec: StageSpec, other_folder: Path) -> list[str]:
    """What changed from the stage in ``other_folder`` to ``spec``, as lines ``field: old -> new``.

    Hashes say nothing to people: of recordings and of stages before this one it is said that they differ, of
    the latter only where nothing else does.
    """
    old, new = _flat(spec_of_folder(other_folder).parts()), _flat(spec.parts())
    changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    told = [
        f"{name}: {_short(old.get(name))} -> {_short(new.get(name))}"
        for name in changed
        if name.partition(".")[0] not in ("fingerprint", "inputs")
    ]
    told += ["the content of recordings or base"] if "fingerprint" in changed else []
    if told or not changed:
        return told
    return [f"what it reads of {', '.join(name.removeprefix('inputs.') for name in changed)}"]


def _short(value: str | None) -> str:
    if value is None:
        return "(none)"
    return value if len(value) <= SHORT else f"{value[: SHORT - 3]}..."


def _flat(value: Any, name: str = "") -> dict[str, str]:
    """``{"a": {"b": 1}}`` as ``{"a.b": "1"}``; lists stay whole, their items have no names."""
    if not isinstance(value, dict) or not value:
        return {name: canonical_json(value)}
    nested = (_flat(inner, f"{name}.{key}" if name else key) for key, inner in value.items())
    return {path: text for part in nested for path, text in part.items()}
