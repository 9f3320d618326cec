from pathlib import Path

from rushes.tasks.operations.sources.openpack.layout import (
    OperationRow,
    operations_1hz_csv,
    operations_csv,
    seconds_of,
    write_operations_1hz,
)
from rushes.tasks.operations.sources.openpack.rows import read_operations


def test_the_rule_gives_the_published_file_row_for_row(openpack_sample: Path, tmp_path: Path) -> None:
    rows = read_operations(operations_csv(openpack_sample, "U0209", "S0500"))
    seconds = seconds_of(rows)
    assert len(seconds) == 1404
    write_operations_1hz(tmp_path / "1hz.csv", seconds)
    published = operations_1hz_csv(openpack_sample, "U0209", "S0500")
    assert (tmp_path / "1hz.csv").read_bytes() == published.read_bytes()


def test_no_rows_no_seconds() -> None:
    assert seconds_of([]) == []


def test_seconds_run_from_the_first_start_until_three_before_the_last_end() -> None:
    row = OperationRow("op:1", "U0101", "S0100", 7, 100, "Picking", 1_999_999, 9_000_001)
    seconds = seconds_of([row])
    assert [second.unix_ms for second in seconds] == [1000, 2000, 3000, 4000, 5000, 6000]
    assert {(second.box, second.id) for second in seconds} == {(7, 100)}
