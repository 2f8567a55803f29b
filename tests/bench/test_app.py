"""What `atvg bench --app` tells of the app, which it starts and ends."""

import psutil
import pytest

from atvg.bench import app
from atvg.bench.table import to_table
from atvg.errors import ATVGError

FIGURES = {"page_seconds", "ready_seconds", "rest_mb", "first_mb", "drawing_mb", "after_mb", "videos"}


@pytest.mark.long
def test_the_app_is_started_visited_and_ended():
    before = set(psutil.Process().children(recursive=True))
    figures = app.time_app(None, jobs=1)
    assert set(psutil.Process().children(recursive=True)) <= before
    assert set(figures) == FIGURES and figures["videos"] == 1
    assert 0 < figures["page_seconds"] <= figures["ready_seconds"]
    assert 300 < figures["rest_mb"] < figures["first_mb"] == figures["drawing_mb"] < 1024


@pytest.mark.long
def test_an_app_that_does_not_start_is_told(tmp_path, refuses):
    with refuses(ATVGError, "atvg app"):
        app.time_app(str(tmp_path), jobs=1)


def test_the_table_says_it():
    stages = {"machine": {"cpus": 2, "device": "cpu"}, "engine": "torch", "torch": "2", "seconds_of_audio": 8}
    result = stages | {
        "photo": "1×1", "runs": 1, "stages": {}, "load_seconds": 1, "first_use_seconds": 1, "peak_memory_mb": 1,
        "live": {}, "box": {}, "dubs": [], "app": dict.fromkeys(FIGURES, 7),
    }  # fmt: skip
    assert "7 MB at rest" in to_table(result)
