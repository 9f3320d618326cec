"""The worked examples in docstrings are true."""

from __future__ import annotations

import doctest

import pytest

from rushes.campaign.judging import admission as contract
from rushes.campaign.judging import standing
from rushes.runs.admission import values as contract_values
from rushes.tasks.sounds import earlier_leaderboard as legacy


@pytest.mark.parametrize("module", [contract, contract_values, legacy, standing])
def test_examples(module):
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
