"""The layouts of sounds that a recipe can name."""

from __future__ import annotations

from rushes.runs.source import Audit
from rushes.tasks.sounds.recipe import RecordingSource, SoundsRecipe
from rushes.tasks.sounds.sources.audit import audit_of
from rushes.tasks.sounds.sources.blocks import SoundScan
from rushes.tasks.sounds.sources.dreamcatcher import DreamCatcher
from rushes.tasks.sounds.sources.folder import SoundFolder
from rushes.tasks.sounds.sources.recordings import Recordings, RecordingScan
from rushes.tasks.sounds.sources.recordings_audit import audit_of_recordings
from rushes.tasks.sounds.sources.windows import Cutting


def source_of(recipe: SoundsRecipe) -> DreamCatcher | SoundFolder | Recordings:
    """The reader of the layout that a recipe names."""
    source, labels = recipe.source, recipe.preprocessing.labels
    if isinstance(source, RecordingSource):
        return Recordings(source, Cutting.of(source, recipe.preprocessing))
    if source.kind == "dreamcatcher":
        return DreamCatcher(labels, source.pattern)
    return SoundFolder(labels, source.pattern, source.table, source.split, source.shares)


def audit_of_scan(scan: SoundScan | RecordingScan, recipe: SoundsRecipe) -> Audit:
    """What a scan found, of the classes that the recipe asks for."""
    if isinstance(scan, RecordingScan):
        assert isinstance(recipe.source, RecordingSource), "a scan is of the recipe's own source"
        return audit_of_recordings(scan, Cutting.of(recipe.source, recipe.preprocessing))
    return audit_of(scan, recipe.preprocessing.labels)
