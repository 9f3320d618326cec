"""How a study is drawn, and that nothing in it but the key tells whose lists are whose."""

import json
import re
import stat

import numpy as np
import pytest
from contenders import ITEMS, Drawn, questions

from rushes.arena.box import open_box
from rushes.arena.draw import Ask, make_study
from rushes.arena.schedule import schedule
from rushes.arena.study import PICTURES, picture_path, read_closed, read_key, read_study
from rushes.errors import RecipeError, StageError
from rushes.media.image import jpeg_size

ASKED = questions(40, pictures=True)


@pytest.fixture
def study(tmp_path):
    ask = Ask(pairs=20, checks=3, raters=("anna", "ben"), seed=7)
    make_study(tmp_path / "study", Drawn("tuned", ASKED), Drawn("base", ASKED), ask)
    return tmp_path / "study"


def test_the_key_gives_back_what_both_systems_answered(study):
    made = read_study(study)
    key = read_key(study, made)
    systems = {"A": Drawn("tuned", ASKED), "B": Drawn("base", ASKED)}
    asked = {question.key: question for question in ASKED}
    plain = [pair for pair in made.pairs if pair.id not in key.checks]
    assert (len(plain), len(key.checks)) == (20, 3)
    for pair in plain:
        question = asked[key.questions[pair.id]]
        for slot in (0, 1):
            items = tuple(key.pictures[token] for token in pair.lists[slot])
            assert items == systems[key.system(pair.id, slot)].ranked(question, 4)
        assert pair.text == question.text
        assert pair.picture is None or key.pictures[pair.picture] == question.picture


def test_a_check_shows_answers_to_another_question_of_another_stratum(study):
    made = read_study(study)
    key = read_key(study, made)
    asked = {question.key: question for question in ASKED}
    for pair in made.pairs:
        if pair.id in key.checks:
            right, wrong = (
                tuple(key.pictures[token] for token in pair.lists[slot])
                for slot in (key.checks[pair.id], 1 - key.checks[pair.id])
            )
            answers = {
                name: {Drawn(name, ASKED).ranked(asked[key.questions[pair.id]], 4)}
                for name in ("tuned", "base")
            }
            assert right in answers["tuned"] | answers["base"]
            assert not set(right) & set(wrong)


def test_only_the_key_names_systems_questions_and_items(study):
    told = (study / "study.json").read_text()
    assert not re.search("tuned|base|item-|question-|signature", told)
    assert not any(ITEMS[0] in path.name for path in (study / PICTURES).iterdir())


def test_whoever_shares_the_machine_finds_neither_key_nor_link_nor_vote(study):
    with open_box(study) as box:
        box.close()
    for name in ("key.json", "study.json", "closed.json", "votes-anna.jsonl"):
        assert stat.S_IMODE((study / name).stat().st_mode) == 0o600


def test_a_disk_that_is_full_leaves_no_half_of_an_end(study, monkeypatch):
    """Of a study whose end is half written nobody could vote, and nobody could see the result."""

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with open_box(study) as box:
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", full)
            with pytest.raises(OSError, match="No space left"):
                box.close()
        assert read_closed(study) is None
        box.close()
    assert read_closed(study).unfinished == ("anna", "ben")


def test_slots_do_not_follow_from_the_seed(tmp_path):
    firsts = []
    for number in range(2):
        made = make_study(tmp_path / str(number), Drawn("a", ASKED), Drawn("b", ASKED), Ask(pairs=40, seed=7))
        key = read_key(tmp_path / str(number), made)
        firsts.append([key.first[pair.id] for pair in made.pairs])
        assert [pair.stratum for pair in made.pairs] == [
            pair.stratum for pair in read_study(tmp_path / "0").pairs
        ]
    assert firsts[0] != firsts[1]


def test_pictures_are_encoded_anew(tmp_path):
    class Told(Drawn):
        def picture(self, key):
            data = super().picture(key)
            comment = f"made by {self.name}".encode()
            return data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + data[2:]

    made = make_study(tmp_path / "s", Told("tuned", ASKED), Told("base", ASKED), Ask(pairs=5, seed=1))
    for pair in made.pairs:
        for token in (*pair.lists[0], *pair.lists[1]):
            data = picture_path(tmp_path / "s", token).read_bytes()
            assert b"made by" not in data
            assert jpeg_size(data) == (160, 160)


def test_of_each_cluster_one_question_is_asked(tmp_path):
    asked = questions(40, clusters=10)
    made = make_study(tmp_path / "s", Drawn("a", asked), Drawn("b", asked), Ask(pairs=10))
    key = read_key(tmp_path / "s", made)
    families = {int(name.removeprefix("question-")) % 10 for name in key.questions.values()}
    assert len(families) == 10
    with pytest.raises(RecipeError, match="10 have two different lists"):
        make_study(tmp_path / "t", Drawn("a", asked), Drawn("b", asked), Ask(pairs=11))


def test_identical_lists_are_counted_and_not_shown(tmp_path):
    same = {question.key: ITEMS[:4] for question in ASKED[:15]}
    a, b = Drawn("a", ASKED, same), Drawn("b", ASKED, same)
    made = make_study(tmp_path / "s", a, b, Ask(pairs=25))
    key = read_key(tmp_path / "s", made)
    assert set(key.identical) <= set(same)
    assert not set(key.identical) & set(key.questions.values())
    with pytest.raises(RecipeError, match="15 the same list twice"):
        make_study(tmp_path / "t", a, b, Ask(pairs=26))
    everywhere = {question.key: ITEMS[:4] for question in ASKED}
    with pytest.raises(RecipeError, match="name other systems"):
        make_study(tmp_path / "u", Drawn("a", ASKED, everywhere), Drawn("b", ASKED, everywhere), Ask(pairs=1))


@pytest.mark.parametrize(
    ("b", "said"),
    [
        (Drawn("b", questions(0)), "no question in common"),
        (Drawn("b", questions(40)), "mean different things"),
        (Drawn("b", ASKED, {question.key: ITEMS[:3] for question in ASKED}), "4 different items, found 3"),
        (Drawn("b", ASKED, {question.key: ITEMS[:1] * 4 for question in ASKED}), "4 different items"),
    ],
)
def test_systems_that_cannot_be_compared_are_refused(tmp_path, b, said):
    with pytest.raises(RecipeError, match=said):
        make_study(tmp_path / "s", Drawn("a", ASKED), b, Ask(pairs=5))


@pytest.mark.parametrize("raters", [(), ("a", "a"), ("../a",), ("Anna",)])
def test_raters_need_names_that_can_be_files(raters):
    with pytest.raises(RecipeError, match="names of their own"):
        Ask(raters=raters)


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, study):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("\\title")
    for folder, said in ((tmp_path / "mine", "must be empty, found thesis.tex"), (study, "there already")):
        with pytest.raises(StageError, match=said):
            make_study(folder, Drawn("a", ASKED), Drawn("b", ASKED), Ask(pairs=5))
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "thesis.tex").write_text("\\title")
    with pytest.raises(StageError, match="no folder can be made there"):
        make_study(tmp_path / "thesis.tex", Drawn("a", ASKED), Drawn("b", ASKED), Ask(pairs=5))


def test_what_was_broken_off_is_made_anew(study):
    (study / "study.json").rename(study / ".study.json.0123456789ab.tmp")
    made = make_study(study, Drawn("a", ASKED), Drawn("b", ASKED), Ask(pairs=5))
    tokens = {
        token for pair in made.pairs for tokens in (*pair.lists, (pair.picture,)) for token in tokens if token
    }
    assert {path.stem for path in (study / PICTURES).iterdir()} == tokens


def test_another_key_is_refused(study):
    key = json.loads((study / "key.json").read_text())
    key["first"] = {pair: "A" for pair in key["first"]}
    (study / "key.json").write_text(json.dumps(key))
    with pytest.raises(StageError, match="changed since"):
        read_key(study, read_study(study))


@pytest.mark.parametrize(
    "edit", [lambda text: text[:-50], lambda text: text.replace('"seed"', '"sead"'), lambda text: "[]"]
)
def test_a_damaged_study_says_so(study, edit):
    path = study / "study.json"
    path.write_text(edit(path.read_text()))
    with pytest.raises(StageError, match=r"study\.json does not hold"):
        read_study(study)


# --- order and sides ----------------------------------------------------------------------------------------


def test_every_rater_sees_each_pair_in_an_order_of_their_own(study):
    made = read_study(study)
    orders = [schedule(made, rater) for rater in (0, 1)]
    assert orders[0] == schedule(made, 0)
    assert orders[0] != orders[1]
    for order in orders:
        first = [showing.pair.id for showing in order if not showing.again]
        assert sorted(first) == sorted(pair.id for pair in made.pairs)


def test_repeats_come_later_and_on_other_sides(tmp_path):
    asked = questions(200)
    made = make_study(
        tmp_path / "s", Drawn("a", asked), Drawn("b", asked), Ask(pairs=150, repeats=0.1, seed=2)
    )
    order = schedule(made, 0)
    again = [place for place, showing in enumerate(order) if showing.again]
    assert len(again) == 15
    for place in again:
        before = next(p for p, one in enumerate(order) if one.pair.id == order[place].pair.id)
        assert place - before >= 20
        assert order[before].top == 1 - order[place].top


@pytest.mark.parametrize("pairs", [1, 2, 3, 17])
def test_small_studies_have_a_schedule_too(tmp_path, pairs):
    made = make_study(tmp_path / "s", Drawn("a", ASKED), Drawn("b", ASKED), Ask(pairs=pairs, repeats=0.2))
    assert len(schedule(made, 0)) == pairs + round(0.2 * pairs)


def test_sides_are_balanced_for_every_rater(tmp_path):
    made = make_study(tmp_path / "s", Drawn("a", ASKED), Drawn("b", ASKED), Ask(pairs=39, repeats=0.0))
    tops = np.array([[one.top for one in schedule(made, rater)] for rater in range(260)])
    assert set(tops.sum(axis=1)) <= {19, 20}
    assert abs(tops.mean() - 0.5) < 0.01  # of 10,140
    assert abs(np.corrcoef(tops[::2].ravel(), tops[1::2].ravel())[0, 1]) < 0.05
