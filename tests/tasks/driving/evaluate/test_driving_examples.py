"""The worked examples in the docstrings of this task's evaluation hold."""

import doctest
import importlib
import pkgutil

import pytest

import rushes.tasks.driving.evaluate

MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.iter_modules(
        rushes.tasks.driving.evaluate.__path__, prefix="rushes.tasks.driving.evaluate."
    )
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_hold(module):
    assert doctest.testmod(module).failed == 0


def test_there_are_examples():
    assert sum(doctest.testmod(module).attempted for module in MODULES) >= 2
