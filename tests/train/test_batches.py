from contextlib import closing

import pytest

from rushes.train.batches import Batches, MicroBatch, sample_generator, sample_order


def draws(samples, generators):
    """Each sample beside a number of its own generator."""
    pairs = zip(samples, generators, strict=True)
    return {"drawn": [(sample, float(generator.random())) for sample, generator in pairs]}


class Faulty:
    def __len__(self):
        return 10

    def __getitem__(self, index):
        raise LookupError(f"sample {index}")


def sequence(batch_size, threads=0, count=60, first=0):
    batches = Batches(list(range(10, 17)), draws, batch_size, seed=3, threads=threads)
    numbers = range(first // batch_size, count // batch_size)
    return [pair for micro in batches.stream(numbers) for pair in micro.batch["drawn"]]


def test_batch_size_and_threads_change_nothing():
    whole = sequence(1)
    assert sequence(4) == sequence(4, threads=3) == sequence(10, threads=1) == whole
    assert sequence(2, first=30) == whole[30:]


def test_each_epoch_is_another_permutation():
    samples = [sample for sample, _ in sequence(1)]
    epochs = [samples[at : at + 7] for at in range(0, 56, 7)]
    assert all(sorted(epoch) == list(range(10, 17)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_augmentation_differs_between_epochs_and_samples():
    numbers = [number for _, number in sequence(1)]
    assert len(set(numbers)) == len(numbers)


def test_order_and_generator_depend_on_seed_and_epoch():
    assert (
        sample_order(0, 0, 50).tolist() != sample_order(1, 0, 50).tolist() != sample_order(0, 1, 50).tolist()
    )
    firsts = {sample_generator(*at).random() for at in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))}
    assert len(firsts) == 4


@pytest.mark.parametrize("threads", [0, 2])
def test_error_of_a_sample_comes_out(threads):
    with pytest.raises(LookupError, match="sample"):
        list(Batches(Faulty(), draws, 2, seed=0, threads=threads).stream(range(5)))


def test_closing_stops_reading():
    read = []

    def collate(samples, _):
        read.extend(samples)
        return {}

    batches = Batches(list(range(1000)), collate, 1, seed=0, threads=2)
    with closing(batches.stream(range(1000))) as stream:
        next(stream)
    stopped = len(read)
    assert stopped < 20
    assert len(read) == stopped


def test_keys_of_a_micro_batch():
    assert MicroBatch({"keys": ["a", "b"]}, (4, 7)).keys == ["a", "b"]
    assert MicroBatch({}, (4, 7)).keys == ["index 4", "index 7"]
