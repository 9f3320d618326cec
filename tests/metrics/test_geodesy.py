"""Places on the Earth as metres in a plane, against the ellipsoid's own closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from rushes.errors import MetricError
from rushes.metrics.geodesy import EQUATOR_M, FLATTENING, earth_centred, east_north_up

E2 = FLATTENING * (2 - FLATTENING)


def test_places_on_the_ellipsoid_satisfy_its_equation():
    rng = np.random.default_rng(1)
    places = earth_centred(rng.uniform(-90, 90, 500), rng.uniform(-180, 180, 500), np.zeros(500))
    polar = EQUATOR_M * (1 - FLATTENING)
    one = (places[:, :2] ** 2).sum(1) / EQUATOR_M**2 + places[:, 2] ** 2 / polar**2
    np.testing.assert_allclose(one, 1.0, atol=1e-14)


def test_a_height_lies_along_the_normal():
    rng = np.random.default_rng(2)
    latitudes, longitudes = rng.uniform(-89, 89, 50), rng.uniform(-180, 180, 50)
    normal = earth_centred(latitudes, longitudes, np.full(50, 800.0)) - earth_centred(
        latitudes, longitudes, np.zeros(50)
    )
    phi, lam = np.radians(latitudes), np.radians(longitudes)
    expected = 800.0 * np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], 1)
    np.testing.assert_allclose(normal, expected, atol=1e-8)


@pytest.mark.parametrize("latitude", [-70.0, -33.9, 0.0, 45.0, 60.0, 80.0])
def test_a_way_to_the_north_is_the_arc_of_the_meridian(latitude):
    """10 m at a time, chords and arcs differ by less than a nanometre; the arc is an elliptic integral."""
    ends = latitude + np.arange(11) * 1e-4
    steps = np.diff(earth_centred(ends, np.zeros(11), np.zeros(11)), axis=0)
    arc, _ = quad(
        lambda phi: EQUATOR_M * (1 - E2) / (1 - E2 * np.sin(phi) ** 2) ** 1.5,
        *np.radians(ends[[0, -1]]),
        epsabs=1e-9,
    )
    assert np.linalg.norm(steps, axis=1).sum() == pytest.approx(arc, abs=1e-6)


@pytest.mark.parametrize("latitude", [-70.0, 0.0, 45.0, 60.0])
def test_a_place_seen_from_another_is_turned_and_moved_and_nothing_else(latitude):
    """Distances in the plane's coordinates are those in the Earth's; up points away from the centre."""
    rng = np.random.default_rng(3)
    latitudes = np.concatenate([[latitude], latitude + rng.uniform(-0.1, 0.1, 40)])
    longitudes = np.concatenate([[179.95], 179.95 + rng.uniform(-0.1, 0.1, 40)])  # across the date line
    heights = rng.uniform(0, 400, 41)
    seen = east_north_up(latitudes, (longitudes + 180) % 360 - 180, heights)
    centred = earth_centred(latitudes, longitudes, heights)
    for one in (0, 7, 30):
        np.testing.assert_allclose(
            np.linalg.norm(seen - seen[one], axis=1),
            np.linalg.norm(centred - centred[one], axis=1),
            atol=1e-8,
        )
    above = east_north_up([latitude] * 2, [10.0] * 2, [5.0, 105.0])
    np.testing.assert_allclose(above[1], [0, 0, 100], atol=1e-8)
    north, east = (
        east_north_up([latitude, latitude + 1e-5], [10.0, 10.0], [0, 0])[1],
        east_north_up([latitude, latitude], [10.0, 10.0 + 1e-5], [0, 0])[1],
    )
    assert north[1] > 1
    assert abs(north[0]) < 1e-6
    assert east[0] > 0.3
    assert abs(east[1]) < 1e-5


@pytest.mark.parametrize(
    ("latitudes", "says"), [([91.0, 0.0], "90 degrees"), ([np.nan, 0.0], "finite"), ([1.0], "length")]
)
def test_what_is_no_place_is_refused(latitudes, says):
    with pytest.raises(MetricError, match=says):
        earth_centred(latitudes, [0.0, 0.0], [0.0, 0.0])
