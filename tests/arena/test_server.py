"""What the server gives away, what it takes, and what it refuses."""

import threading

import pytest
from contenders import ITEMS, Drawn, questions
from fastapi.testclient import TestClient

from rushes.arena.box import open_box
from rushes.arena.draw import Ask, make_study
from rushes.arena.server import arena_app, links
from rushes.arena.study import read_closed
from rushes.runs.listening import listen

ASKED = questions(12, pictures=True)


@pytest.fixture
def box(tmp_path):
    ask = Ask(pairs=6, raters=("anna", "ben"), repeats=0.2, seed=3)
    make_study(tmp_path / "s", Drawn("tuned", ASKED), Drawn("older", ASKED), ask)
    with open_box(tmp_path / "s") as opened:
        yield opened


@pytest.fixture
def client(box):
    with TestClient(arena_app(box)) as made:
        yield made


@pytest.fixture
def here(box):
    return f"/r/{box.study.raters[0].token}"


def vote(client, here, position, choice="top", id=None):
    cast = {"id": id or f"{position:08d}", "position": position, "choice": choice, "ms": 900}
    answer = client.post(f"{here}/vote", json=cast)
    assert answer.status_code == 200
    return answer.json()


def test_a_page_is_told_this_pair_and_the_next_and_no_score(client, here, box):
    state = client.get(f"{here}/state").json()
    assert set(state) == {"phase", "position", "total", "left_s", "now", "next"}
    assert (state["phase"], state["position"], state["total"]) == ("voting", 0, 7)
    first = box.ballots["anna"].showings[0].pair
    assert state["now"] == {"position": 0, "text": first.text, "picture": first.picture is not None}
    assert vote(client, here, 0)["position"] == 1


def test_pictures_have_addresses_of_a_place_on_the_screen(client, here, box):
    shown = box.ballots["anna"].showings[0]
    for place, token in enumerate(shown.tiles(), start=1):
        answer = client.get(f"{here}/0/{place}.jpg")
        assert answer.content == (box.folder / "pictures" / f"{token}.jpg").read_bytes()
        assert answer.headers["content-type"] == "image/jpeg"
    assert client.get(f"{here}/0/9.jpg").status_code == 404
    assert client.get(f"{here}/2/1.jpg").status_code == 404  # two ahead
    assert client.get(f"{here}/1/1.jpg").status_code == 200


def test_both_lists_of_a_pair_are_answered_with_the_same_headers(client, here):
    headers = [dict(client.get(f"{here}/0/{place}.jpg").headers) for place in range(1, 9)]
    for one in headers:
        one.pop("content-length")
    assert all(one == headers[0] for one in headers)
    assert set(headers[0]) == {
        "content-type",
        "cache-control",
        "content-security-policy",
        "cross-origin-resource-policy",
        "referrer-policy",
        "x-content-type-options",
    }


def test_nothing_that_is_sent_names_a_system_an_item_or_a_slot(client, here, box):
    sent = [client.get(path).text for path in (here, "/page/arena.js", "/page/arena.css", f"{here}/state")]
    sent.append(str(vote(client, here, 0)))
    secrets = {"tuned", "older", "signature of", box.study.key_sha256, *ITEMS}
    secrets |= {pair.id for pair in box.study.pairs} | {t for pair in box.study.pairs for t in pair.lists[0]}
    for text in sent:
        assert not [secret for secret in secrets if secret in text]
    assert "stratum" not in sent[-1]


def test_the_key_is_never_opened(box, here):
    (box.folder / "key.json").unlink()
    with TestClient(arena_app(box)) as client:
        assert vote(client, here, 0)["position"] == 1


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/openapi.json", "/page/../study.json", "/page/key.json", "/r/0", "/r/0/state"]
)
def test_whatever_else_is_asked_is_not_there(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_policy_lets_no_other_host_in(client, here):
    policy = client.get(here).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    for path in (here, "/page/arena.js", "/page/arena.css"):
        assert "//" not in client.get(path).text.replace("// ", "")


@pytest.mark.parametrize(
    "cast",
    [
        {},
        {"id": "0" * 8, "position": 0, "choice": "A", "ms": 1},
        {"id": "../../etc/passwd", "position": 0, "choice": "top", "ms": 1},
        {"id": "0" * 8, "position": -1, "choice": "top", "ms": 1},
        {"id": "0" * 8, "position": 0, "choice": "top", "ms": -1},
        {"id": "0" * 8, "position": 0, "choice": "top", "ms": 10**12},
        {"id": "0" * 8, "position": 0, "choice": "top", "ms": 1, "slot": 0},
    ],
)
def test_strange_votes_are_refused(client, here, box, cast):
    assert client.post(f"{here}/vote", json=cast).status_code == 422
    assert box.ballots["anna"].position == 0


def test_nobody_sends_more_than_a_vote(client, here):
    assert client.post(f"{here}/vote", content=b"{" + b" " * 5000).status_code == 413
    endless = (b" " for _ in range(10))
    assert client.post(f"{here}/vote", content=endless).status_code == 413


def test_parts_without_a_length_are_refused_whatever_length_is_told_beside_them(client, here):
    """A server takes the parts then, and not the length."""
    both = {"content-length": "10", "transfer-encoding": "chunked"}
    assert client.post(f"{here}/vote", content=(b" " for _ in range(10)), headers=both).status_code == 413
    assert client.request("GET", f"{here}/state", content=b" " * 5000).status_code == 413


def test_two_pages_see_the_same_pair_and_one_vote_counts(client, here, box):
    assert vote(client, here, 0, "top", "a" * 8)["position"] == 1
    assert vote(client, here, 0, "bottom", "b" * 8)["position"] == 1  # the page that did not know is told
    assert [one.choice for one in box.ballots["anna"].standing] == ["top"]


def test_votes_of_many_pages_at_once_are_one_each(client, here, box):
    threads = [threading.Thread(target=vote, args=(client, here, 0, "tie", f"{n:08d}")) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert box.ballots["anna"].position == 1


def test_raters_have_places_of_their_own(client, here, box):
    vote(client, here, 0)
    theirs = f"/r/{box.study.raters[1].token}"
    assert client.get(f"{theirs}/state").json()["position"] == 0


def test_undo_and_finish_and_the_end(box):
    ended = []
    with TestClient(arena_app(box, lambda: ended.append(True))) as client:
        for rater in box.study.raters:
            here = f"/r/{rater.token}"
            for position in range(7):
                state = vote(client, here, position)
            assert (state["phase"], state["now"], state["next"]) == ("all judged", None, None)
            state = client.post(f"{here}/undo", json={"id": "e" * 8, "position": 7}).json()
            assert (state["phase"], state["position"]) == ("voting", 6)
            early = client.post(f"{here}/finish", json={"id": "d" * 8, "position": 6}).json()
            assert early["phase"] == "voting"
            vote(client, here, 6, "bottom", "c" * 8)
            assert not ended
            state = client.post(f"{here}/finish", json={"id": "f" * 8, "position": 7}).json()
            assert state["phase"] == "finished"
    assert ended == [True]
    assert read_closed(box.folder).unfinished == ()


def test_after_the_end_no_vote_is_taken(client, here, box):
    box.close()
    assert vote(client, here, 0)["phase"] == "closed"
    assert box.ballots["anna"].position == 0


def test_a_disk_that_refuses_is_told_and_the_page_may_try_again(client, here, box, monkeypatch):
    def full(*vote):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(box.ballots["anna"], "vote", full)
        cast = {"id": "0" * 8, "position": 0, "choice": "top", "ms": 900}
        answer = client.post(f"{here}/vote", json=cast)
    assert answer.status_code == 507
    assert "No space left" in answer.json()["detail"]
    assert vote(client, here, 0)["position"] == 1


def test_a_link_leads_to_the_socket_that_listens(box):
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert links(box, listening)["anna"] == f"http://127.0.0.1:{port}/r/{box.study.raters[0].token}"
