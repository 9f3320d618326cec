"""The contract of tasks and sources, as tests that anybody can run on their own.

For pytest::

    from rushes.testing import finish, source_checks, task_checks

    @pytest.fixture(scope="module")
    def finished(tmp_path_factory):
        return finish(Lamps(), Path("recipes/lamps.yaml"), tmp_path_factory.mktemp("lamps"))

    @pytest.mark.parametrize("check", task_checks(), ids=lambda check: check.__name__)
    def test_the_task_keeps_its_contract(check, finished, tmp_path):
        check(finished, tmp_path)

Whoever has doors gives `door_checks` a `Request` that each of them answers, in the same way.

`check_task` and `check_source` do all checks in one call. A check that fails raises an AssertionError that
says what was promised and what was found.
"""

from rushes.testing.door import Request, door_checks
from rushes.testing.source import check_source, source_checks
from rushes.testing.subject import Finished, finish
from rushes.testing.task import check_task, task_checks

__all__ = [
    "Finished",
    "Request",
    "check_source",
    "check_task",
    "door_checks",
    "finish",
    "source_checks",
    "task_checks",
]
