"""Messages that nobody fetches do not stay in memory."""

from typing import Any

import gradio as gr
import httpx
import pytest

from tests.server import until

SPOKEN = ["Hello.", "English (UK), man", 160]


@pytest.fixture
def http(page):
    with httpx.Client(base_url=f"{page.local_url}gradio_api/") as http:
        yield http


def _call(page: Any, http: httpx.Client, session: str | None = None) -> str:
    """Has something spoken, and waits until that is done."""
    asked = {"data": SPOKEN} | ({"session_hash": session} if session else {})
    job = http.post("call/say", json=asked).raise_for_status().json()["event_id"]
    until(lambda: job not in page._queue.event_ids_to_events, "for it to be spoken")
    return job


def _kept(page: Any, session: str) -> list[bool]:
    queue = page._queue
    return [session in kept for kept in (queue.pending_messages_per_session, queue.pending_event_ids_session)]


def test_what_a_program_never_fetches_is_forgotten(page, http):
    """After a while, in which it can be fetched."""
    forgotten, fetched = _call(page, http), _call(page, http)
    assert _kept(page, forgotten) == [True, True]
    page.undelivered.tidy()
    assert "speech.wav" in http.get(f"call/say/{fetched}").text
    fresh = _call(page, http)
    page.undelivered.tidy()
    assert _kept(page, forgotten) == [False, False] and "speech.wav" in http.get(f"call/say/{fresh}").text
    for _ in range(2):
        page.undelivered.tidy()
    assert _kept(page, fresh) == _kept(page, fetched) == [False, False]


def test_what_a_session_has_not_fetched_goes_when_it_leaves(page, http):
    with http.stream("GET", "heartbeat/deaf") as heart:
        next(beats := heart.iter_raw())
        _call(page, http, "deaf")
        assert _kept(page, "deaf") == [True, True]
        beats.close()
    until(lambda: not any(_kept(page, "deaf")), "for its messages to go", 20)
    assert not page.guests.is_here(gr.Request(session_hash="deaf"))


def test_work_for_somebody_who_is_forgotten_ends_no_loop_of_the_queue(page):
    """Gradio would raise KeyError where it tells all who wait of their place, and nobody would be served any more."""
    queue = page._queue
    queue.pending_messages_per_session["gone"].put_nowait("anything")
    del queue.pending_messages_per_session["gone"]
    assert not queue.pending_event_ids_session["gone"] and _kept(page, "gone") == [False, False]


def test_who_has_work_going_on_is_not_forgotten(page):
    class Event:
        session_hash = "at work"

    queue, event, states = page._queue, Event(), page.app.state_holder
    queue.event_ids_to_events["job"] = event
    queue.pending_event_ids_session["at work"] = {"job"}
    try:
        page.undelivered.forget("at work", states)
        assert states["at work"]  # as its work makes it anew
        for _ in range(3):
            page.undelivered.tidy()
        assert _kept(page, "at work") == [False, True]
    finally:
        del queue.event_ids_to_events["job"]
    page.undelivered.forget("another", states)
    assert _kept(page, "at work") == [False, False] and "at work" not in states.session_data
