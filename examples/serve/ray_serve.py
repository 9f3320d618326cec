"""A trained run behind Ray Serve: replicas over a cluster, each a whole service with the model in its memory.

    pip install 'ray[serve]==2.60.0'
    RUSHES_RECIPE=recipe.yaml RUSHES_API_KEY_FILE=keys.txt serve run ray_serve:app

Ray's proxy reads a whole upload into memory before a replica sees it, so bound uploads in front of it as well.
"""

import os
from pathlib import Path
from typing import Any

from ray import serve

RECIPE = Path(os.environ["RUSHES_RECIPE"]).absolute()
WORKSPACE = os.path.abspath(os.environ.get("RUSHES_WORKSPACE", "workspace"))  # on a disk that all nodes share
KEYS = os.environ.get("RUSHES_API_KEY_FILE")  # a key a line; without it whoever reaches the port may ask
REPLICAS = int(os.environ.get("RUSHES_REPLICAS", "2"))


def service() -> Any:
    """The application of one replica; called there."""
    from rushes.runs.run import RunJob
    from rushes.serve.keys import EVERYBODY, read_keys
    from rushes.serve.of_run import OfRun, require_trained
    from rushes.serve.scratch import default_root
    from rushes.storage import open_workspace
    from rushes.tasks import load_recipe, open_run

    run = open_run(load_recipe(RECIPE), open_workspace(WORKSPACE))
    require_trained(run, RECIPE)
    keys = read_keys(Path(KEYS)) if KEYS else EVERYBODY
    return OfRun(RunJob.of(run), None, keys, default_root(), REPLICAS)()


app = serve.deployment(
    serve.ingress(service)(),
    name="rushes",
    num_replicas=REPLICAS,
    max_ongoing_requests=64,  # the service itself refuses what it has no room for, with 429
    ray_actor_options={"num_cpus": 1},
).bind()
