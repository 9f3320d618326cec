import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rushes.errors import SourceError
from rushes.tasks.operations.sources.openpack.layout import (
    OperationRow,
    operations_csv,
    write_operations,
)
from rushes.tasks.operations.sources.openpack.rows import (
    MAX_BYTES,
    gaps,
    read_operations,
)

Rows = list[OperationRow]


def test_what_is_written_is_read(tmp_path: Path, rows: Rows) -> None:
    write_operations(tmp_path / "S0100.csv", rows)
    assert read_operations(tmp_path / "S0100.csv", "U0101", "S0100") == rows


def test_the_published_sample_is_clean_and_written_back_byte_for_byte(
    openpack_sample: Path, tmp_path: Path
) -> None:
    path = operations_csv(openpack_sample, "U0209", "S0500")
    sample = read_operations(path, "U0209", "S0500")
    assert len(sample) == 193
    assert {row.box for row in sample} == set(range(1, 21))
    assert sum(row.end_us - row.start_us for row in sample) // 1_000_000 == 1392
    gaps_s = [(end_us - start_us) / 1e6 for start_us, end_us in gaps(sample)]
    assert gaps_s == [2.798, 3.394, 2.016, 2.684, 3.706]

    write_operations(tmp_path / "S0500.csv", sample)
    assert (tmp_path / "S0500.csv").read_bytes() == path.read_bytes()


# --- rows that contradict ---------------------------------------------------------------------------------

# What is done to the rows (line 2 is the first), the line of the fault, and words of the message.
CONTRADICTIONS: dict[str, tuple[Callable[[Rows], Rows], int, str]] = {
    "unknown id": (lambda r: [r[0], replace(r[1], id=250), *r[2:]], 3, "unknown operation id 250; known"),
    "wrong name": (lambda r: [r[0], replace(r[1], operation="Picking"), *r[2:]], 3, "'Picking', but 200 is"),
    "unknown name": (lambda r: [replace(r[0], operation="Packing"), *r[1:]], 2, "'Packing', but 100 is"),
    "end at start": (lambda r: [replace(r[0], end_us=r[0].start_us), *r[1:]], 2, "not after it starts"),
    "end before start": (lambda r: [replace(r[0], end_us=1), *r[1:]], 2, "not after it starts"),
    "overlap": (lambda r: [replace(r[0], end_us=r[0].end_us + 1), *r[1:]], 3, "overlaps Picking above it"),
    "out of order": (lambda r: [r[1], r[0], *r[2:]], 3, "clock runs backwards"),
    "uuid twice": (lambda r: [r[0], replace(r[1], uuid=r[0].uuid), *r[2:]], 3, "stands in line 2 already"),
    "no uuid": (lambda r: [replace(r[0], uuid=""), *r[1:]], 2, "without its uuid"),
    "other user": (lambda r: [*r[:3], replace(r[3], user="U0102")], 5, "'U0102' 'S0100' in the annotation"),
    "other session": (lambda r: [*r[:3], replace(r[3], session="S0200")], 5, "in the annotation of U0101"),
    "wrong year": (lambda r: [*r[:3], replace(r[3], end_us=r[3].end_us + 366 * 86400 * 10**6)], 5, "24 h"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_contradiction_is_an_error_with_line_and_cure(case: str, tmp_path: Path, rows: Rows) -> None:
    change, line, says = CONTRADICTIONS[case]
    path = tmp_path / "S0100.csv"
    write_operations(path, change(rows))
    with pytest.raises(SourceError) as caught:
        read_operations(path, "U0101", "S0100")
    assert says in caught.value.message
    assert caught.value.where == f"{path}:{line}"
    assert caught.value.cure


def test_all_faults_are_found_at_once(tmp_path: Path, rows: Rows) -> None:
    path = tmp_path / "S0100.csv"
    write_operations(path, [rows[0], replace(rows[1], id=1), replace(rows[2], end_us=0), rows[3]])
    with pytest.raises(SourceError, match=r"1 more rows are at fault: lines 4\)") as caught:
        read_operations(path)
    assert caught.value.where == f"{path}:3"


# --- files that are torn ----------------------------------------------------------------------------------

HEADER = "uuid,user,session,box,id,operation,start,end,actions\n"
GOOD = "op:1,U0101,S0100,1,100,Picking,2022-03-29 14:25:22+09:00,2022-03-29 14:25:30.5+09:00,act:1\n"

TORN: dict[str, tuple[bytes, int | None, str]] = {
    "no byte": (b"", 1, "an empty file"),
    "blank": (b"\n \n", 1, "an empty file"),
    "header alone": (HEADER.encode(), 1, "no rows below the header"),
    "no column": (HEADER.replace("end,", "").encode() + GOOD.encode(), 1, "columns missing"),
    "column twice": (
        (HEADER[:-1] + ",id\n" + GOOD).encode(),
        1,
        "or there twice: id; found",
    ),
    "torn row": ((HEADER + GOOD + GOOD[:50]).encode(), 3, "cells under 9 columns"),
    "not UTF-8": ((HEADER + GOOD).encode() + b"op:2,\xff\xfe", 3, "not UTF-8: byte 0xff"),
    "open quote": ((HEADER + GOOD).encode() + b'"op:2,U0101\n', 3, "not CSV"),
    "no zone": ((HEADER + GOOD.replace("22+09:00", "22")).encode(), 2, "start: a time without its time zone"),
    "not a time": ((HEADER + GOOD.replace("2022-03-29 14:25:22", "inf")).encode(), 2, "start: not a time"),
    "NaN box": ((HEADER + GOOD.replace("S0100,1", "S0100,nan")).encode(), 2, "box is no whole number"),
    "float id": ((HEADER + GOOD.replace(",100,", ",100.0,")).encode(), 2, "id is no whole number"),
    "too large": (HEADER.encode() + GOOD.encode() * (MAX_BYTES // len(GOOD) + 1), None, "too large"),
}


@pytest.mark.parametrize("case", TORN)
def test_a_torn_file_is_an_error_with_line_and_cure(case: str, tmp_path: Path) -> None:
    data, line, says = TORN[case]
    path = tmp_path / "S0100.csv"
    path.write_bytes(data)
    with pytest.raises(SourceError) as caught:
        read_operations(path)
    assert says in caught.value.message
    assert caught.value.where == (str(path) if line is None else f"{path}:{line}")
    assert caught.value.cure


def test_harmless_differences_are_read(tmp_path: Path) -> None:
    path = tmp_path / "S0100.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + GOOD).replace("\n", "\r\n").encode() + b"\r\n")
    (row,) = read_operations(path)
    assert (row.uuid, row.end_us - row.start_us, row.actions) == ("op:1", 8_500_000, ("act:1",))


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "S0100.csv", tmp_path):
        with pytest.raises(SourceError, match="cannot be read"):
            read_operations(path)


def test_any_mutilation_is_read_or_refused_never_a_crash(tmp_path: Path, rows: Rows) -> None:
    path = tmp_path / "S0100.csv"
    write_operations(path, rows)
    whole, draw = path.read_bytes(), random.Random(1)
    refused = accepted = 0
    for _ in range(600):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 2)):
            at = draw.randrange(len(data))
            kind = draw.choice(("flip", "drop", "double", "cut"))
            if kind == "flip":
                data[at] = draw.randrange(256)
            elif kind == "drop":
                del data[at : at + draw.randint(1, 20)]
            elif kind == "double":
                data[at:at] = data[at : at + 40]
            else:
                del data[max(1, at) :]
        path.write_bytes(data)
        try:
            read = read_operations(path, "U0101", "S0100")
        except SourceError as error:
            refused += bool(error.cure and str(path) in str(error.where))
        else:
            accepted += 1
            assert all(row.start_us < row.end_us for row in read)
    assert refused + accepted == 600
    assert refused > 300
    assert accepted > 20
