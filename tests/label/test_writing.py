"""Files of requests: within every limit, and the same bytes."""

from __future__ import annotations

import json
import random
from itertools import groupby, pairwise
from operator import itemgetter

import pytest
from label_shop import make_rows

from rushes.errors import LabelError
from rushes.label.question import Question
from rushes.label.tickets import Tickets
from rushes.label.writing import Asked, Request, numbered, requests_of, write_files
from rushes.recipe.labelling import LabelLimits, Labelling

QUESTION = Question.of(Labelling.model_validate({"picture": {"side_px": 64}}), "offline")


@pytest.mark.parametrize("seed", range(5))
def test_files_hold_all_requests_in_order_and_none_is_beyond_a_limit(seed):
    rng = random.Random(seed)
    limits = LabelLimits(
        file_bytes=100_000, file_requests=rng.randint(1, 60), queue_tokens=rng.randint(2_000, 40_000)
    )
    requests = [
        Request(str(n), bytes(rng.choice((10, 900, 30_000, 100_000))), rng.randint(1, 1_500))
        for n in range(2_000)
    ]
    files = [[one for _, one in group] for _, group in groupby(numbered(requests, limits), itemgetter(0))]
    assert [one for file in files for one in file] == requests
    for file in files:
        assert sum(len(one.line) for one in file) <= limits.file_bytes
        assert len(file) <= limits.file_requests
        assert sum(one.tokens for one in file) <= limits.queue_tokens
    for file, after in pairwise(files):  # none could have held one more
        more = [*file, after[0]]
        assert (
            sum(len(one.line) for one in more) > limits.file_bytes
            or len(more) > limits.file_requests
            or sum(one.tokens for one in more) > limits.queue_tokens
        )


def test_a_request_that_fits_into_no_file_is_told():
    with pytest.raises(LabelError, match="a request of 100,001 bytes does not fit") as caught:
        list(numbered([Request("a", bytes(100_001), 1)], LabelLimits(file_bytes=100_000)))
    assert "side_px" in caught.value.cure


def test_the_same_items_give_the_same_bytes_whatever_the_threads(tmp_path):
    written = []
    for threads in (1, 4):
        tickets = Tickets(tmp_path / str(threads))
        asked = [Asked(row, number % 3) for number, row in enumerate(make_rows(30))]
        requests = requests_of(asked, QUESTION, 1.5, lambda row, error: None, threads)
        made = list(write_files(requests, QUESTION, LabelLimits(file_requests=7), tickets))
        assert [ticket.rows for ticket in made] == [7, 7, 7, 7, 2]
        written.append([tickets.requests(ticket.name).read_bytes() for ticket in made])
        assert list(tickets) == made
        assert [one for ticket in made for one in tickets.ids(ticket.name)] == [
            QUESTION.id(one.row.key) for one in asked
        ]
    assert written[0] == written[1]
    lines = [json.loads(line) for line in b"".join(written[0]).splitlines()]
    assert {line["body"]["model"] for line in lines} == {"offline"}
    assert {(line["method"], line["url"]) for line in lines} == {("POST", "/v1/chat/completions")}
