"""The contract of tasks and sources, over every task of the house."""

from __future__ import annotations

import pytest
from jobs import TINY

from rushes.tasks import OURS, TASKS
from rushes.testing import Finished, finish, source_checks, task_checks


@pytest.fixture(scope="module", params=list(OURS))
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "tiny.yaml").write_text(TINY[request.param])
    return finish(TASKS[request.param], folder / "tiny.yaml", folder / "workspace")


@pytest.mark.parametrize("check", task_checks(), ids=lambda check: check.__name__)
def test_a_task_keeps_its_contract(check, finished, tmp_path):
    check(finished, tmp_path)


@pytest.mark.parametrize("check", source_checks(), ids=lambda check: check.__name__)
def test_a_source_keeps_its_contract(check, finished, tmp_path):
    run = finished.run()
    check(finished.task.source(run.recipe), run.raw(), tmp_path)
