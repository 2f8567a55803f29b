"""What people are told who wait, and that who draws stands back for them."""

import asyncio
import gc
import os
import sys
import threading
import time
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from gradio.queueing import Event
from gradio.server_messages import EventMessage, ProcessCompletedMessage, ProcessStartsMessage
from gradio_client import handle_file
from starlette.requests import Request

from atvg.errors import BadSettingError
from atvg.studio import waiting
from atvg.studio.behind import BACK, behind, set_back
from atvg.studio.examples import VOICES_AT_HAND
from atvg.studio.memory import settle
from atvg.studio.waiting import Pace, Turns, remember_voice
from atvg.voice.audio import load_audio
from tests.server import leave, until, visitor, write_wav


def test_the_newest_jobs_say_how_long_a_second_of_voice_takes():
    pace = Pace()
    assert pace.of(4) is None
    for took in [100] * 20 + [3] * 6 + [6] * 6:
        pace.add(4, took)
    assert pace.of(4) == pytest.approx(4.5), "of the last twelve"
    assert pace.of(9.5) == pytest.approx(9), "a second and a half of voice stand for all that is not drawing"


@pytest.fixture
def turns() -> Turns:
    """A queue with two kinds of jobs, drawn one at a time."""
    with gr.Blocks() as page:
        for name in ("draw", "dub"):
            gr.Button().click(lambda: None, api_name=name, concurrency_id="drawing", concurrency_limit=1)
    turns = Turns(page, 24)
    for fn in page.fns.values():
        turns.create_event_queue_for_fn(fn)
    return turns


def _job(turns: Turns, kind: int, voice: float) -> Event:
    """Somebody's who has just come."""
    request = Request({"type": "http"})
    remember_voice(gr.Request(request=request), voice)
    event = Event(None, turns.blocks.fns[kind], request, None)
    turns.pending_messages_per_session[event.session_hash] = asyncio.Queue()
    return event


def _begin(turns: Turns, event: Event) -> None:
    turns.event_queue_per_concurrency_id[event.concurrency_id].current_concurrency = 1
    turns.active_jobs = [[event]]
    turns.send_message(event, ProcessStartsMessage())


def _told(turns: Turns, event: Event) -> EventMessage:
    """The newest message."""
    messages = turns.pending_messages_per_session[event.session_hash]
    told = messages.get_nowait()
    while not messages.empty():
        told = messages.get_nowait()
    return told


def _finish(turns: Turns, event: Event, success: bool = True) -> None:
    turns.send_message(event, ProcessCompletedMessage(output={}, success=success))


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """The queue's steady one, which stands still until it is set; that of a page that is served meanwhile goes on."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_who_waits_is_told_by_the_voices_before_them(turns, clock):
    first, long, short, last = (_job(turns, 0, voice) for voice in (2.5, 58.5, 2.5, 6.5))
    _begin(turns, first)
    assert _told(turns, first).eta is None, "nobody knows yet"
    clock.now = 2
    _finish(turns, first)  # 2.5 s of voice in 2 s: half a second for each, and for 1.5 more

    _begin(turns, long)
    assert _told(turns, long).eta == 30
    turns.event_queue_per_concurrency_id["drawing"].queue = [short, last]
    clock.now += 10
    turns.broadcast_estimations("drawing")
    assert [(told.rank, told.rank_eta) for told in (_told(turns, short), _told(turns, last))] == [(0, 22), (1, 26)]
    turns.active_jobs = [[short]]
    turns.event_queue_per_concurrency_id["drawing"].queue = [last]
    turns.broadcast_estimations("drawing")
    assert _told(turns, last).rank_eta == 6, "its turn has come, and it has not yet been told so"
    turns.active_jobs = [[long]]
    turns.event_queue_per_concurrency_id["drawing"].queue = [short, last]
    clock.now += 100
    turns.broadcast_estimations("drawing", after=1)
    assert turns.pending_messages_per_session[short.session_hash].empty(), "only who is behind hears of it"
    assert _told(turns, last).rank_eta == 6, "what should be done long ago may be done at once"


def test_of_what_has_never_been_drawn_nothing_is_told(turns, clock):
    drawn, dubbed, behind = _job(turns, 0, 2), _job(turns, 1, 2), _job(turns, 0, 2)
    _begin(turns, drawn)
    clock.now = 2
    _finish(turns, drawn)
    turns.active_jobs = [None]
    turns.event_queue_per_concurrency_id["drawing"].current_concurrency = 0
    turns.event_queue_per_concurrency_id["drawing"].queue = [drawn, dubbed, behind]
    turns.broadcast_estimations("drawing")
    assert [_told(turns, event).rank_eta for event in (drawn, dubbed, behind)] == [2, None, None]


def test_a_job_that_failed_teaches_nothing(turns, clock):
    for voice, took, success in ((2, 4, True), (2, 400, False)):
        job = _job(turns, 0, voice)
        _begin(turns, job)
        clock.now += took
        _finish(turns, job, success)
    after = _job(turns, 0, 2)
    _begin(turns, after)
    assert _told(turns, after).eta == 4


def test_the_queue_knows_how_long_each_voice_is(page, photo, syllable, tmp_path):
    """At the app itself: whoever comes behind a long voice is told so."""
    people = [visitor(page.local_url) for _ in range(3)]
    long = handle_file(write_wav(tmp_path / "long.wav", np.random.default_rng(0).uniform(-0.3, 0.3, 60 * 16_000)))
    try:
        one, drawn, last = people
        began = time.monotonic()
        one.predict(photo, syllable, api_name="/animate")
        took = time.monotonic() - began
        slow = drawn.submit(photo, long, api_name="/animate")
        until(lambda: slow.status().code.name == "PROCESSING" or slow.outputs(), "for the long one to begin")
        kept = last.submit(photo, syllable, api_name="/animate")
        until(lambda: kept.status().code.name == "IN_QUEUE", "for a place in the queue")
        assert kept.status().eta > 4 * took
        for job in (kept, slow):
            job.cancel()
    finally:
        leave(*people)


@pytest.mark.parametrize(
    ("name", "drawn"), [("animate", 120), ("ablate", 6), ("compare", 6), ("break_it", 2.4), ("show_failures", 1)]
)
def test_of_a_voice_counts_what_may_be_drawn_of_it(page, name, drawn):
    """Most of the lab draws an excerpt, and takes no longer for a long voice."""
    seconds, voice = max((len(load_audio(voice)) / 16_000, str(voice)) for voice in VOICES_AT_HAND)
    assert seconds > 6, "or nothing is proved"
    fn = next(fn for fn in page.fns.values() if fn.api_name == name)
    request = gr.Request(request=Request({"type": "http", "headers": []}))
    asyncio.run(fn.validator(request, None, {"path": voice}, *[None] * (len(fn.inputs) - 2)))
    assert request.request.state.voice == min(seconds, drawn)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux only")
def test_drawing_stands_back_and_nobody_else():
    def nice() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def started() -> int:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(nice()))
        thread.start()
        thread.join()
        return found[0]

    def work(count: int):
        for _ in range(count):
            yield nice(), started()

    before = nice()
    assert list(behind(work)(count=2)) == [(max(before, BACK), max(before, BACK))] * 2
    assert set_back(lambda more: nice() + more)(more=100) == max(before, BACK) + 100
    assert (nice(), started()) == (before, before)


def test_drawing_that_is_left_ends_where_it_is():
    ended = threading.Event()

    def work():
        try:
            while True:
                yield 1
        finally:
            ended.set()

    steps = behind(work)()
    assert next(steps) == 1
    steps.close()
    assert ended.is_set()


def test_what_stands_back_fails_where_it_was_called():
    def refuse() -> None:
        raise BadSettingError("no")

    with pytest.raises(BadSettingError, match="no"):
        set_back(refuse)()


def test_what_is_settled_is_not_looked_through_for_garbage():
    kept = [[] for _ in range(1000)]
    settle()
    try:
        assert not any(kept is one for one in gc.get_objects())
    finally:
        gc.unfreeze()


def test_the_products_of_numpy_have_one_thread():
    """With threads of its own, OpenBLAS has hung when a live face and a video computed at the same time."""
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
