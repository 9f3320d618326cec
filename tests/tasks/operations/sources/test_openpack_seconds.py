from pathlib import Path

from rushes.tasks.operations.sources.openpack.layout import OperationRow, operations_1hz_csv, operations_csv
from rushes.tasks.operations.sources.openpack.rows import read_operations, read_operations_1hz
from rushes.tasks.operations.sources.openpack.seconds import seconds_of


def test_the_rule_gives_the_published_file_row_for_row(openpack_sample: Path) -> None:
    rows = read_operations(operations_csv(openpack_sample, "U0209", "S0500"))
    published = read_operations_1hz(operations_1hz_csv(openpack_sample, "U0209", "S0500"))
    assert len(published) == 1404
    assert seconds_of(rows) == published


def test_no_rows_no_seconds() -> None:
    assert seconds_of([]) == []


def test_seconds_run_from_the_first_start_until_three_before_the_last_end() -> None:
    row = OperationRow("op:1", "U0101", "S0100", 7, 100, "Picking", 1_999_999, 9_000_001)
    seconds = seconds_of([row])
    assert [second.unix_ms for second in seconds] == [1000, 2000, 3000, 4000, 5000, 6000]
    assert {(second.box, second.id) for second in seconds} == {(7, 100)}
