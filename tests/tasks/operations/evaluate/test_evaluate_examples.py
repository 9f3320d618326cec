"""The worked examples in the docstrings of this task's evaluation hold."""

import doctest

import pytest

from rushes.tasks.operations.evaluate import baselines, figures


@pytest.mark.parametrize("module", [baselines, figures], ids=lambda module: module.__name__)
def test_examples_hold(module):
    found = doctest.testmod(module)
    assert found.failed == 0
    assert found.attempted > 0
