"""One by one: the same rows and the same account, at the pace that the service allows."""

from __future__ import annotations

from itertools import pairwise
from threading import Barrier, Lock

import httpx
import pytest
from label_shop import FakeClock

from rushes.errors import LabelError
from rushes.label.chat import Pace
from rushes.label.money import Purse
from rushes.label.offline.faults import Faults
from rushes.label.service import Service, Unsure
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


class Stubborn(Service):
    """Answers some requests otherwise; by their number, from 1."""

    def __init__(self, shop, otherwise):
        super().__init__(shop.url, "", shop.clock)
        self.otherwise, self.lock, self.asked = otherwise, Lock(), 0

    def complete(self, body):
        with self.lock:
            self.asked += 1
            number = self.asked
        answer = super().complete(body)
        return self.otherwise(number, answer)


def ask(shop, service):
    with shop.desk() as desk:
        chat = desk.chat(service, Purse(yes=True), shop.told.append)
        return chat.ask(desk.requests())


def test_answers_on_their_way_when_the_work_is_stopped_are_kept(make_shop):
    """They are paid for."""
    shop = make_shop(8)
    met = Barrier(8)

    def otherwise(number, answer):
        met.wait()
        if number == 1:
            raise LabelError("out of order")
        return answer

    with Stubborn(shop, otherwise) as service, pytest.raises(LabelError, match="out of order"):
        ask(shop, service)
    with shop.desk() as desk:
        (account,) = desk.ledger.accounts().values()
    assert (account.ok, account.missing) == (7, 1)


def test_what_was_sent_and_not_answered_is_sent_again_a_bounded_number_of_times(make_shop):
    def otherwise(number, answer):
        raise Unsure("ReadTimeout")

    shop = make_shop(4)
    with Stubborn(shop, otherwise) as service:
        assert ask(shop, service) == 4
    assert service.asked == 4
    with shop.desk() as desk:
        assert desk.ledger.reasons() == {"request_timeout": 4}


@pytest.mark.parametrize("answer", [None, httpx.Response(503, content=b"")])
def test_a_service_that_nobody_reaches_costs_few_items_an_attempt(make_shop, answer):
    shop = make_shop(60)
    with (
        Stubborn(shop, lambda number, given: answer) as service,
        pytest.raises(LabelError, match="did not answer 20 requests in a row"),
    ):
        ask(shop, service)
    with shop.desk() as desk:
        assert desk.states()["open"] >= 30
    assert shop.run("chat") == {"answered": 60}


def test_half_a_surrogate_pair_in_an_answer_loses_no_other(make_shop):
    shop = make_shop(5)
    strange = httpx.Response(200, content=b'{"choices": [{"message": {"content": "\\ud800"}}]}')
    with Stubborn(shop, lambda number, given: strange if number == 1 else given) as service:
        ask(shop, service)
    assert shop.run("chat") == {"answered": 5}


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
