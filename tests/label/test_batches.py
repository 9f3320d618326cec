"""The batch machine against the offline service: every state, every failure, nothing lost and nothing paid twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import httpx
import pytest

from rushes.errors import LabelError
from rushes.label.ledger import Account
from rushes.label.money import Purse, spent_usd
from rushes.label.offline.faults import Faults
from rushes.label.offline.world import Pace, World
from rushes.label.service import Service
from rushes.label.tickets import SERVER_STATES

FREE = Purse(yes=True)


def made(world: World) -> Counter[tuple[str, str]]:
    """Batches at the service by file and sending."""
    return Counter(
        (one["metadata"]["rushes_file"], one["metadata"]["rushes_send"]) for one in world.batches()
    )


def test_every_item_gets_its_answer_and_the_picture_wins_over_the_title(make_shop):
    shop = make_shop(12)
    assert shop.run() == {"answered": 12}
    head, *rows = shop.csv()
    assert head == "id,title,clean_title,style,material,color,object_type,model,question,finish,shrunk"
    assert [row.split(",")[5] for row in rows[:3]] == ["red", "blue", "green"]
    assert rows[1].split(",")[2:5] == ["blue oak chair no", "", "oak"]
    assert {state for ticket in shop.told for state in (ticket.state,)} >= {
        "prepared",
        "validating",
        "completed",
    }


def test_a_second_run_asks_nothing(make_shop):
    shop = make_shop(6)
    shop.run()
    before = shop.csv()
    assert shop.run() == {"answered": 6}
    assert len(shop.world.batches()) == 1
    assert shop.csv() == before


@pytest.mark.parametrize("seed", range(3))
def test_lost_doubled_shuffled_failed_and_unreadable_lines_are_all_accounted_for(make_shop, seed):
    shop = make_shop(120, Faults.of("many", seed))
    shop.with_limits(file_requests=50)
    states = shop.run()
    with shop.desk() as desk:
        accounts = desk.ledger.accounts()
        reasons = desk.ledger.reasons()
    assert sum(states.values()) == 120
    assert states["answered"] + states.get("refused", 0) == 120
    assert set(reasons) <= {"refusal"}
    for account in accounts.values():
        assert account.ok + account.error + account.missing == account.asked
    assert sum(account.duplicates for account in accounts.values()) > 0
    assert sum(account.missing for account in accounts.values()) > 0
    assert len(shop.csv()) == 1 + states["answered"]
    quarantined = (shop.folder / "labels" / "quarantine.jsonl").read_text().splitlines()
    assert len(quarantined) == states.get("refused", 0)
    assert set(made(shop.world).values()) == {1}


def test_of_a_batch_that_expires_at_60_percent_exactly_the_other_40_are_sent_again(make_shop):
    shop = make_shop(50, Faults(expires_at=0.6, expiring=1, shuffled=True))
    assert shop.run() == {"answered": 50}
    second, first = shop.world.batches()
    assert (first["status"], second["status"]) == ("expired", "completed")
    assert first["request_counts"] == {"total": 50, "completed": 30, "failed": 20}
    assert second["request_counts"]["total"] == 20
    with shop.desk() as desk:
        asked = [set(desk.tickets.ids(ticket.name)) for ticket in desk.tickets]
    assert len(asked[0]) == 50
    assert len(asked[0] & asked[1]) == 20


def test_a_batch_that_somebody_cancels_keeps_what_is_done_and_the_rest_is_sent_again(make_shop):
    shop = make_shop(20, pace=Pace(request_s=10.0))
    with shop.desk() as desk, shop.service() as service:
        batches = desk.batches(service, FREE, shop.told.append)
        desk.cut(shop.told.append)
        batches.step()
        shop.clock.sleep(62.0)  # two to validate, and six requests
        shop.world.cancel(shop.world.batches()[0]["id"])
        batches.step()
        (ticket,) = desk.tickets
        assert ticket.state == "cancelling"
        shop.clock.sleep(60.0)
        assert batches.step() is None
        (account,) = desk.ledger.accounts().values()
    assert (account.ok, account.error, account.missing) == (6, 14, 0)
    assert shop.run() == {"answered": 20}
    assert shop.world.batches()[0]["request_counts"]["total"] == 14


def test_another_prompt_or_schema_takes_no_old_answer_and_the_old_question_finds_all_of_its_own(make_shop):
    shop = make_shop(6)
    shop.run()
    first, asked = shop.csv(), shop.asked
    shop.asked = asked.model_copy(update={"instructions": "Tell me all."})
    with shop.desk() as desk:
        assert desk.states()["open"] == 6
    assert shop.run() == {"answered": 6}
    assert {row.split(",")[-3] for row in shop.csv()[1:]}.isdisjoint(row.split(",")[-3] for row in first[1:])
    fewer = {"color": asked.attributes["color"]}
    shop.asked = asked.model_copy(update={"attributes": fewer})
    assert shop.run() == {"answered": 6}
    assert shop.csv()[0] == "id,title,color,model,question,finish,shrunk"
    shop.asked = asked
    assert shop.run() == {"answered": 6}
    assert shop.csv() == first
    assert len(shop.world.batches()) == 3


# --- killed in between --------------------------------------------------------------------------------------


def test_a_batch_that_was_made_before_a_kill_is_found_and_not_made_again(make_shop):
    """The process dies after the service has made the batch, and before it wrote that down."""
    shop = make_shop(6)
    with shop.desk() as desk, shop.service() as service:
        desk.cut(shop.told.append)
        batches = desk.batches(service, FREE, shop.told.append)
        batches.step(collect=False)
        (ticket,) = desk.tickets
        desk.tickets.save(replace(ticket, state="prepared", meant="create", batch_id=None))
    assert shop.run() == {"answered": 6}
    assert len(shop.world.batches()) == 1


def test_a_batch_that_was_meant_and_not_made_is_made_once_it_cannot_be_on_its_way_any_more(make_shop):
    shop = make_shop(6)
    with shop.desk() as desk, shop.service() as service:
        desk.cut(shop.told.append)
        (ticket,) = desk.tickets
        now_s = shop.clock.now()
        file_id = service.upload(desk.tickets.requests(ticket.name), "anything.jsonl")
        desk.tickets.save(replace(ticket, meant="create", meant_s=now_s, sends=1, file_id=file_id))
        batches = desk.batches(service, FREE, shop.told.append)
        assert batches.step() == pytest.approx(5.0)
        assert shop.world.batches() == []
        shop.clock.sleep(5.0)
        batches.step()
    assert made(shop.world) == {("000001-batch", "2"): 1}


def test_a_file_that_was_sent_before_a_kill_is_not_sent_again(make_shop):
    shop = make_shop(6)
    with shop.desk() as desk, shop.service() as service:
        desk.cut(shop.told.append)
        desk.batches(service, FREE, shop.told.append).step(collect=False)
        (ticket,) = desk.tickets
        shop.world.cancel(ticket.batch_id)
        desk.tickets.save(replace(ticket, state="prepared", meant="upload", batch_id=None, file_id=None))
    shop.run()
    assert len(shop.world.files.told("batch")) == 1


def test_the_index_can_be_deleted(make_shop):
    shop = make_shop(30, Faults.of("some", 3))
    states, rows = shop.run(), shop.csv()
    (index,) = (shop.folder / "labels").glob("index-*.sqlite")
    index.unlink()
    assert shop.run() == states
    assert shop.csv() == rows


# --- the service is difficult -------------------------------------------------------------------------------


def test_the_queue_of_the_account_is_never_overfilled(make_shop):
    shop = make_shop(60, pace=Pace(queue_tokens=8_000))
    shop.with_limits(queue_tokens=8_000)
    assert shop.run() == {"answered": 60}
    assert len(shop.world.batches()) > 1
    assert {one["status"] for one in shop.world.batches()} == {"completed"}


def test_a_queue_that_others_fill_is_waited_for(make_shop):
    shop = make_shop(40, pace=Pace(queue_tokens=20_000, request_s=30.0))
    shop.with_limits(queue_tokens=20_000, file_requests=20)
    with shop.desk() as desk, shop.service() as service:
        desk.cut(shop.told.append)
        service.upload(desk.tickets.requests("000001-batch"), "of-somebody-else.jsonl")
        other = service.create(shop.world.files.told("batch")[0]["id"], {"of": "somebody else"})
        assert other["status"] == "validating"
    shop.with_limits(queue_tokens=1_000_000)
    shop.world.pace = replace(shop.world.pace, queue_tokens=12_000)
    assert shop.run() == {"answered": 40}
    failed = [one for one in shop.world.batches() if one["status"] == "failed"]
    assert {one["errors"]["data"][0]["code"] for one in failed} == {"token_limit_exceeded"}


def test_a_file_that_no_queue_takes_is_told_after_a_few_tries(make_shop):
    shop = make_shop(20, pace=Pace(queue_tokens=1_000))
    with pytest.raises(LabelError, match="token_limit_exceeded") as caught:
        shop.run()
    assert "queue_tokens" in caught.value.cure
    assert 1 < len(shop.world.batches()) < 10


def test_a_finished_batch_without_its_output_and_a_file_that_is_not_found_are_waited_for(make_shop):
    shop = make_shop(6, Faults(hidden_looks=3, missing_looks=3))
    assert shop.run() == {"answered": 6}
    assert len(shop.world.batches()) == 1


def test_what_is_paid_for_and_never_found_is_asked_again_only_by_word(make_shop):
    shop = make_shop(6, Faults(missing_looks=10_000))
    with pytest.raises(LabelError, match="which is paid for") as caught:
        shop.run()
    assert "--forget 000001-batch" in caught.value.cure
    assert len(shop.world.batches()) == 1
    shop.world.faults = Faults()
    with shop.desk() as desk:
        with pytest.raises(LabelError, match="no file 000009-batch"):
            desk.forget("000009-batch")
        desk.forget("000001-batch")
    assert shop.run() == {"answered": 6}
    assert len(shop.world.batches()) == 2


def test_a_model_that_is_not_there_stops_the_work_and_its_cure_goes_on(make_shop):
    shop = make_shop(8)
    good = shop.asked
    shop.asked = good.model_copy(update={"model": "no-such-model"})
    with pytest.raises(LabelError, match="refuses 8 of 8 requests: model_not_found") as caught:
        shop.run()
    assert "--model" in caught.value.cure
    shop.asked = good
    assert shop.run() == {"answered": 8}


def test_a_wrong_key_is_told_and_is_in_no_file_and_no_message(make_shop):
    shop = make_shop(3)
    with shop.desk() as desk, shop.service("wrong") as service:
        desk.cut(shop.told.append)
        with pytest.raises(LabelError, match="401") as caught:
            desk.batches(service, FREE, shop.told.append).step()
    assert "--key-env" in caught.value.cure
    assert "wrong" not in str(caught.value)
    assert not any(
        b"wrong" in path.read_bytes() for path in (shop.folder / "labels").rglob("*") if path.is_file()
    )


def test_a_picture_that_cannot_be_read_is_set_aside_with_its_reason(make_shop):
    from rushes.errors import MediaError

    def broken():
        raise MediaError("cannot read a JPEG of 3 bytes: cut short")

    shop = make_shop(4)
    shop.rows[2] = replace(shop.rows[2], picture=broken)
    assert shop.run() == {"answered": 3, "refused": 1}
    assert "cut short" in (shop.folder / "labels" / "quarantine.jsonl").read_text()


def test_an_item_that_is_never_answered_is_asked_a_bounded_number_of_times(make_shop):
    shop = make_shop(4, Faults(shares={"not_run": 1.0}))
    assert shop.run() == {"exhausted": 4}
    assert len(shop.world.batches()) == 9
    with shop.desk() as desk:  # also beside others that are to be asked
        assert [desk.ledger.level_of(row, 9) for row in shop.rows] == [None] * 4


def test_an_answer_that_is_cut_off_is_asked_with_a_smaller_question(make_shop):
    shop = make_shop(4, Faults(shares={"cut": 1.0}))
    assert shop.run() == {"answered": 4}
    assert {row.split(",")[-1] for row in shop.csv()[1:]} == {"1"}


def test_two_items_with_one_key_are_refused(make_shop):
    shop = make_shop(3)
    shop.rows.append(shop.rows[0])
    with pytest.raises(LabelError, match="same key"):
        shop.run()


# --- time, another question, strange answers ------------------------------------------------------------------


def test_files_of_another_question_that_were_not_sent_are_never_paid_for(make_shop):
    """Somebody reads the first requests, finds the prompt wrong, and mends it."""
    shop = make_shop(6)
    with shop.desk() as desk:
        desk.cut(shop.told.append)
    shop.asked = shop.asked.model_copy(update={"instructions": "Tell me all."})
    assert shop.run() == {"answered": 6}
    assert [one["metadata"]["rushes_file"] for one in shop.world.batches()] == ["000002-batch"]
    with shop.desk() as desk:
        (first, _) = desk.tickets
    assert (first.state, first.meant) == ("prepared", "")


def test_a_batch_of_another_question_that_may_have_been_made_is_looked_for_and_not_made(make_shop):
    shop = make_shop(6)
    with shop.desk() as desk:
        desk.cut(shop.told.append)
        (ticket,) = desk.tickets
        desk.tickets.save(
            replace(ticket, meant="create", meant_s=shop.clock.now(), sends=1, file_id="file-1")
        )
    shop.asked = shop.asked.model_copy(update={"instructions": "Tell me all."})
    assert shop.run() == {"answered": 6}
    assert [one["metadata"]["rushes_file"] for one in shop.world.batches()] == ["000002-batch"]


@pytest.mark.parametrize("meant", ["", "create"])
def test_a_clock_that_was_ahead_and_is_put_right_delays_nothing(make_shop, meant):
    shop = make_shop(6)
    with shop.desk() as desk, shop.service() as service:
        desk.cut(shop.told.append)
        (ticket,) = desk.tickets
        file_id = service.upload(desk.tickets.requests(ticket.name), "anything.jsonl")
        year_s = shop.clock.now() + 3e7
        desk.tickets.save(
            replace(ticket, meant=meant, meant_s=year_s, sends=1, file_id=file_id, wait_until_s=year_s)
        )
    began_s = shop.clock.now()
    assert shop.run() == {"answered": 6}
    assert shop.clock.now() - began_s < 7200.0


def test_a_batch_is_found_whatever_the_clock_of_this_machine_says(make_shop):
    """Others made batches meanwhile, and all are older than the note here says: the clock is days ahead."""
    shop = make_shop(6)
    with shop.desk() as desk, shop.service() as service:
        desk.cut(shop.told.append)
        desk.batches(service, FREE, shop.told.append).step(collect=False)
        (ticket,) = desk.tickets
        service.create(ticket.file_id, {"of": "somebody else"})
        ahead_s = shop.clock.now() + 9e5
        desk.tickets.save(replace(ticket, state="prepared", meant="create", meant_s=ahead_s, batch_id=None))
    shop.clock.sleep(9.1e5)
    assert shop.run() == {"answered": 6}
    assert len(shop.world.batches()) == 2


class Garbled(Service):
    """Reads an answer to `create` that was garbled on its way."""

    def _whole(self, response):
        found = super()._whole(response)
        made = response.request.method == "POST" and response.request.url.path.endswith("/batches")
        return httpx.Response(200, content=b"<html>", request=response.request) if made else found


def test_a_batch_whose_making_was_answered_with_something_else_is_not_made_twice(make_shop):
    shop = make_shop(6)
    with shop.desk() as desk, Garbled(shop.url, "", shop.clock) as service:
        desk.cut(shop.told.append)
        desk.batches(service, FREE, shop.told.append).step()
        (ticket,) = desk.tickets
        assert (ticket.state, ticket.meant) == ("prepared", "create")
    assert shop.run() == {"answered": 6}
    assert len(shop.world.batches()) == 1


class Told(Service):
    """Tells of each batch something else."""

    def __init__(self, shop, **changed):
        super().__init__(shop.url, "", shop.clock)
        self.changed = changed

    def batch(self, name):
        return {**super().batch(name), **self.changed}


def run_to_the_end(shop, service):
    with shop.desk() as desk:
        desk.cut(shop.told.append)
        batches = desk.batches(service, FREE, shop.told.append)
        while (wait_s := batches.step()) is not None:
            shop.clock.sleep(wait_s)


@pytest.mark.parametrize(
    "changed", [{"request_counts": [1]}, {"errors": {"data": [7]}}, {"errors": 3}, {"id": None}]
)
def test_what_is_told_of_a_batch_in_another_form_changes_nothing(make_shop, changed):
    shop = make_shop(6)
    with Told(shop, **changed) as service, pytest.raises(LabelError, match="otherwise than the API"):
        run_to_the_end(shop, service)
    assert shop.run() == {"answered": 6}
    assert len(shop.world.batches()) == 1


def test_a_finished_batch_that_names_no_file_and_no_count_is_not_taken_for_one_without_answers(make_shop):
    shop = make_shop(6)
    hidden = {"output_file_id": None, "error_file_id": None, "request_counts": None}
    with Told(shop, **hidden) as service, pytest.raises(LabelError, match="which is paid for"):
        run_to_the_end(shop, service)
    assert shop.run() == {"answered": 6}
    assert len(shop.world.batches()) == 1


def test_only_what_labelling_left_half_written_is_swept(make_shop):
    shop = make_shop(3)
    folder = shop.folder / "labels"
    ours = [
        folder / ".attributes.csv.0123456789ab.tmp",
        folder / "asked" / ".000001-batch.json.0123456789ab.tmp",
    ]
    others = [
        folder / ".thesis.tex.0123456789ab.tmp",
        folder / "work" / "train-1" / ".model.pt.0123456789ab.tmp",
    ]
    for path in (*ours, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with shop.desk():
        assert [path.exists() for path in (*ours, *others)] == [False, False, True, True]


# --- money ------------------------------------------------------------------------------------------------


def test_nothing_is_sent_before_somebody_agreed_to_pay(make_shop):
    shop = make_shop(5)
    shop.asked = shop.asked.model_copy(update={"model": "gpt-5-mini"})
    with pytest.raises(LabelError, match=r"5 items are to be asked, for about \$0.00"):
        shop.run(purse=Purse())
    with pytest.raises(LabelError, match="more than the"):
        shop.run(purse=Purse(budget_usd=1e-6))
    assert shop.world.files.told(None) == []
    assert shop.run(purse=Purse(budget_usd=1.0)) == {"answered": 5}


def test_what_was_asked_one_by_one_was_spent_at_its_own_price():
    one = Account(1, 1, 0, 0, 0, 0, 0, 0, 1, 1_000_000, 0)
    assert spent_usd("gpt-5-mini", {"000001-chat": one}) == pytest.approx(0.25)
    assert spent_usd("gpt-5-mini", {"000001-chat": one, "000002-batch": one}) == pytest.approx(0.375)
    assert spent_usd("of-my-own", {}) is None


def test_a_smoke_batch_counts_and_measures(make_shop):
    shop = make_shop(30)
    assert shop.run(only=10) == {"answered": 10, "left": 20}
    with shop.desk() as desk:
        assert desk.tariff(batch=True).measured == 10
        assert desk.states()["open"] == 20
    assert shop.run() == {"answered": 30}
    assert sum(one["request_counts"]["total"] for one in shop.world.batches()) == 30


def test_a_smoke_batch_sends_no_file_that_waits_already(make_shop):
    shop = make_shop(30)
    with shop.desk() as desk:
        desk.cut(shop.told.append)
    with shop.desk(only=5) as desk:
        desk.require_no_more(30)
        with pytest.raises(LabelError, match="30 items wait to be sent already") as caught:
            desk.require_no_more(5)
        assert caught.value.cure.endswith("--forget 000001-batch")
        desk.forget("000001-batch")
        desk.require_no_more(5)
    assert shop.run(only=5) == {"answered": 5, "left": 25}


def test_the_states_are_those_of_the_api():
    assert set(SERVER_STATES) == {
        "validating",
        "failed",
        "in_progress",
        "finalizing",
        "completed",
        "expired",
        "cancelling",
        "cancelled",
    }
