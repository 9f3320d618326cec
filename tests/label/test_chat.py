"""One by one: the same rows and the same account, at the pace that the service allows."""

from __future__ import annotations

from itertools import pairwise

import pytest
from label_shop import FakeClock

from rushes.errors import LabelError
from rushes.label.chat import Pace
from rushes.label.offline.faults import Faults
from rushes.label.tickets import Ticket


def test_the_result_is_that_of_batches(make_shop):
    shop, other = make_shop(12), make_shop(12)
    assert shop.run("chat") == other.run("batch") == {"answered": 12}
    assert shop.csv() == other.csv()
    assert shop.run("chat") == {"answered": 12}  # asks nobody
    with shop.desk() as desk:
        assert [ticket.rows for ticket in desk.tickets] == [12]


@pytest.mark.parametrize("seed", range(3))
def test_a_busy_and_failing_service_is_asked_again(make_shop, seed):
    shop = make_shop(40, Faults.of("many", seed))
    states = shop.run("chat")
    assert states["answered"] + states.get("refused", 0) == 40
    with shop.desk() as desk:
        for account in desk.ledger.accounts().values():
            assert account.ok + account.error + account.missing == account.asked


def test_a_service_that_says_when_to_come_again_is_left_alone_until_then(make_shop):
    shop = make_shop(3, Faults(busy=0.5, retry_after_s=77.0, seed=1))
    began_s = shop.clock.now()
    assert shop.run("chat") == {"answered": 3}
    assert shop.clock.now() - began_s >= 76.0


def test_a_round_that_was_killed_keeps_its_answers_and_counts_the_others_as_lost(make_shop):
    shop = make_shop(4)
    shop.run("chat", only=2)
    with shop.desk() as desk:
        lines = desk.tickets.answers("000001-chat")[0].read_bytes().splitlines(keepends=True)
        name = desk.tickets.next_name("chat")
        left = [row for row in shop.rows if desk.ledger.level_of(row, 9) is not None]
        desk.tickets.write_ids(name, (desk.question.id(row.key) for row in left))
        with desk.tickets.ids_file(name).open("ab") as file:
            file.write(b"half-of-an-i")
        torn = lines[0].replace(lines[0].split(b'"')[3], desk.question.id(left[0].key).encode())
        desk.tickets.answers(name)[0].write_bytes(torn + lines[1][:20])
        desk.tickets.save(Ticket(name=name, question=desk.question.digest, rows=9, state="in_progress"))
    with shop.desk() as desk:
        account = desk.ledger.accounts()[name]
        assert (account.asked, account.ok, account.missing, account.unreadable) == (2, 1, 1, 1)
        assert desk.states()["again"] == 1
    assert shop.run("chat") == {"answered": 4}


def test_a_service_that_refuses_everything_is_not_asked_everything(make_shop):
    shop = make_shop(60)
    shop.asked = shop.asked.model_copy(update={"model": "no-such-model"})
    with pytest.raises(LabelError, match="model_not_found"):
        shop.run("chat")
    with shop.desk() as desk:
        assert sum(1 for _ in desk.tickets.ids("000001-chat")) < 30


def test_requests_are_spread_over_the_minute(clock: FakeClock):
    pace, times = Pace(60, 6_000, clock), []
    for tokens in (10, 10, 500, 10):
        pace.wait(tokens)
        times.append(clock.now())
    assert [round(later - earlier, 6) for earlier, later in pairwise(times)] == [1.0, 1.0, 5.0]
    pace.hold(30.0)
    before = clock.now()
    pace.wait(10)
    assert clock.now() - before == pytest.approx(30.0)
