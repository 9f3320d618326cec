import numpy as np
import pytest
from scipy.sparse import csr_array

from rushes.errors import MetricError
from rushes.metrics.intervals import resampled_sums

GROUPS = ["a", "a", "b", "c", "c", "c", "d"]


def test_sparse_and_dense_parts_give_the_same_sums():
    parts = np.random.default_rng(0).integers(0, 3, (7, 5))
    dense, sparse = (resampled_sums(form(parts), GROUPS, resamples=50) for form in (np.array, csr_array))
    assert np.array_equal(dense, sparse)
    assert dense.shape == (50, 5)


def test_clusters_are_drawn_whole():
    parts = np.eye(7)
    for sums in resampled_sums(parts, GROUPS, resamples=50):
        assert sums[0] == sums[1]
        assert sums[3] == sums[4] == sums[5]
        assert sums[0] + sums[2] + sums[3] + sums[6] == 4


def test_one_group_resamples_rows_one_by_one_in_several_blocks():
    sums = resampled_sums(np.ones((3000, 1)), ["a"] * 3000, resamples=400)
    assert (sums == 3000).all()
    assert len(sums) == 400


def test_odd_parts_are_refused():
    with pytest.raises(MetricError, match="finite"):
        resampled_sums(np.array([[np.nan], [1.0]]), ["a", "b"])
    with pytest.raises(MetricError, match="one length"):
        resampled_sums(np.ones((2, 1)), ["a"])
