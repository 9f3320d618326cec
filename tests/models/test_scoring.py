import numpy as np
import pytest
import torch

from rushes.contract import ANSWER_FIELDS, Turn
from rushes.models import vlm as family
from rushes.models.chat import after_prompt
from rushes.models.pixels import patchify
from rushes.models.scoring import Continuation, stretch

OPEN, START, END, NEXT = (text for _, text in ANSWER_FIELDS)
WORDS = ("Pick", "Tape", "Label", "Press")  # one token each
SPELT = ("Pick", "Zip it", "Zap", "Z", "Tape off")  # partly or wholly spelt by characters
ASKED = (0.0, 3.3, 4.9)


def clip(vlm, noise, number, *answer):
    """One of three clips of unlike length with the beginning of an answer."""
    patches, grid = patchify(noise(2 * number + 2, 56, 84, number))
    times = np.linspace(0.0, 4.5, 2 * number + 2).tolist()
    turn = Turn(vlm.contract.ask(ASKED[number]), answer)
    return vlm.chat().encode(grid, times, [turn]), patches, grid


def reading(vlm, noise, numbers, *answer):
    clips, patches, grids = zip(*(clip(vlm, noise, number, *answer) for number in numbers), strict=True)
    batch = family.collate(clips, patches, grids, vlm.tokenizer.pad_token_id)
    return Continuation.of(vlm, batch, [len(made.ids) for made in clips])


def by_force(vlm, noise, number, choices, *answer):
    """Probabilities from one full forward pass for each choice."""
    totals = []
    for choice in choices:
        encoded, patches, grid = clip(vlm, noise, number, *answer, choice)
        batch = family.collate([encoded], [patches], [grid], vlm.tokenizer.pad_token_id)
        log = family.forward(vlm, batch)[0][0].double().log_softmax(dim=-1)
        size = len(vlm.chat().tokens(choice))
        totals.append(sum(log[place - 1, encoded.ids[place]] for place in range(len(log) - size, len(log))))
    return torch.stack(totals).softmax(dim=0).numpy()


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("choices", [WORDS, SPELT, SPELT[1:], ("Zip it",)], ids=len)
def test_scores_are_those_of_full_passes(shared_vlm, noise, choices):
    state = reading(shared_vlm, noise, (0, 1, 2), OPEN)
    scores = state.score([shared_vlm.chat().tokens(choice) for choice in choices])
    assert scores.shape == (3, len(choices))
    np.testing.assert_allclose(scores.sum(axis=1), 1.0)
    for row in range(3):
        np.testing.assert_allclose(
            scores[row], by_force(shared_vlm, noise, row, choices, OPEN), rtol=1e-4, atol=1e-7
        )


def test_scores_after_reading_are_those_of_full_passes(shared_vlm, noise):
    """Rows read values of unlike length, then score again, then read once more."""
    tokens = shared_vlm.chat().tokens
    state = reading(shared_vlm, noise, (0, 1, 2), OPEN)
    said = ("Pick", "Zip it", "Zap")
    state.read([[*tokens(word), *tokens(START)] for word in said])
    moments = ("0.0", "2.4", "9.99")
    scores = state.score([tokens(moment) for moment in moments])
    for row, word in enumerate(said):
        expected = by_force(shared_vlm, noise, row, moments, OPEN, word, START)
        np.testing.assert_allclose(scores[row], expected, rtol=1e-4, atol=1e-7)
    state.read([[*tokens("2.4"), *tokens(END)]] * 3)
    scores = state.score([tokens(word) for word in SPELT])
    for row, word in enumerate(said):
        expected = by_force(shared_vlm, noise, row, SPELT, OPEN, word, START, "2.4", END)
        np.testing.assert_allclose(scores[row], expected, rtol=1e-4, atol=1e-7)


def test_scoring_changes_nothing(shared_vlm, noise):
    tokens = shared_vlm.chat().tokens
    state = reading(shared_vlm, noise, (0, 1), OPEN)
    first = state.score([tokens(word) for word in SPELT])
    np.testing.assert_array_equal(state.score([tokens(word) for word in SPELT]), first)


def test_the_order_of_choices_is_kept(shared_vlm, noise):
    state = reading(shared_vlm, noise, (0, 1), OPEN)
    pieces = [shared_vlm.chat().tokens(word) for word in SPELT]
    np.testing.assert_allclose(state.score(pieces[::-1])[:, ::-1], state.score(pieces), atol=1e-7)


def test_other_questions_behind_one_reading_are_as_if_asked_alone(shared_vlm, noise):
    """The pictures are read once; then each row is asked about several moments, and about one more."""
    chat, contract = shared_vlm.chat(), shared_vlm.contract
    made = [clip(shared_vlm, noise, number)[1:] for number in (0, 1, 2)]
    prompts = [
        chat.encode(grid, np.linspace(0.0, 4.5, 2 * number + 2).tolist(), [])
        for number, (_, grid) in enumerate(made)
    ]
    patches, grids = zip(*made, strict=True)
    batch = family.collate(prompts, patches, grids, shared_vlm.tokenizer.pad_token_id)
    state = Continuation.of(shared_vlm, batch, [len(prompt.ids) for prompt in prompts])
    after = [after_prompt(prompt.positions) for prompt in prompts]

    def ask(asked_s, row, *answer):
        ids, positions, _ = chat.turn(Turn(contract.ask(asked_s), answer), after[row])
        return ids, positions

    pieces = [chat.tokens(word) for word in SPELT]
    moments = (ASKED[0], 1.7, ASKED[1], ASKED[2])
    ways = state.branch(len(moments))
    ways.read(*zip(*(ask(moment, row, OPEN) for row in range(3) for moment in moments), strict=True))
    scores = ways.score(pieces).reshape(3, len(moments), -1)
    for row in range(3):
        expected = by_force(shared_vlm, noise, row, SPELT, OPEN)
        np.testing.assert_allclose(scores[row, moments.index(ASKED[row])], expected, rtol=1e-4, atol=1e-7)
    said = (("Zip it", START, "0.0"), ("Pick", START, "9.99"), ("Tape", START, "1.0"))
    state.read(*zip(*(ask(ASKED[row], row, OPEN, *said[row], END) for row in range(3)), strict=True))
    for row, scored in enumerate(state.score(pieces)):
        expected = by_force(shared_vlm, noise, row, SPELT, OPEN, *said[row], END)
        np.testing.assert_allclose(scored, expected, rtol=1e-4, atol=1e-7)


def test_a_branch_leaves_its_stem_alone(shared_vlm, noise):
    tokens = shared_vlm.chat().tokens
    state = reading(shared_vlm, noise, (0, 1), OPEN)
    before = state.score([tokens(word) for word in WORDS])
    state.branch(3).read([tokens("Zip it")] * 6)
    np.testing.assert_array_equal(state.score([tokens(word) for word in WORDS]), before)


def test_stretch_is_the_likeliest_around_the_asked_moment():
    rng = np.random.default_rng(0)
    for _ in range(500):
        log_odds = rng.normal(size=int(rng.integers(1, 12)))
        asked = int(rng.integers(len(log_odds)))
        first, last = stretch(log_odds, asked)
        assert 0 <= first <= asked <= last < len(log_odds)
        best = max(
            log_odds[low : high + 1].sum() for low in range(asked + 1) for high in range(asked, len(log_odds))
        )
        assert log_odds[first : last + 1].sum() == pytest.approx(best)


def test_stretch_of_nothing_is_the_asked_moment():
    assert stretch(np.full(7, -1.0), 3) == (3, 3)
    assert stretch(np.zeros(7), 3) == (3, 3)
    assert stretch(np.ones(7), 3) == (0, 6)
