"""A file system with faults, by the names of its files: ``refused``, ``short`` or ``leaky`` in a path."""

from __future__ import annotations

from fsspec.implementations.memory import MemoryFileSystem


class FaultyFiles(MemoryFileSystem):
    """Files in memory, as long as their names are harmless."""

    protocol = "faulty"
    store: dict = {}  # noqa: RUF012  (fsspec's own way: all instances are one file system)
    pseudo_dirs = [""]  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("faulty://", "memory://"))

    def pipe_file(self, path, value, mode="overwrite", **options):
        if "refused" in path:
            raise PermissionError(f"{path} is refused")
        if "leaky" in path:
            raise PermissionError("http://anna:hunter2@host-a/ does not want you")
        super().pipe_file(path, value[: len(value) // 2] if "short" in path else value, mode, **options)

    def put_file(self, lpath, rpath, **options):
        with open(lpath, "rb") as file:
            self.pipe_file(rpath, file.read())
