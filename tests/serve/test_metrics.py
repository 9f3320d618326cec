"""What Prometheus is told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rushes.serve.metrics import FOLDER, Metrics


def samples_of(text):
    families = text_string_to_metric_families(text)
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_each_process_has_numbers_of_its_own():
    first, second = Metrics(), Metrics()
    first.answered("/predict", 200, 0.3)
    first.refused("busy")
    with pytest.raises(KeyError), first.timed("model"):
        raise KeyError
    first.batch("predict", 3)
    first.parsed("whole")
    first.on_disk(7)
    found = samples_of(first.text()[0].decode())
    assert found["rushes_requests_total", "/predict", "200"] == 1
    assert found["rushes_request_seconds_bucket", "/predict", "0.5"] == 1
    assert found["rushes_request_seconds_bucket", "/predict", "0.25"] == 0
    assert found["rushes_refusals_total", "busy"] == 1
    assert found["rushes_stage_seconds_count", "model"] == 1
    assert found["rushes_parts_total", "predict"] == 3
    assert found["rushes_batch_parts_sum",] == 3
    assert found["rushes_parses_total", "whole"] == 1
    assert found["rushes_upload_bytes",] == 7
    assert found["process_resident_memory_bytes",] > 0
    assert samples_of(second.text()[0].decode())["rushes_upload_bytes",] == 0


WORKER = """
import sys
from rushes.serve.metrics import Metrics, forget_worker
metrics = Metrics()
metrics.refused("busy")
metrics.admitted(1)
if len(sys.argv) > 1:
    for pid in sys.argv[1].split():
        forget_worker(int(pid))
    print(metrics.text()[0].decode())
else:
    import os
    print(os.getpid())
"""


def test_any_worker_tells_the_sum_and_the_dead_have_nothing_in_flight(tmp_path):
    def worker(*told):
        command = [sys.executable, "-c", WORKER, *told]
        environment = os.environ | {FOLDER: str(tmp_path)}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    dead = [worker().strip() for _ in range(2)]
    found = samples_of(worker(" ".join(dead)))
    assert found["rushes_refusals_total", "busy"] == 3
    assert found["rushes_admitted",] == 1
