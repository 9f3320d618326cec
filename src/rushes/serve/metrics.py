"""What a service counts and times, as Prometheus reads it.

With several workers each is a process of its own, and a scrape reaches any one of them. Then the variable
``PROMETHEUS_MULTIPROC_DIR`` must name a folder *before* this module is imported: workers keep their numbers in
files there, and whichever is asked tells the sum of all. Labels say routes and codes of ours, never what a client
sent, so that no client can make the tables grow.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

FOLDER = "PROMETHEUS_MULTIPROC_DIR"

Stage = Literal["upload", "queue", "decode", "lane", "model"]
"""Of a request: its body; waiting for a place; its recording; waiting for the model; the model, once a batch."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
PARTS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """All numbers of a process; every method may be called from any thread."""

    def __init__(self) -> None:
        self._several = FOLDER in os.environ
        self._registry = own = CollectorRegistry()
        if not self._several:
            ProcessCollector(registry=own)  # resident memory, descriptors, processor time
        self._requests = Counter("rushes_requests", "Answers of any kind.", ["route", "status"], registry=own)
        self._total = Histogram(
            "rushes_request_seconds",
            "From the head of a request to the end of its answer.",
            ["route"],
            buckets=SECONDS,
            registry=own,
        )
        self._refusals = Counter("rushes_refusals", "Refusals by their code.", ["error"], registry=own)
        self._stages = Histogram(
            "rushes_stage_seconds", "Stages of requests.", ["stage"], buckets=SECONDS, registry=own
        )
        self._admitted = _gauge("rushes_admitted", "Requests admitted and not yet answered.", own)
        self._at_work = _gauge("rushes_at_work", "Of those admitted: they have a place.", own)
        self._bytes = _gauge("rushes_upload_bytes", "Room that uploads take on the disk.", own)
        self._parts = Counter("rushes_parts", "Windows, clips or pictures answered.", ["verb"], registry=own)
        self._batch = Histogram("rushes_batch_parts", "Parts in a batch.", buckets=PARTS, registry=own)
        self._parses = Counter("rushes_parses", "Answers by how they were read.", ["stage"], registry=own)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answer of any kind.

        Args:
            route: the template of a path, ``none`` for one that is not ours.
            status: of HTTP.
            seconds: from the head of the request to the end of the answer.
        """
        self._requests.labels(route, str(status)).inc()
        self._total.labels(route).observe(seconds)

    def refused(self, error: str) -> None:
        """Count a refusal by its code."""
        self._refusals.labels(error).inc()

    def took(self, stage: Stage, seconds: float) -> None:
        """Note how long a stage took."""
        self._stages.labels(stage).observe(seconds)

    @contextmanager
    def timed(self, stage: Stage) -> Iterator[None]:
        """Note how long the block takes, however it ends."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.took(stage, time.perf_counter() - began)

    def admitted(self, change: int) -> None:
        """One more, or one less, is admitted."""
        self._admitted.inc(change)

    def at_work(self, change: int) -> None:
        """One more, or one less, has a place."""
        self._at_work.inc(change)

    def on_disk(self, change: int) -> None:
        """Uploads take so many bytes more, or less."""
        self._bytes.inc(change)

    def batch(self, verb: str, parts: int) -> None:
        """Count what the model was asked at once."""
        self._batch.observe(parts)
        self._parts.labels(verb).inc(parts)

    def parsed(self, stage: str) -> None:
        """Count how an answer was read, of the few ways that there are."""
        self._parses.labels(stage).inc()

    def text(self) -> tuple[bytes, str]:
        """What a scrape is told, of all workers, and its content type."""
        registry = self._registry
        if self._several:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


def forget_worker(pid: int) -> None:
    """Take what a dead worker still has in flight out of the sums; what it counted stays."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _gauge(name: str, says: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, says, registry=registry, multiprocess_mode="livesum")
