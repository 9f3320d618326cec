"""Every public function of the metrics carries a worked example, and every example holds."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import rushes.metrics

MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.iter_modules(rushes.metrics.__path__, prefix="rushes.metrics.")
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_hold(module):
    failed, attempted = doctest.testmod(module)
    assert attempted > 0
    assert failed == 0


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_function_has_an_example(module):
    functions = inspect.getmembers(module, inspect.isfunction)
    own = [(name, f) for name, f in functions if f.__module__ == module.__name__ and name[0] != "_"]
    assert [name for name, f in own if ">>>" not in (f.__doc__ or "")] == []
