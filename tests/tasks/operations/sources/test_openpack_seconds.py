from pathlib import Path

import pytest

from rushes.errors import SourceError
from rushes.records import Segment
from rushes.tasks.operations.sources.openpack.layout import OperationRow, operations_1hz_csv, operations_csv
from rushes.tasks.operations.sources.openpack.rows import gaps, read_operations, read_operations_1hz
from rushes.tasks.operations.sources.openpack.seconds import labels_at_1hz, seconds_of
from rushes.tasks.operations.sources.openpack.tables import operation_names


def test_the_rule_gives_the_published_file_row_for_row(openpack_sample: Path) -> None:
    rows = read_operations(operations_csv(openpack_sample, "U0209", "S0500"))
    published = read_operations_1hz(operations_1hz_csv(openpack_sample, "U0209", "S0500"))
    assert len(published) == 1404
    assert seconds_of(rows) == published


@pytest.mark.parametrize(("moment_s", "agree"), [(0.0, 1200), (0.5, 1296), (1.0, 1388)])
def test_only_the_end_of_the_second_and_carried_gaps_agree(
    moment_s: float, agree: int, openpack_sample: Path
) -> None:
    """Without carrying gaps the counts are those of the facts: 1,200, 1,296 and 1,388 of 1,404."""
    rows = read_operations(operations_csv(openpack_sample, "U0209", "S0500"))
    published = read_operations_1hz(operations_1hz_csv(openpack_sample, "U0209", "S0500"))
    origin_us, names = published[0].unix_ms * 1000, operation_names()
    segments = [
        Segment((row.start_us - origin_us) / 1e6, (row.end_us - origin_us) / 1e6, row.operation)
        for row in rows
    ]
    truth = [names[second.id] for second in published]
    bare = labels_at_1hz(segments, moment_s - 1.0, len(truth), carry_gaps=False)
    assert sum(a == b for a, b in zip(bare, truth, strict=True)) == agree
    if moment_s == 1.0:
        assert labels_at_1hz(segments, 0.0, len(truth)) == truth
        assert len(gaps(rows)) == 5


def test_no_rows_no_seconds() -> None:
    assert seconds_of([]) == []


def test_seconds_run_from_the_first_start_until_three_before_the_last_end() -> None:
    row = OperationRow("op:1", "U0101", "S0100", 7, 100, "Picking", 1_999_999, 9_000_001)
    seconds = seconds_of([row])
    assert [second.unix_ms for second in seconds] == [1000, 2000, 3000, 4000, 5000, 6000]
    assert {(second.box, second.id) for second in seconds} == {(7, 100)}


def test_before_the_first_segment_there_is_no_label() -> None:
    assert labels_at_1hz([Segment(2.0, 3.0, "Tape")], 0.0, 3) == [None, "Tape", "Tape"]
    assert labels_at_1hz([], 0.0, 2) == [None, None]


def test_segments_out_of_order_are_refused() -> None:
    with pytest.raises(SourceError, match="out of order"):
        labels_at_1hz([Segment(2.0, 3.0, "Tape"), Segment(0.0, 1.0, "Pack")], 0.0, 3)
