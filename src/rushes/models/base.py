"""The weights that training starts from, known by their content and not by where they lie.

A folder is known by a hash over the files that loading reads, so that a copy of it is the same base. A name on
the hub is known by the commit that it stands for, which the local cache tells without a network; until it is
downloaded that commit is unknown, unless the recipe pins it. No weight is loaded here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download, try_to_load_from_cache

from rushes.errors import ModelError
from rushes.recipe.sections import TINY
from rushes.stages import sha256_file

READ = (
    *("config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json"),
    *("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json"),
)
"""Files of a checkpoint that loading its model, its tokenizer or its processor reads."""

_COMMIT, _SHA256 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Origin:
    """What weights were loaded, as ``base.json`` says it beside what was trained on them.

    Attributes:
        name: on the hub, or the folder's own; where a folder lies is not part of it.
        identity: of the content, see `Base.identity`.
    """

    name: str
    identity: str

    def require(self, found: Origin | None, where: str) -> None:
        """Refuse weights of another content, loaded from ``where``, under what was trained on these.

        Raises:
            ModelError: they are others.
        """
        if found is None or found.identity != self.identity:
            there = "drawn anew" if found is None else found.identity
            raise ModelError(
                f"the adapter was trained on the base {self.name!r}, {self.identity}; this one is {there}",
                where=where,
                cure="name the base that it was trained on, or a copy of it, in model.name; or train again on this one",
            )


@dataclass(frozen=True, slots=True)
class Base:
    """Weights to start from.

    Attributes:
        name: ``tiny``, a checkpoint folder, or a name on the hub.
        revision: of a name on the hub: a commit, or a branch or tag, whose commit is looked up; None is its
            main branch.
    """

    name: str
    revision: str | None = None

    @property
    def folder(self) -> Path | None:
        """Where its files are; None for ``tiny``, and for a name on the hub that is not on this machine."""
        if self._is_folder:
            return Path(self.name)
        if self.name == TINY:
            return None
        try:
            found = try_to_load_from_cache(self.name, "config.json", revision=self.revision)
        except ValueError:  # not a name that the hub could have
            return None
        return Path(found).parent if isinstance(found, str) else None

    def identity(self, sha256_of: Callable[[Path], str] = sha256_file) -> str | None:
        """What its content is known by.

        Args:
            sha256_of: hash of a file; a plan takes one that remembers, whoever needs a proof one that reads.

        Returns:
            ``tiny``, ``sha256:<64 hex digits>`` of a folder, or ``<name>@<commit>``; None where the commit is
            not known yet.
        """
        if self._is_folder:
            lines = (f"{path.name} {sha256_of(path)}\n" for path in self._files(Path(self.name)))
            return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()
        if self.name == TINY:
            return TINY
        if self.revision is not None and _COMMIT.fullmatch(self.revision):
            return f"{self.name}@{self.revision}"
        folder = self.folder
        return None if folder is None else f"{self.name}@{folder.name}"

    def bring(self) -> Path:
        """The folder of its files, downloaded if they are not on this machine.

        Raises:
            ModelError: it is no folder and cannot be downloaded.
        """
        if (folder := self.folder) is not None:
            return folder
        try:
            return Path(snapshot_download(self.name, revision=self.revision, allow_patterns=list(READ)))
        except (OSError, ValueError) as error:  # what the hub's client raises, all of it
            reason = str(error).strip().partition("\n")[0]
            raise ModelError(
                f"the base {self.name!r} is no folder, is not in the local cache, and was not downloaded: {reason}",
                where="model.name",
                cure=f"run `hf download {self.name}` where there is a network, or name a checkpoint folder",
            ) from error

    def prove(self) -> Origin:
        """What lies there now, every byte of it read; brought first if need be.

        Raises:
            ModelError: it cannot be brought, or a file is not what was downloaded.
        """
        folder = self.bring()
        if not self._is_folder:
            for path in self._files(folder):
                _require_downloaded(path)
        found = self.identity()
        assert found is not None, "what is on this machine has an identity"
        return Origin(Path(self.name).resolve().name if self._is_folder else self.name, found)

    @property
    def _is_folder(self) -> bool:
        return Path(self.name).is_dir()

    @staticmethod
    def _files(folder: Path) -> Iterator[Path]:
        yield from sorted({path for pattern in READ for path in folder.glob(pattern) if path.is_file()})


def _require_downloaded(path: Path) -> None:
    """Refuse a file of the hub's cache that is not what its name there says: its SHA-256, or its git hash."""
    blob = path.resolve()
    if _SHA256.fullmatch(blob.name):
        found = sha256_file(blob)
    elif _COMMIT.fullmatch(blob.name):
        content = blob.read_bytes()  # git's: small texts alone
        found = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    else:
        return
    if found != blob.name:
        raise ModelError(
            f"a downloaded file has the hash {found[:12]}..., {blob.name[:12]}... was downloaded",
            where=path,
            cure="delete it there, and run again to download it",
        )
