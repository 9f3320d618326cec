import numpy as np
import pytest
import torch

from rushes.models import vlm as family
from rushes.models.pixels import Pictures, patchify
from rushes.models.scoring import Continuation
from rushes.recipe.turns import Turn

OPEN, NEXT = '{"operation": "', '", "next": "'
WORDS = ("Pick", "Tape", "Label", "Press")  # one token each
SPELT = ("Pick", "Zip it", "Zap", "Z", "Tape off")  # partly or wholly spelt by characters


def times(number):
    return np.linspace(0.0, 4.5, 2 * number + 2).tolist()


def clip(vlm, noise, number, *answer, pair=None):
    """One of three clips of unlike length, an answer begun behind a pair, by default the last one."""
    shown = Pictures.of([noise(2 * number + 2, 56, 84, number)])
    turn = Turn(vlm.preprocessing.question, answer)
    asked = number if pair is None else pair
    return vlm.chat().encode(shown.view, times(number), [(asked, turn)]), shown


def reading(vlm, noise, numbers, *answer):
    clips, pictures = zip(*(clip(vlm, noise, number, *answer) for number in numbers), strict=True)
    batch = family.collate(clips, pictures, vlm.tokenizer.pad_token_id)
    return Continuation.of(vlm, batch, [len(made.ids) for made in clips])


def by_force(vlm, noise, number, choices, *answer, pair=None):
    """Probabilities from one full forward pass for each choice."""
    totals = []
    for choice in choices:
        encoded, shown = clip(vlm, noise, number, *answer, choice, pair=pair)
        batch = family.collate([encoded], [shown], vlm.tokenizer.pad_token_id)
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
    state.read([[*tokens(word), *tokens(NEXT)] for word in said])
    moments = ("0.0", "2.4", "9.99")
    scores = state.score([tokens(moment) for moment in moments])
    for row, word in enumerate(said):
        expected = by_force(shared_vlm, noise, row, moments, OPEN, word, NEXT)
        np.testing.assert_allclose(scores[row], expected, rtol=1e-4, atol=1e-7)
    state.read([[*tokens("2.4"), *tokens(NEXT)]] * 3)
    scores = state.score([tokens(word) for word in SPELT])
    for row, word in enumerate(said):
        expected = by_force(shared_vlm, noise, row, SPELT, OPEN, word, NEXT, "2.4", NEXT)
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


def test_questions_behind_every_pair_are_as_if_asked_alone(shared_vlm, noise):
    """The pictures are read once; the last pair of shorter clips is asked about again."""
    chat = shared_vlm.chat()
    pictures = [clip(shared_vlm, noise, number)[1] for number in range(3)]
    grids = [shown.view for shown in pictures]
    prompts = [chat.prompt(grid, times(number)) for number, grid in enumerate(grids)]
    clips = [chat.encode(grid, times(number), []) for number, grid in enumerate(grids)]
    batch = family.collate(clips, pictures, shared_vlm.tokenizer.pad_token_id)
    state = Continuation.of(shared_vlm, batch, [len(encoded.ids) for encoded in clips])
    asking, _ = chat.turn(Turn(shared_vlm.preprocessing.question, (OPEN,)))
    asked = [(row, min(pair, row)) for row in range(3) for pair in range(3)]
    ways = state.branch(3, [prompts[row].ends[pair] for row, pair in asked])
    ways.read([asking] * 9, [prompts[row].after(pair) + np.arange(len(asking)) for row, pair in asked])
    pieces = [chat.tokens(word) for word in SPELT]
    for (row, pair), scored in zip(asked, ways.score(pieces), strict=True):
        expected = by_force(shared_vlm, noise, row, SPELT, OPEN, pair=pair)
        np.testing.assert_allclose(scored, expected, rtol=1e-4, atol=1e-7)
    said = [SPELT[(row + pair) % len(SPELT)] for row, pair in asked]
    ways.read([[*chat.tokens(word), *chat.tokens(NEXT)] for word in said])
    for (row, pair), word, scored in zip(asked, said, ways.score(pieces), strict=True):
        expected = by_force(shared_vlm, noise, row, SPELT, OPEN, word, NEXT, pair=pair)
        np.testing.assert_allclose(scored, expected, rtol=1e-4, atol=1e-7)


def test_a_branch_that_sees_less_is_a_shorter_clip(shared_vlm, noise):
    """What a question behind a pair hears is what it would hear if the clip ended there."""
    chat, turn = shared_vlm.chat(), Turn(shared_vlm.preprocessing.question, (OPEN,))
    patches, grid = patchify(noise(6, 56, 84))
    times_s, per_pair = times(2), len(patches) // grid[0]
    whole = chat.encode(grid, times_s, [])
    batch = family.collate([whole], [Pictures(patches, (grid,), grid)], shared_vlm.tokenizer.pad_token_id)
    prompt, (asking, _) = chat.prompt(grid, times_s), chat.turn(turn)
    ways = Continuation.of(shared_vlm, batch, [len(whole.ids)]).branch(3, prompt.ends)
    ways.read([asking] * 3, [prompt.after(pair) + np.arange(len(asking)) for pair in range(3)])
    pieces = [chat.tokens(word) for word in SPELT]
    scores = ways.score(pieces)
    for pair in range(3):
        cut = (pair + 1, *grid[1:])
        short = chat.encode(cut, times_s[: 2 * pair + 2], [(pair, turn)])
        batch = family.collate(
            [short],
            [Pictures(patches[: per_pair * (pair + 1)], (cut,), cut)],
            shared_vlm.tokenizer.pad_token_id,
        )
        alone = Continuation.of(shared_vlm, batch, [len(short.ids)]).score(pieces)
        np.testing.assert_allclose(scores[pair], alone[0], rtol=1e-4, atol=1e-7)
    assert np.abs(np.diff(scores, axis=0)).max() > 1e-3  # the pairs are not all alike


def test_a_branch_leaves_its_stem_alone(shared_vlm, noise):
    tokens = shared_vlm.chat().tokens
    state = reading(shared_vlm, noise, (0, 1), OPEN)
    before = state.score([tokens(word) for word in WORDS])
    state.branch(3).read([tokens("Zip it")] * 6)
    np.testing.assert_array_equal(state.score([tokens(word) for word in WORDS]), before)
