"""Whose files are whose, and that none outlives its visitor."""

import asyncio
import errno
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio.state_holder import StateHolder
from gradio_client import handle_file
from gradio_client.exceptions import AppError

from atvg.errors import RecordingError
from atvg.studio.door import Doorkeeper
from atvg.studio.guests import Guests
from atvg.studio.owners import browser_of
from atvg.studio.presence import stamp
from atvg.studio.settings import COOKIE, MAX_AGE, PAGE, RECORDING, STALLED
from atvg.studio.studio import Studio
from atvg.studio.undelivered import drop_state
from tests.server import leave, until, visitor, write_wav
from tests.studio.files import bring, path_of, size_of


def test_they_never_see_each_others_results(page, photo, hopper, tmp_path):
    """Two at once, with different faces: each gets its own, and no key opens another's folder."""
    clients = [visitor(page.local_url) for _ in range(2)]
    photos = [photo, bring(hopper, tmp_path / "hopper.png")]
    voice = handle_file(write_wav(tmp_path / "voice.wav", np.zeros(3_200)))
    jobs = [c.submit(p, voice, api_name="/animate") for c, p in zip(clients, photos, strict=True)]
    (one, other) = (job.result() for job in jobs)
    assert size_of(path_of(one[0])) == (512, 512) and size_of(path_of(other[0])) == (512, 600)
    assert one[4][:16] != other[4][:16] and path_of(one[0]).parents[1] != path_of(other[0]).parents[1]
    with pytest.raises(AppError, match="generate it again"):
        clients[0].predict(one[4][:16] + other[4][16:], api_name="/look_inside")
    leave(*clients)


def test_nothing_of_theirs_outlives_the_session(cache):
    one, other = (SimpleNamespace(session_hash=name) for name in ("one", "other"))
    upload = _upload(cache, "e" * 64), _upload(cache, "f" * 64)
    guests = Guests()
    key, folder = guests.new_run(one, *({"path": str(path)} for path in upload))
    (folder / "talking-face.mp4").write_bytes(b"film")
    guests.new_run(other, {"path": str(upload[0])})
    guests.leave(one)
    assert not folder.exists() and not folder.parent.exists()
    assert upload[0].exists() and not upload[1].exists(), "another session uses it too"
    with pytest.raises(RecordingError):
        guests.run(key)
    guests.leave(other)
    assert not upload[0].exists()


def test_an_upload_goes_too_though_there_was_no_room_for_a_result(cache, monkeypatch):
    guests, visitor, upload = Guests(), SimpleNamespace(session_hash="late"), _upload(cache, "a" * 64)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch, pytest.raises(gr.Error):
        patch.setattr(Path, "mkdir", full)
        guests.new_run(visitor, {"path": str(upload)})
    guests.leave(visitor)
    assert not upload.exists()


def test_old_results_go_even_if_nobody_leaves(cache):
    guests, visitor = Guests(), SimpleNamespace(session_hash="asleep")
    (_, old), (_, new) = (guests.new_run(visitor) for _ in range(2))
    (old / "recording").mkdir()
    os.utime(old, (0, 0))
    guests.tidy()
    assert not old.exists() and new.exists()
    os.utime(new, (0, 0))
    guests.tidy()
    assert not new.parent.exists()


def test_what_is_being_made_stays_though_the_clock_jumps(cache, monkeypatch):
    guests, visitor, now = Guests(), SimpleNamespace(session_hash="at work"), time.time()
    _, folder = guests.new_run(visitor)
    with guests.removed_on_error(folder), monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now + 7200)
        guests.tidy()
        assert folder.is_dir()
    guests.leave(visitor)


def test_old_uploads_go_whichever_process_they_are_from(cache):
    old, new, foreign = (_upload(cache, name) for name in ("a" * 64, "b" * 64, "somebody elses"))
    for path in (old, foreign):
        os.utime(path, (0, 0))
    Guests().tidy()
    assert not old.parent.exists() and new.exists() and foreign.exists()


@pytest.mark.parametrize("session", ["late", None])
def test_an_upload_is_as_old_as_its_last_use(cache, session):
    """It was brought nearly an hour ago, and is drawn now; what is not used goes, also equal ones beside it."""
    guests, visitor, path = Guests(), SimpleNamespace(session_hash=session), _upload(cache, "1" * 64)
    (beside := path.with_name("another.png")).write_text("equal")
    ages = {path: MAX_AGE - 1, path.parent: MAX_AGE - 1, beside: MAX_AGE + 1}
    for each, seconds in ages.items():
        _make_older(each, seconds)
    guests.remember(visitor, {"path": str(path)})
    _make_older(path, 2)
    guests.tidy()
    assert path.exists() and not beside.exists()
    _make_older(path, MAX_AGE)
    guests.tidy()
    assert not path.parent.exists(), "it is kept for ever"


def test_typed_speech_is_as_old_as_its_last_use(cache):
    """What lies in the folder of a run goes as a whole."""
    guests, visitor = Guests(), SimpleNamespace(session_hash="speaker")
    _, folder = guests.new_run(visitor)
    files = folder, folder / "speech.wav", folder / "cues.json"
    for path in files[1:]:
        path.write_text("hello")
    for path in files:
        _make_older(path, MAX_AGE - 1)
    guests.new_run(visitor, {"path": str(folder / "speech.wav")})
    for path in files:
        _make_older(path, 2)
    guests.tidy()
    assert all(path.exists() for path in files)
    guests.leave(visitor)


def test_what_is_used_for_what_is_being_made_stays_though_the_clock_jumps(cache, monkeypatch):
    guests, visitor, now = Guests(), SimpleNamespace(session_hash="at work"), time.time()
    photo = _upload(cache, "2" * 64)
    guests.bring([photo], None)
    _, said = guests.new_run(visitor)
    (speech := said / "speech.wav").write_text("hello")
    _, folder = guests.new_run(visitor, {"path": str(photo)}, {"path": str(speech)})
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now + 7200)
        with guests.removed_on_error(folder):
            guests.tidy()
            assert photo.exists() and speech.exists()
        guests.tidy()
        assert photo.exists() and speech.exists(), "nobody has had them for an hour"
        for path in (photo, said, speech):
            _make_older(path, MAX_AGE + 1)
        guests.tidy()
        assert not photo.exists() and not speech.exists()
    guests.leave(visitor)


def test_an_example_is_not_touched_when_it_is_used(cache, tmp_path):
    example, guests = tmp_path / "example.png", Guests()
    example.write_bytes(b"picture")
    os.utime(example, (0, 0))
    guests.remember(None, {"path": str(example)})
    assert example.stat().st_mtime == 0


def test_uploads_that_were_broken_off_go(cache):
    old, new = cache / "tmpa1b2c3d4", cache / "tmpe5f6g7h8"
    for path in (old, new):
        path.write_text("the beginning of a film")
    os.utime(old, (time.time() - STALLED - 1,) * 2)
    Guests().tidy()
    assert not old.exists() and new.exists()
    new.unlink()


def test_what_no_file_can_be_called_is_no_upload(cache, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(link)
    for path in (str(link), "a\0b"):
        assert Guests().remember(_ask("phone"), {"path": path}) == set()


def test_others_go_on_leaving_while_it_is_tidied(cache, monkeypatch):
    """A session's folder vanishes after its name was read, before it is looked into; nobody else's stays for that."""
    guests, one, two = Guests(), SimpleNamespace(session_hash="quick"), SimpleNamespace(session_hash="slow")
    (_, quick), (_, slow) = (guests.new_run(visitor) for visitor in (one, two))
    os.utime(slow, (0, 0))
    _when_looked_into(monkeypatch, guests.root(), lambda: shutil.rmtree(quick.parent, ignore_errors=True))
    guests.tidy()
    assert not slow.exists()
    guests.leave(two)


def test_it_is_tidied_again_after_an_error(cache, monkeypatch):
    guests, times = Guests(), []

    def broken():
        times.append(time.monotonic())
        if len(times) == 1:
            raise OSError("the disk is away")

    monkeypatch.setattr(guests, "tidy", broken)
    monkeypatch.setattr("atvg.studio.guests.TIDY_EVERY", 0.01)
    guests.keep_tidy([])
    until(lambda: len(times) > 1, "for another time", 5)
    guests.close()


def test_uploads_of_a_job_that_never_ran_go_with_their_visitor(cache):
    guests, visitor = Guests(), SimpleNamespace(session_hash="turned away")
    path = _upload(cache, "d" * 64)
    guests.remember(visitor, {"path": str(path)})
    guests.tidy()
    assert path.exists()
    guests.leave(visitor)
    assert not path.exists()


def _visit(guests: Guests, session: str, browser: str = "") -> SimpleNamespace:
    """Somebody who has opened the page, in a browser that is known by 32 times this letter, if any."""
    if browser:
        guests.may_follow(session, 32 * browser)
    return SimpleNamespace(session_hash=session, cookies={COOKIE: 32 * browser} if browser else {})


def test_what_a_browser_brought_and_never_used_goes_with_its_last_page(cache):
    guests, path = Guests(), _upload(cache, "f" * 64)
    one, two = (_visit(guests, name, "a") for name in ("one", "two"))
    guests.bring([path], browser_of(one))
    guests.leave(one)
    assert path.exists(), "the other page may be about to use it"
    guests.leave(two)
    assert not path.exists()


def test_a_job_that_begins_when_its_visitor_has_left_makes_nothing(cache):
    guests, visitor = Guests(), _visit(Guests(), "impatient")
    guests.come(visitor)
    guests.leave(visitor)
    with pytest.raises(gr.Error):
        guests.new_run(visitor)
    guests.come(visitor)  # the connection was broken only
    assert guests.new_run(visitor)[1].is_dir()
    guests.leave(visitor)


def _ask(session: str) -> SimpleNamespace:
    """A request that comes now."""
    scope: dict[str, Any] = {}
    stamp(scope)
    return SimpleNamespace(session_hash=session, state=SimpleNamespace(**scope["state"]))


def test_who_asks_after_the_connection_broke_is_here_again(cache):
    """A page opens it once only. What was asked for before makes nothing, also if it ends after somebody came back."""
    guests, waiting, running = Guests(), _ask("phone"), _ask("phone")
    _, finished = guests.new_run(running)
    _, folder = guests.new_run(running)
    with pytest.raises(gr.Error, match=PAGE["no_run"]), guests.removed_on_error(folder):
        guests.leave(waiting)
        assert not finished.exists() and folder.exists()
        _, fresh = guests.new_run(_ask("phone"))
    assert fresh.is_dir() and not folder.exists()
    with pytest.raises(gr.Error, match=PAGE["no_run"]):
        guests.new_run(waiting)
    with guests.removed_on_error(fresh):
        pass
    assert fresh.is_dir()
    guests.leave(waiting)
    assert not fresh.exists()


def test_a_page_goes_on_after_its_heartbeat_broke(page):
    """Through the queue, which keeps when a request came."""
    (say,) = (number for number, fn in page.fns.items() if fn.api_name == "say")
    visitor, api = gr.Request(session_hash="laptop"), f"{page.local_url}gradio_api"
    with httpx.Client() as http:
        for _ in range(2):
            with http.stream("GET", f"{api}/heartbeat/laptop") as heart:
                next(heart.iter_raw())
            until(lambda: not page.guests.is_here(visitor), "for it to be noticed")
            until(lambda: page.guests._presence.has_left(page.guests.name(visitor), 0), "for the files to go")
            asked = {"fn_index": say, "session_hash": "laptop", "data": ["Hello.", "English (UK), man", 160]}
            http.post(f"{api}/queue/join", json=asked).raise_for_status()
            told = http.get(f"{api}/queue/data", params={"session_hash": "laptop"}).text
            assert "speech.wav" in told, told
    page.leave(visitor)


def test_a_visitor_has_not_left_while_another_connection_is_open(cache):
    """The old one is noticed to be dead after the new one has come."""
    guests, gone, kept = Guests(), [], StateHolder()
    kept.session_data["abc"] = SimpleNamespace()
    visitor = _visit(guests, "abc")
    studio = SimpleNamespace(guests=guests, broadcasts=SimpleNamespace(leave=gone.append))
    page = SimpleNamespace(guests=guests, leave=partial(Studio.leave, studio), undelivered=_undelivered([]))

    async def beats(scope, receive, send):
        await receive()
        page.leave(visitor)  # as Gradio does

    async def both():
        ends = [asyncio.Event(), asyncio.Event()]
        hearts = [asyncio.create_task(Doorkeeper(beats)(_beat("abc", page, kept), end.wait, None)) for end in ends]
        await asyncio.sleep(0)
        _, folder = guests.new_run(visitor)
        ends[0].set()
        await hearts[0]
        assert folder.exists() and not gone and "abc" in kept.session_data
        ends[1].set()
        await hearts[1]
        return folder

    assert not asyncio.run(both()).exists() and gone and not kept.session_data


def _undelivered(sessions: list[str]) -> SimpleNamespace:
    def forget(session: str, states: StateHolder) -> None:
        drop_state(states, session)
        if session in sessions:
            sessions.remove(session)

    return SimpleNamespace(forget=forget)


def _beat(session: str, page: Any, kept: StateHolder, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http", "method": "GET", "path": f"/gradio_api/heartbeat/{session}", "query_string": b"",
        "headers": headers, "app": SimpleNamespace(get_blocks=lambda: page, state_holder=kept),
    }  # fmt: skip


def test_nothing_is_left_of_anybody_when_the_process_ends(cache):
    """Not of uploads that nobody used either, nor of those whose session nobody knows."""
    guests, (used, unused, foreign) = Guests(), [_upload(cache, letter * 64) for letter in "789"]
    guests.bring([used, unused], 32 * "a")
    guests.remember(_visit(guests, "one", "a"), {"path": str(used)})
    _, nobodys = guests.new_run(None)
    guests.close()
    assert not used.parent.exists() and not unused.parent.exists() and not nobodys.parent.exists()
    assert foreign.exists(), "another process's"
    foreign.unlink()


@pytest.mark.parametrize("session", ["abc", "upload"])
@pytest.mark.parametrize("broken", [False, True])
def test_who_leaves_while_something_is_written_to_them_has_left(cache, broken, session):
    guests, gone, kept = Guests(), [], StateHolder()
    kept.session_data[session] = kept.session_data["another"] = SimpleNamespace()
    page = SimpleNamespace(
        guests=guests,
        leave=lambda who: gone.append((who.session_hash, browser_of(who))),
        undelivered=_undelivered(unread := [session, "another"]),
    )

    async def beats(scope, receive, send):
        if broken:
            raise OSError("nobody listens")

    scope = _beat(session, page, kept, (b"cookie", f"{COOKIE}={32 * 'a'}".encode()))
    with suppress(OSError):
        asyncio.run(Doorkeeper(beats)(scope, None, None))
    assert gone == [(session, 32 * "a")] and list(kept.session_data) == unread == ["another"]


def test_who_never_leaves_is_not_remembered(cache):
    guests = Guests()
    guests.new_run(SimpleNamespace(session_hash=None), {"path": str(_upload(cache, "c" * 64))})
    assert not guests._uploads


def test_who_leaves_while_their_run_is_used_is_told_and_nothing_stays(cache):
    """Such as pictures that are written while the run is deleted. It goes when the last has done with it."""
    guests, visitor = Guests(), SimpleNamespace(session_hash="looking")
    _, folder = guests.new_run(visitor)
    with pytest.raises(gr.Error, match=PAGE["no_run"]), guests.in_use(folder):
        guests.leave(visitor)
        assert folder.is_dir()
        with pytest.raises(gr.Error, match=PAGE["no_run"]), guests.in_use(folder):
            raise FileNotFoundError(folder / "secret.png")
        (folder / "equation.png").write_text("picture")
    assert not folder.parent.exists() and not guests.unfinished


def test_a_result_is_not_handed_over_when_its_visitor_has_left(cache):
    """Its path would be written to the log by Gradio, which does not find it."""
    guests, visitor = Guests(), SimpleNamespace(session_hash="converting")
    _, folder = guests.new_run(visitor)
    with pytest.raises(gr.Error, match=PAGE["no_run"]), guests.removed_on_error(folder):
        guests.leave(visitor)
    assert not folder.parent.exists()


def test_a_run_stays_when_more_of_it_cannot_be_shown(cache):
    guests, visitor = Guests(), SimpleNamespace(session_hash="full")
    _, folder = guests.new_run(visitor)
    with pytest.raises(gr.Error, match=PAGE["disk_full"]), guests.in_use(folder):
        raise OSError(errno.ENOSPC, "no space left on device")
    with pytest.raises(ValueError), guests.in_use(folder):
        raise ValueError
    assert folder.is_dir() and not guests.unfinished
    guests.leave(visitor)


def test_only_the_newest_recordings_are_kept(cache):
    guests, visitor = Guests(), SimpleNamespace(session_hash="collector")
    folders = [guests.new_run(visitor)[1] for _ in range(5)]
    for age, folder in enumerate(reversed(folders)):
        (folder / RECORDING).mkdir()
        os.utime(folder / RECORDING, (time.time() - age, time.time() - age))
    guests.forget_recordings(folders[-1])
    assert [(folder / RECORDING).is_dir() for folder in folders] == [False, False, True, True, True]


def test_files_outside_the_upload_folder_are_never_deleted(cache, tmp_path):
    example = tmp_path / "example.png"
    example.write_bytes(b"picture")
    guests, visitor = Guests(), SimpleNamespace(session_hash="one")
    guests.new_run(visitor, {"path": str(example)})
    guests.leave(visitor)
    assert example.exists()


def test_a_closed_page_takes_its_files_with_it(page, photo):
    client = visitor(page.local_url)
    face = path_of(client.predict(photo, api_name="/check_face")[0])
    assert face.is_file()
    client.close()
    until(lambda: not face.parent.parent.exists(), "for the files to go")


def _make_older(path: Path, seconds: float) -> None:
    os.utime(path, (path.stat().st_mtime - seconds,) * 2)


def _when_looked_into(monkeypatch: pytest.MonkeyPatch, folder: Path, then: Callable[[], None]) -> None:
    """Whenever the names in a folder have been read, something happens before they are used."""

    class Names(list):
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    def followed(look):
        def looked(path="."):
            if str(path) != str(folder):
                return look(path)
            names = Names(look(path))
            then()
            return names

        return looked

    for name in ("scandir", "listdir"):
        monkeypatch.setattr(os, name, followed(getattr(os, name)))


def test_gradio_does_not_remember_what_is_gone(page, cache, photo):
    """It would keep the path of every upload and every result, for as long as the server runs."""

    def remembered() -> list[str]:
        return [path for paths in page.temp_file_sets for path in paths]

    staying, client = _upload(cache, "f" * 64), visitor(page.local_url)
    page.upload_file_set.add(str(staying))
    face = path_of(client.predict(photo, api_name="/check_face")[0])
    assert str(face) in remembered()
    client.close()
    until(lambda: str(face) not in remembered(), "for it to be forgotten")
    assert not face.exists() and str(staying) in remembered()
    staying.unlink()
    assert page.delete_cache is None, "it would look at all of them, though nothing is left for it to delete"


def _upload(cache: Path, name: str) -> Path:
    path = cache / name / "photo.png"
    path.parent.mkdir()
    path.write_text(name)
    return path
