"""Many at once, some who leave, a full disk, sudden death: the app and the command line as processes of their own."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.client import Endpoint
from gradio_client.exceptions import AppError, ValidationError

from atvg.animator import Animator
from atvg.cli import main
from atvg.scratch import MARK, under_way
from tests.marks import quick
from tests.people import bring_photo, bring_voice, colour, frames, is_own, look
from tests.server import (
    PATIENCE,
    ROOT,
    Server,
    Traces,
    disk,
    encoders,
    fill,
    leave,
    name_of,
    until,
    visitor,
    visitors,
    write_wav,
)

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes in Linux's /proc")

PAGE = json.loads((ROOT / "assets" / "page.json").read_text(encoding="utf-8"))
USERS, DOZEN = 50, 12
OWN = {"vibe_edit_history"}  # an empty folder that Gradio makes at its start
LONG = 110  # seconds of sound: nobody waits until that is drawn
SLOW = 20  # seconds of sound: enough to still be drawn while a few more come


@pytest.fixture(scope="module")
def things(astronaut, tmp_path_factory) -> SimpleNamespace:
    """``photo(i)`` and ``voice(i)``, no two alike, and two long voices."""
    folder, noise = tmp_path_factory.mktemp("things"), np.random.default_rng(0).uniform(-0.3, 0.3, LONG * 16_000)

    def photo(number: int) -> Path:
        return bring_photo(folder, astronaut, number)

    def voice(number: int) -> Path:
        return bring_voice(folder, noise, number)

    long, slow = write_wav(folder / "long.wav", noise), write_wav(folder / "slow.wav", noise[: SLOW * 16_000])
    return SimpleNamespace(photo=photo, voice=voice, long=long, slow=slow)


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[SimpleNamespace]:
    """Where the app runs: on a disk of its own, if that is allowed."""
    folder = tmp_path_factory.mktemp("house")
    with disk(folder / "cache", 256) as own:
        house = SimpleNamespace(folder=folder, cache=folder / "cache", own_disk=own, server=None)
        yield house
        if house.server and house.server.process.poll() is None:
            house.server.end()


@pytest.fixture
def server(house) -> Server:
    """The app; started anew on the same files where a test has ended it."""
    if house.server is None or house.server.process.poll() is not None:
        house.server = Server(house.folder, house.cache)
    return house.server


@pytest.fixture
def visit(server) -> Iterator[Callable[[], Client]]:
    """Visitors, who leave when the test ends."""
    with visitors(server.address) as come:
        yield come


def begin(client: Client, things: SimpleNamespace, number: int, voice: Path | None = None, **settings: Any) -> Any:
    sound = handle_file(voice or things.voice(number))
    return client.submit(
        handle_file(things.photo(number)), sound, seed=number, natural=False, api_name="/animate", **settings
    )


def drawing(job: Any) -> bool:
    return any("Frame" in outputs[5] for outputs in job.outputs())


def nothing_left(server: Server) -> bool:
    return set(server.files()) <= OWN and not server.encoders()


def test_a_full_queue_is_busy_and_canceled_jobs_leave_nothing(page, cache, things):
    """One is drawn, as many wait as may, and the next is told; the last that waits is drawn when all others go."""
    one, crowd, last = (visitor(page.local_url) for _ in range(3))
    traces = Traces(cache, os.getpid())
    before, runs = set(traces.files()), set(traces.runs())
    drawn = begin(one, things, 62, things.slow, arrays=True)
    until(lambda: drawing(drawn), "for a frame")
    (left,) = set(traces.runs()) - runs
    assert len(traces.encoders()) >= 2
    waiting = [begin(crowd, things, number) for number in range(1, DOZEN)]
    until(lambda: all(job.status().code.name == "IN_QUEUE" for job in waiting), "for nearly a full queue")
    kept = begin(last, things, DOZEN)
    until(lambda: kept.status().code.name == "IN_QUEUE", "for a full queue")
    with pytest.raises(ValidationError, match=PAGE["busy"]):
        begin(crowd, things, 63).result(timeout=PATIENCE)
    for job in (*waiting, drawn):
        job.cancel()
    assert is_own(kept.result(timeout=PATIENCE), DOZEN)
    until(lambda: not left.exists() and not traces.encoders(), "for a canceled job to end")
    assert len(set(traces.runs()) - runs) == 1, "only that of the last is there"
    leave(one, crowd, last)
    until(lambda: set(traces.files()) <= before, "for nothing to be left")


@pytest.mark.long
def test_fifty_at_once_get_their_own_or_are_told_that_it_is_busy(server, visit, things):
    """While one is drawn that takes long: so it is known how many may wait."""
    first, clients, numbers = visit(), [visit() for _ in range(USERS)], range(USERS)
    assert len({colour(number) for number in numbers}) == USERS
    long = begin(first, things, 62, things.long)
    until(lambda: drawing(long), "for a frame")
    ready, outcomes = threading.Barrier(USERS), {}

    def work(number: int) -> None:
        ready.wait(PATIENCE)
        try:
            outcomes[number] = begin(clients[number], things, number).result(timeout=PATIENCE)
        except Exception as error:
            outcomes[number] = error

    workers = [threading.Thread(target=work, args=(number,)) for number in numbers]
    for worker in workers:
        worker.start()
    until(lambda: len(outcomes) == USERS - DOZEN, f"for all but {DOZEN} to be turned away")
    long.cancel()
    for worker in workers:
        worker.join(PATIENCE)
    refused = [outcome for outcome in outcomes.values() if isinstance(outcome, Exception)]
    made = {number: outcome for number, outcome in outcomes.items() if not isinstance(outcome, Exception)}
    assert len(outcomes) == USERS and len(made) == DOZEN
    assert all(isinstance(error, ValidationError) and PAGE["busy"] in str(error) for error in refused), refused
    assert [number for number, result in made.items() if not is_own(result, number)] == []
    assert len({result[4] for result in made.values()}) == len(made)
    assert is_own(begin(first, things, 63).result(timeout=PATIENCE), 63), "and goes on working"
    assert "Traceback" not in server.log()
    leave(first, *clients)
    until(lambda: nothing_left(server), "for nothing to be left")


@pytest.mark.long
def test_a_client_that_dies_leaves_nothing(server, visit, things):
    """With one job being drawn and one waiting, without a word; the next is not kept waiting."""
    code = (
        "import sys, time; from gradio_client import Client, handle_file\n"
        "client = Client(sys.argv[1], verbose=False)\n"
        "jobs = [client.submit(*map(handle_file, sys.argv[2:]), api_name='/animate') for _ in range(2)]\n"
        "time.sleep(600)\n"
    )
    arguments = [server.address, str(things.photo(4)), str(things.long)]
    client = subprocess.Popen([sys.executable, "-c", code, *arguments], stderr=subprocess.DEVNULL)
    until(lambda: list(server.cache.glob("atvg-*/*/recording/frames.npy")), "for a frame")
    client.kill()
    client.wait()
    until(lambda: nothing_left(server), "for nothing to be left")
    assert is_own(begin(visit(), things, 5).result(timeout=PATIENCE / 4), 5)


@pytest.mark.long
class TestAFullDisk:
    @pytest.fixture(autouse=True)
    def needs_a_disk(self, house):
        if not house.own_disk:
            pytest.skip("a small disk cannot be mounted here: needs the right to mount a tmpfs")

    @pytest.mark.parametrize("megabytes", [0, 0.3, 1.5, 4])
    def test_it_is_said_and_the_next_job_works(self, house, server, visit, things, megabytes, monkeypatch):
        """However far the job got: its folder, the sound, the recording, the videos or the arrays."""
        client = visit()
        photo, voice = (_uploaded(server, path) for path in (things.photo(6), things.voice(6)))
        before = server.runs()
        ballast = fill(house.cache, round(megabytes * 2**20))
        with monkeypatch.context() as patch, removed(ballast), pytest.raises(AppError) as caught:
            patch.setattr(Endpoint, "_upload_file", lambda self, file, data_index: file)
            client.predict(photo, voice, arrays=True, api_name="/animate")
        assert str(caught.value) == PAGE["disk_full"] and "\n" not in PAGE["disk_full"]
        assert server.runs() == before and not server.encoders(), "half a result was left"
        assert is_own(begin(client, things, 6).result(timeout=PATIENCE), 6)

    def test_it_fills_while_a_job_is_drawn(self, house, server, visit, things):
        client = visit()
        job = begin(client, things, 6, things.long, arrays=True)
        until(lambda: drawing(job), "for a frame")
        with removed(fill(house.cache, 0)), pytest.raises(AppError, match=PAGE["disk_full"]):
            job.result(timeout=PATIENCE)
        assert server.runs() == [] and not server.encoders()
        assert is_own(begin(client, things, 6).result(timeout=PATIENCE), 6)

    def test_an_upload_that_does_not_fit_leaves_nothing(self, house, server, visit, things):
        client, before = visit(), server.files()
        with removed(fill(house.cache, 2 * 2**20)):
            with pytest.raises(httpx.HTTPStatusError, match="507"):
                client.predict(handle_file(things.long), api_name="/check_voice")
            assert server.files() == sorted([*before, "ballast"])
        assert client.predict(handle_file(things.voice(7)), api_name="/check_voice").startswith("✓")


@contextlib.contextmanager
def removed(path: Path) -> Iterator[None]:
    try:
        yield
    finally:
        path.unlink()


def _uploaded(server: Server, path: Path) -> dict[str, Any]:
    """A file that was brought before the disk was full."""
    with path.open("rb") as file:
        (there,) = httpx.post(f"{server.address}gradio_api/upload", files={"files": (path.name, file)}).json()
    return {"path": there, "meta": {"_type": "gradio.FileData"}}


@pytest.mark.long
class TestSuddenDeath:
    def test_the_next_start_is_clean(self, house, server, visit, things):
        """And leaves alone what another process is making in the same folder."""
        job = begin(visit(), things, 8, things.long, arrays=True)
        until(lambda: drawing(job), "for a frame")
        (killed,), working = server.runs(), server.encoders()
        assert len(working) >= 2 and (killed / MARK).is_file()
        server.end(signal.SIGKILL)
        until(lambda: not any(map(name_of, working)), "for ffmpeg to end", 10)
        assert killed.is_dir() and list(killed.glob(".atvg-*")), "what this is about"
        others = house.cache / f"atvg-{'0' * 16}" / ("0" * 32)
        others.mkdir(parents=True)
        with under_way(others):
            house.server = Server(house.folder, house.cache)
            until(lambda: not killed.parent.exists(), "for the killed run to go", 10)
            assert others.is_dir()
        shutil.rmtree(others.parent)
        client = visitor(house.server.address)
        assert is_own(begin(client, things, 9).result(timeout=PATIENCE), 9)
        client.close()
        until(lambda: nothing_hidden(house.cache), "for what is hidden to go", 10)

    def test_told_to_end_it_ends_at_once_and_leaves_nothing(self, server, visit, things):
        jobs = [begin(visit(), things, number, things.long) for number in (10, 11)]
        until(lambda: any(map(drawing, jobs)), "for a frame")
        working = server.encoders()
        assert server.end(signal.SIGTERM) < 10 and server.process.returncode == 0
        until(lambda: not any(map(name_of, working)), "for ffmpeg to end", 10)
        assert server.runs() == [] and not list(server.cache.rglob("*.wav"))
        assert "Traceback" not in server.log()


def nothing_hidden(folder: Path) -> bool:
    try:
        return not [path for path in folder.rglob(".*") if not path.parent.name.startswith("process-")]
    except FileNotFoundError:  # whoever has left takes their folders along, while they are looked through
        return False


class TestTheCommandLine:
    """``atvg animate``, of which every file that is there in the end is whole."""

    @pytest.fixture
    def out(self, tmp_path) -> Path:
        (tmp_path / "out").mkdir()
        return tmp_path / "out"

    @pytest.mark.parametrize(
        ("sign", "status"),
        quick([(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)], (signal.SIGTERM, 143)),
    )
    def test_a_killed_one_leaves_no_output(self, things, out, sign, status):
        """Nor anything else, but where it gets no chance to tidy: there the next one does."""
        with started(*command(things.photo(12), things.slow, out)) as working:
            until(lambda: [path for path in out.glob(".atvg-*/*.mp4") if path.stat().st_size], "for pictures")
            ffmpegs = encoders(working.pid)
            working.send_signal(sign)
            said = working.communicate(timeout=20)[1]
        assert working.returncode == status and "Traceback" not in said
        until(lambda: not any(map(name_of, ffmpegs)), "for ffmpeg to end", 10)
        left = sorted(path.name for path in out.iterdir())
        if sign != signal.SIGKILL:
            assert left == []
            return
        assert left and all(name.startswith(".atvg-") for name in left)
        assert main(command(things.photo(12), things.voice(12), out)) == 0
        assert sorted(path.name for path in out.iterdir()) == ["a.npz", "p.mp4", "v.mp4"]
        assert look(str(out / "v.mp4")) == (colour(12), frames(12))

    @pytest.mark.parametrize("megabytes", quick([0, 0.3, 1.2], 0.3))
    def test_a_full_disk_is_one_line(self, things, tmp_path, megabytes, animator, monkeypatch, capsys):
        monkeypatch.setattr(Animator, "from_pretrained", lambda *_, **__: animator)  # twice, which takes seconds
        with disk(tmp_path / "out", 4) as own:
            if not own:
                pytest.skip("a small disk cannot be mounted here: needs the right to mount a tmpfs")
            out, words = tmp_path / "out", command(things.photo(13), things.voice(13), tmp_path / "out")
            with removed(fill(out, round(megabytes * 2**20))):
                assert main(words) == 2
                said = capsys.readouterr().err
                assert said.startswith("error: ") and said.count("\n") == 1
                assert "disk is full" in said and "free some space" in said
                assert [path.name for path in out.iterdir()] == ["ballast"]
            assert main(words) == 0 and look(str(out / "v.mp4")) == (colour(13), frames(13))


def command(photo: Path, voice: Path, out: Path) -> list[str]:
    """``atvg animate`` with all outputs there are, as ``v.mp4``, ``p.mp4`` and ``a.npz``."""
    outputs = ("-o", out / "v.mp4", "--panels", out / "p.mp4", "--arrays", out / "a.npz")
    return list(map(str, ("animate", photo, voice, *outputs)))


@contextlib.contextmanager
def started(*words: str) -> Iterator[subprocess.Popen]:
    """``atvg`` as a process of its own."""
    pipe, line = subprocess.PIPE, [sys.executable, "-m", "atvg", *words]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=pipe, text=True) as working:
        try:
            yield working
        finally:
            working.kill()
