"""Tables of labels as spreadsheets, scripts and data frames write them."""

from __future__ import annotations

from fractions import Fraction

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rushes.annotations import How, read, recognise, rows
from rushes.errors import SourceError

PLAIN = [("cam.mp4", 0.5, 62.0, "walk"), ("cam.mp4", 62.0, 63.25, "sit")]


@pytest.mark.parametrize(
    "content",
    [
        "file,start,end,label\ncam.mp4,0.5,62,walk\ncam.mp4,62,63.25,sit\n",
        'file,start,end,label\ncam.mp4,"0,5",62,walk\ncam.mp4,62,"63,25",sit',
        "\ufeffsep=;\r\nfile;start;end;label\r\ncam.mp4;0,5;62;walk\r\n\r\ncam.mp4;62;63,25;sit\r\n",
        "file\tstart\tend\tlabel\ncam.mp4\t0,5\t62\twalk\ncam.mp4\t62\t63,25\tsit\n",
        "file\tstart\tend\tlabel\ncam.mp4\t0,5\t62\twalk\ncam.mp4\t62\t63,25\tsit\n".encode("utf-16"),
        "file\tstart\tend\tlabel\ncam.mp4\t0,5\t62\twalk\ncam.mp4\t62\t63,25\tsit\n".encode("utf-16-le"),
        "Video,Start (ms),End (ms),Class\ncam.mp4,500,62000,walk\ncam.mp4,62000,63250,sit\n",
        "Video,Begin Time,Stop Time,Activity\ncam.mp4,00:00.5,01:02,walk\ncam.mp4,0:01:02,00:01:03.250,sit\n",
        "file,start,duration,label\ncam.mp4,0.5,61.5,walk\ncam.mp4,62,1.25,sit\n",
        "file,start,end,label,\ncam.mp4,0.5,62,walk,\ncam.mp4,62,63.25,sit,\n",
    ],
    ids=[
        "commas",
        "quoted",
        "excel",
        "tabs",
        "utf16",
        "utf16-no-mark",
        "ms",
        "clocks",
        "duration",
        "empty-column",
    ],
)
def test_ways_to_write_the_same(put, said, content):
    path = put("labels.txt", content)
    assert recognise(path) == "table"
    assert said(read(path, How())) == PLAIN


def test_parquet_keeps_text_and_takes_missing_values_as_empty(tmp_path, said):
    columns = {"file": ["a.mp4", "0012"], "start": [0.5, 1.0], "end": [2.0, None], "label": ["None", "1e5"]}
    pq.write_table(pa.table(columns), tmp_path / "labels.parquet")
    labels = read(tmp_path / "labels.parquet", How())
    assert said(labels) == [("a.mp4", 0.5, 2.0, "None"), ("0012", 1.0, None, "1e5")]
    assert [note.reason for note in labels.notes] == [
        "a label without an end lasts to the end of its recording"
    ]


def test_labels_and_names_stay_text(put, said):
    path = put(
        "l.csv", "file,start,end,label\n" + "".join(f"0012,0.5,1,{x}\n" for x in ("None", "NA", "1e5", "yes"))
    )
    assert [(name, label) for name, _, _, label in said(read(path, How()))] == [
        ("0012", label) for label in ("None", "NA", "1e5", "yes")
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("01:02", 62),
        ("0:0:05,5", 5.5),
        ("62.5", 62.5),
        ("1:00:00.001", 3600.001),
        ("1e-3", 0.001),
        (".5", 0.5),
    ],
)
def test_forms_of_a_time(put, text, seconds):
    path = put("l.csv", f'file,start,end,label\na,"{text}",4000.5,x\n')
    assert float(read(path, How()).marks[0].start_s) == seconds


def test_time_code_counts_frames_of_the_rate(put):
    path = put("l.csv", "file,start,end,label\na,00:00:05:12,00:01:00;02,x\n")
    with pytest.raises(SourceError, match="how many make a second") as error:
        read(path, How())
    assert error.value.where.endswith("l.csv:2")
    assert "annotation.fps" in error.value.cure
    ntsc = read(path, How(fps=Fraction(30000, 1001))).marks[0]
    assert ntsc.start_s == Fraction(162 * 1001, 30000)
    assert ntsc.end_s == Fraction(1800 * 1001, 30000)  # 00:01:00;02 is the number after 00:00:59;29
    assert read(path, How(fps=Fraction(25))).marks[0].start_s == Fraction(137, 25)


def test_whole_numbers_without_a_unit_are_refused_and_those_with_one_read(put):
    path = put("l.csv", "file,start,end,label\na,10,20,x\n")
    with pytest.raises(SourceError, match="seconds, milliseconds or frames") as error:
        read(path, How())
    assert "annotation.unit" in error.value.cure
    assert read(path, How(unit="s")).marks[0].end_s == 20
    assert read(path, How(unit="ms")).marks[0].end_s == Fraction(1, 50)
    labels = read(path, How(unit="frames", fps=Fraction(10)))
    assert (labels.marks[0].start_s, labels.marks[0].end_s) == (1, 2)
    assert "frames count from 0, an end is the first one outside" in [note.reason for note in labels.notes]
    counted = How(unit="frames", fps=Fraction(10), frame_base=1, inclusive=True)
    assert (read(path, counted).marks[0].start_s, read(path, counted).marks[0].end_s) == (Fraction(9, 10), 2)


def test_frame_rate_of_each_row_comes_first(put, said):
    path = put("l.csv", "file,start_frame,end_frame,label,fps\na,10,20,x,10\nb,10,20,x,29.97\n")
    marks = read(path, How(fps=Fraction(50))).marks
    assert [mark.end_s for mark in marks] == [2, Fraction(20 * 1001, 30000)]
    assert read(path, How()).about["b"].fps == Fraction(30000, 1001)


def test_frame_numbers_at_ntsc_rates_survive_text_in_milliseconds(put):
    fps = Fraction(30000, 1001)
    rows = "".join(f"a,{float(n / fps):.3f},{float((n + 1) / fps):.3f},x\n" for n in range(0, 20_000, 7))
    marks = read(put("l.csv", f"file,start,end,label\n{rows}"), How()).marks
    assert [round(mark.start_s * fps) for mark in marks] == list(range(0, 20_000, 7))


def test_one_label_a_file_and_columns_that_say_more(put):
    path = put("l.csv", "file,label,person,take\na.mp4,walk,ann,1\nb.mp4,sit,bob,2\n")
    labels = read(path, How())
    assert [(mark.kind, mark.end_s, mark.label) for mark in labels.marks] == [
        ("file", None, "walk"),
        ("file", None, "sit"),
    ]
    assert labels.about["b.mp4"].columns == {"person": "bob", "take": "2"}


def test_columns_that_change_within_a_recording_stand_beside_the_label(put):
    path = put("l.csv", "file,start,end,label,person,mood\na,0.5,1,x,ann,good\na,1,2,y,ann,bad\n")
    labels = read(path, How())
    assert labels.about["a"].columns == {"person": "ann"}
    assert dict(labels.marks[1].attributes) == {"person": "ann", "mood": "bad"}


def test_a_row_without_label_and_times_is_a_recording_without_labels(put):
    labels = read(put("l.csv", "file,start,end,label\na,0.5,1,x\nb,,,\n"), How())
    assert list(labels.about) == ["a", "b"]
    assert [str(note).partition(": ")[0] for note in labels.notes] == ["a recording without labels"]


def test_a_length_of_files_is_no_length_of_labels_and_a_second_comment_stands_beside(put):
    path = put("l.csv", "file,label,duration,comment,notes\na.mp4,walk,12,good,late\n")
    [mark] = read(path, How()).marks
    assert (mark.kind, mark.comment) == ("file", "good")
    assert dict(mark.attributes) == {"duration": "12", "notes": "late"}


def test_columns_by_name(put, said):
    path = put("l.csv", "Datei,Von,Bis,Was,label\na,0.5,1,gehen,7\n")
    how = How(columns={"file": "Datei", "start": "Von", "end": "Bis", "label": "Was"})
    assert said(read(path, how)) == [("a", 0.5, 1.0, "gehen")]
    with pytest.raises(SourceError, match="no column 'Wer' for annotator; there are Datei, Von") as error:
        read(path, How(columns={"annotator": "Wer"}))
    assert error.value.cure == "write one of them as annotation.columns.annotator"


@pytest.mark.parametrize(
    ("content", "message", "line"),
    [
        ("file,start,end,label\na,0.5,1\n", "a row of 3 cells under a header of 4", 2),
        ("file,start,end,label\na,0.5,x,y\n", "not a time: 'x'", 2),
        ("file,start,end,label\na,0.5,1,\n", "times without a label", 2),
        ("file,start,end,label\na,,1.5,x\n", "a label with an end and no start", 2),
        ("file,start,end,label\na,0.5,01:75,x\n", "60 or more", 2),
        ("file,start,end,label\na,0.5,1e99,x\n", "beyond any recording", 2),
        ("file,start,end,label\na,0.5,1,x\n\nb,1.5,2,y,z\n", "a row of 5 cells", 4),
        ('file,start,end,label\na,0.5,1,"x\n', "not a table", 2),
        ("file,start,end,label,score\na,0.5,1,x,high\n", "score is no number", 2),
        ('video,id,label\na,7,"[{""ranges"": []}]"\n', "as Label Studio's CSV has it", 2),
        ("file,start,end,label,fps\na,0.5,1,x,0\n", "a frame rate is above 0", 2),
    ],
)
def test_faults_have_a_line_and_a_cure(put, content, message, line):
    path = put("l.csv", content)
    with pytest.raises(SourceError, match=message) as error:
        read(path, How())
    assert error.value.where == f"{path}:{line}"
    assert error.value.cure


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,start,end,label,start_ms\na,0.5,1,x,5\n", "both 'start' and 'start_ms' say the start"),
        ("file,start,label\na,0.5,x\n", "a start and no end"),
        ("file,start,end\na,0.5,1\n", "no column of labels; there are file, start, end"),
        ("file,start,end,sign\na,0.5,1,b\n", "no column of labels; there are file, start, end, sign"),
        ("file|start|end|label\na|0.5|1|x\n", "a table of one column: 'file\\|start"),
        ("a,a\n1,2\n", "two columns are called 'a'"),
        ("", "an empty table"),
    ],
)
def test_faults_of_a_header(put, content, message):
    with pytest.raises(SourceError, match=message) as error:
        read(put("l.csv", content), How(format="table"))
    assert error.value.cure


@pytest.mark.parametrize(
    ("header", "typed"),
    [
        ("file,start,end,sign", "annotation.columns: {label: sign}, or rushes init --column label=sign"),
        (
            "file,start,end,the sign",
            "annotation.columns: {label: \"the sign\"}, or rushes init --column 'label=the sign'",
        ),
        (
            "file,start,end,sign,person",
            "annotation.columns: {label: HEADER}, or rushes init --column label=HEADER",
        ),
    ],
)
def test_a_column_of_labels_that_is_called_otherwise_is_asked_for(put, header, typed):
    with pytest.raises(SourceError, match="no column of labels") as error:
        read(put("l.csv", f"{header}\n"), How())
    assert error.value.cure.endswith(typed)


def test_two_columns_of_one_name_are_refused_in_parquet_too(tmp_path):
    path = tmp_path / "l.parquet"
    columns = [pa.array([value]) for value in ("a", "walk", 1.0, 2.0)]
    pq.write_table(pa.table(columns, names=["file", "label", "start_s", "start_s"]), path)
    with pytest.raises(SourceError, match="two columns are called 'start_s'"):
        read(path, How())


def test_a_text_of_more_rows_than_labels_have_is_refused(put, monkeypatch):
    monkeypatch.setattr(rows, "MAX_ROWS", 2)
    with pytest.raises(SourceError, match="more than 2 rows") as error:
        read(put("l.csv", "file,label\na,x\nb,x\nc,x\n"), How())
    assert error.value.cure == "split it by recordings"


def test_what_is_no_table_has_no_format(put):
    path = put("l.csv", b"\xff\xd8\xff\xe0 a picture")
    assert recognise(path) is None
    with pytest.raises(SourceError, match="no format of label files is recognised") as error:
        read(path, How())
    assert "annotation.format" in error.value.cure
    with pytest.raises(SourceError, match="neither UTF-8 nor UTF-16"):
        read(path, How(format="table"))
    with pytest.raises(SourceError, match="cannot be read"):
        read(path.with_name("missing.csv"), How())
