import json

from rushes.train.events import EventLog, read_events, without_times


def written(path, steps):
    told = []
    log = EventLog(path, told.append)
    with log.open(0):
        for step in steps:
            log.tell("train", step=step, loss=1 / step, seconds=0.1)
        log.tell("note", note="not for the file")
    return told


def test_lines_of_steps_go_to_the_file_and_all_to_the_listener(tmp_path):
    told = written(tmp_path / "events.jsonl", [1, 2, 3])
    assert [event["kind"] for event in told] == ["train", "train", "train", "note"]
    assert read_events(tmp_path / "events.jsonl") == told[:3]


def test_opening_cuts_back_to_the_step(tmp_path):
    path = tmp_path / "events.jsonl"
    written(path, [10, 20, 30])
    log = EventLog(path, lambda event: None)
    with log.open(20):
        assert log.lines == 2
        log.tell("validation", step=30, score=0.5)
    assert [event["step"] for event in read_events(path)] == [10, 20, 30]
    assert log.lines == 3


def test_torn_line_is_dropped(tmp_path):
    path = tmp_path / "events.jsonl"
    written(path, [1, 2])
    with path.open("a") as file:
        file.write('{"kind": "train", "step": 3, "lo')
    assert [event["step"] for event in read_events(path)] == [1, 2]
    with EventLog(path, lambda event: None).open(9):
        pass
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2]


def test_silent_log_touches_nothing(tmp_path):
    log = EventLog(tmp_path / "events.jsonl", lambda event: 1 / 0, silent=True)
    with log.open(0):
        log.tell("train", step=1)
        log.sync()
    assert not list(tmp_path.iterdir())


def test_without_times():
    event = {"step": 1, "loss": 2.0, "samples_per_s": 3.0, "data_wait_share": 0.5, "seconds": 9.0}
    assert without_times(event) == {"step": 1, "loss": 2.0}
