"""Who may read what a run leaves behind is decided by the umask, not by the library that wrote it."""

from __future__ import annotations

import pytest
from jobs import OPERATIONS, OpenJob, begin


@pytest.mark.slow
@pytest.mark.parametrize("umask", [0o022, 0o027], ids=oct)
def test_files_of_a_run_have_the_modes_that_the_umask_says(open_job: OpenJob, tmp_path, umask):
    job = open_job(OPERATIONS, tmp_path)
    process = begin("run", str(job.recipe), "--workspace", str(job.workspace), "--json", umask=umask)
    _, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    for path in job.workspace.rglob("*"):
        expected = (0o666 if path.is_file() else 0o777) & ~umask
        assert path.stat().st_mode & 0o777 == expected, path
