"""Every worked example of the sounds task on these floors holds."""

import doctest
import importlib
import pkgutil

import pytest

import rushes.tasks.sounds.evaluate as evaluate_sounds
import rushes.tasks.sounds.predict.table as table
import rushes.tasks.sounds.sources as sources_sounds

MODULES = [table] + [
    importlib.import_module(found.name)
    for package in (evaluate_sounds, sources_sounds)
    for found in pkgutil.iter_modules(package.__path__, prefix=f"{package.__name__}.")
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_hold(module):
    assert doctest.testmod(module).failed == 0


def test_examples_are_there():
    assert sum(doctest.testmod(module).attempted for module in MODULES) >= 1
