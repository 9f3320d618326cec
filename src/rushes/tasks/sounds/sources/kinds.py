"""The layouts of sounds that a recipe can name; a recipe of one loads no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rushes.runs.source import Audit
from rushes.tasks.sounds.recipe import RecordingSource, SoundsRecipe

if TYPE_CHECKING:
    from rushes.tasks.sounds.sources.blocks import SoundScan
    from rushes.tasks.sounds.sources.dreamcatcher import DreamCatcher
    from rushes.tasks.sounds.sources.folder import SoundFolder
    from rushes.tasks.sounds.sources.recordings import Recordings, RecordingScan


def source_of(recipe: SoundsRecipe) -> DreamCatcher | SoundFolder | Recordings:
    """The reader of the layout that a recipe names."""
    source, labels = recipe.source, recipe.preprocessing.labels
    if isinstance(source, RecordingSource):
        from rushes.tasks.sounds.sources.recordings import Recordings
        from rushes.tasks.sounds.sources.windows import Cutting

        return Recordings(source, Cutting.of(source, recipe.preprocessing))
    if source.kind == "dreamcatcher":
        from rushes.tasks.sounds.sources.dreamcatcher import DreamCatcher

        return DreamCatcher(labels, source.pattern)
    from rushes.tasks.sounds.sources.folder import SoundFolder

    return SoundFolder(labels, source.pattern, source.table, source.split, source.shares)


def audit_of_scan(scan: SoundScan | RecordingScan, recipe: SoundsRecipe) -> Audit:
    """What a scan found, of the classes that the recipe asks for."""
    from rushes.tasks.sounds.sources.recordings import RecordingScan

    if isinstance(scan, RecordingScan):
        from rushes.tasks.sounds.sources.recordings_audit import audit_of_recordings
        from rushes.tasks.sounds.sources.windows import Cutting

        assert isinstance(recipe.source, RecordingSource), "a scan is of the recipe's own source"
        return audit_of_recordings(scan, Cutting.of(recipe.source, recipe.preprocessing))
    from rushes.tasks.sounds.sources.audit import audit_of

    return audit_of(scan, recipe.preprocessing.labels)
