"""The worked examples in docstrings are true."""

from __future__ import annotations

import doctest

import pytest

from rushes.campaign import contract, contract_values, legacy, standing


@pytest.mark.parametrize("module", [contract, contract_values, legacy, standing])
def test_examples(module):
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
