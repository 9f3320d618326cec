"""A trained run behind Ray Serve: replicas over a cluster, each a whole service with the model in its memory.

    pip install 'ray[serve]==2.60.0'
    RUSHES_RECIPE=recipe.yaml serve run ray_serve:app

Ray's proxy reads a whole upload into memory before a replica sees it, so bound uploads in front of it as well.
"""

import os
from pathlib import Path
from typing import Any

from ray import serve

RECIPE = Path(os.environ["RUSHES_RECIPE"]).absolute()
WORKSPACE = os.path.abspath(os.environ.get("RUSHES_WORKSPACE", "workspace"))  # on a disk that all nodes share
REPLICAS = int(os.environ.get("RUSHES_REPLICAS", "2"))


def service() -> Any:
    """The application of one replica; called there."""
    from rushes.serve.process import application_of

    return application_of(RECIPE, WORKSPACE)


app = serve.deployment(
    serve.ingress(service)(),
    name="rushes",
    num_replicas=REPLICAS,
    max_ongoing_requests=64,  # the service itself refuses what it has no room for, with 429
    ray_actor_options={"num_cpus": 1},
).bind()
