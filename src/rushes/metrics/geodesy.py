"""Places on the Earth as metres in a plane: WGS-84, exactly, by way of Earth-centred coordinates.

    places = east_north_up(latitudes_deg, longitudes_deg, heights_m)     # (n, 3), the first at 0

A projection by radii at the origin, or by Mercator, errs by metres within kilometres of it; this one does not err, but
its plane leaves the ground (20 km from the origin by 31 m of height, and a metre there is short by .0005 %).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rushes.errors import MetricError
from rushes.metrics.checks import same_length, vector

EQUATOR_M, FLATTENING = 6378137.0, 1 / 298.257223563
"""Of the ellipsoid WGS-84 (NIMA TR8350.2)."""

_ECCENTRICITY_2 = FLATTENING * (2 - FLATTENING)


def earth_centred(
    latitudes_deg: ArrayLike, longitudes_deg: ArrayLike, heights_m: ArrayLike
) -> NDArray[np.float64]:
    """Places in metres from the centre of the Earth, x to (0, 0), z to the north pole (ECEF).

    >>> earth_centred([0.0, 90.0], [90.0, 0.0], [0.0, 0.0]).round(3).tolist()
    [[0.0, 6378137.0, 0.0], [0.0, 0.0, 6356752.314]]

    Args:
        latitudes_deg, longitudes_deg: (n,) degrees, north and east positive.
        heights_m: (n,) metres above the ellipsoid.

    Returns:
        (n, 3) metres.

    Raises:
        MetricError: nothing, lengths that differ, values that are not finite, or a latitude beyond a pole.
    """
    latitudes, longitudes = vector(latitudes_deg, "latitudes"), vector(longitudes_deg, "longitudes")
    heights = vector(heights_m, "heights")
    same_length(latitudes=latitudes, longitudes=longitudes, heights=heights)
    if (np.abs(latitudes) > 90).any():
        raise MetricError(f"latitudes lie within 90 degrees, found {latitudes[np.abs(latitudes).argmax()]:g}")
    phi, lam = np.radians(latitudes), np.radians(longitudes)
    across = EQUATOR_M / np.sqrt(1 - _ECCENTRICITY_2 * np.sin(phi) ** 2)  # radius of the prime vertical
    flat = (across + heights) * np.cos(phi)
    up = (across * (1 - _ECCENTRICITY_2) + heights) * np.sin(phi)
    return np.stack([flat * np.cos(lam), flat * np.sin(lam), up], axis=1)


def east_north_up(
    latitudes_deg: ArrayLike, longitudes_deg: ArrayLike, heights_m: ArrayLike
) -> NDArray[np.float64]:
    """Places in metres east, north and up of the first of them, in the plane that touches the ellipsoid there.

    >>> east_north_up([0.0, 0.0, 0.001], [9.0, 9.001, 9.0], [50.0, 50.0, 50.0]).round(3).tolist()
    [[0.0, 0.0, 0.0], [111.32, 0.0, -0.001], [0.0, 110.575, -0.001]]

    Args:
        latitudes_deg, longitudes_deg, heights_m: as of `earth_centred`; n >= 1.

    Returns:
        (n, 3) metres.

    Raises:
        MetricError: as `earth_centred`.
    """
    places = earth_centred(latitudes_deg, longitudes_deg, heights_m)
    phi, lam = (
        np.radians(float(np.asarray(latitudes_deg)[0])),
        np.radians(float(np.asarray(longitudes_deg)[0])),
    )
    east = [-np.sin(lam), np.cos(lam), 0.0]
    north = [-np.sin(phi) * np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi)]
    up = [np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)]
    seen: NDArray[np.float64] = (places - places[0]) @ np.array([east, north, up]).T
    return seen
