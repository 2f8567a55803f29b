"""Nobody is sent what is another's, no log tells of visitors, and nothing of theirs outlives them, nor a kill.

Long, because one server is attacked through every route that Gradio has.
"""

import hashlib
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from gradio.utils import HASH_SEED_PATH
from gradio_client import Client, handle_file
from gradio_client.client import Endpoint
from gradio_client.exceptions import AppError
from PIL import Image

from atvg.studio.settings import COOKIE, PAGE
from tests.marks import quick
from tests.server import Server, until, visitor, write_wav

SECRET = "geheime-oma-7531"  # in the names of what the victim brings, and in what she types
WORDS = (
    "file=", "file/", "proxy=", "stream/", "static/", "assets/", "svelte/", "custom_component/", "monitoring/",
    "deep_link?session_hash=", "run-history/records/", "mcp/", "vibe-code/", "queue/data?session_hash=", "heartbeat/",
)  # fmt: skip
ROUTES = [f"{prefix}/{word}" for prefix in ("", "/gradio_api") for word in WORDS]


class Browser:
    """Somebody at the page: the cookie that the page sets, on every request."""

    def __init__(self, server: Server, cookies: dict[str, str] | None = None):
        self.http = httpx.Client(base_url=server.address, timeout=60)
        self.http.get("/").raise_for_status()
        if cookies is not None:
            self.http.cookies = httpx.Cookies(cookies)
        self.client = visitor(server.address, dict(self.http.cookies))

    def close(self) -> None:
        self.client.close()
        self.http.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("house"))
    yield server
    if server.process.poll() is None:
        server.end()


@pytest.fixture(scope="module")
def brought(astronaut, tmp_path_factory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("brought")
    photo = folder / f"{SECRET}.png"
    Image.fromarray(astronaut[:256, 96:352]).save(photo)
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, 4_000)
    return SimpleNamespace(photo=photo, voice=write_wav(folder / f"{SECRET}.wav", noise))


def make(client: Client, brought: SimpleNamespace) -> SimpleNamespace:
    """A video, its run's key, and every file there is of it and for it."""
    outputs = client.predict(
        handle_file(brought.photo), handle_file(brought.voice), natural=False, arrays=True, api_name="/animate"
    )
    video = Path(outputs[0]["video"]["path"] if "video" in outputs[0] else outputs[0]["path"])
    root = video.parents[2]
    files = [path for path in video.parent.rglob("*") if path.is_file()]
    names = brought.photo.name, brought.voice.name
    uploads = [path for path in root.glob("*/*") if len(path.parent.name) == 64 and path.name in names]
    return SimpleNamespace(key=outputs[4], video=video, files=files + uploads, uploads=uploads, root=root)


@pytest.fixture(scope="module")
def victim(server, brought) -> Iterator[SimpleNamespace]:
    browser = Browser(server)
    made = make(browser.client, brought)
    yield SimpleNamespace(browser=browser, **vars(made))
    browser.close()


@pytest.fixture(scope="module", params=quick(["another browser", "no cookie", "a made-up cookie"], "another browser"))
def thief(request, server, victim) -> Iterator[Browser]:
    """Each has a session of its own."""
    cookies = {"another browser": None, "no cookie": {}, "a made-up cookie": {COOKIE: "0" * 32}}
    thief = Browser(server, cookies[request.param])
    yield thief
    thief.close()


def spellings(path: Path) -> list[str]:
    """Of a path, for a URL."""
    text, name = str(path), path.name
    relative = os.path.relpath(path)
    tricky = [
        text, relative, text[1:], f"/.{text}", f"/{text}", text.replace("/", "//"), f"{path.parent}/./{name}",
        f"{path.parents[1]}/x/../{path.parent.name}/{name}", f"/proc/self/root{text}", f"file://{text}",
        text.replace("/", "\\"), f"{text}\0", f"{text}\0.png", f"{text}/", f"{text}/.", f"{text} ", text.upper(),
        text.replace("/", "／"), text.replace(".", "．"), f"C:{text}", f"~/../..{text}",
        f"http://127.0.0.1/gradio_api/file={text}",
    ]  # fmt: skip
    encoded = [quote(each) for each in tricky] + [quote(each, safe="") for each in tricky]
    return [
        *encoded,
        quote(quote(text, safe=""), safe=""),
        "%2e%2e/" * 12 + quote(text[1:]),
        "..%c0%af" * 12 + text[1:],
    ]


def is_of(answer: bytes, files: list[Path]) -> bool:
    """Whether an answer has a piece of any of the files, also of its middle."""
    pieces = []
    for path in files:
        content = path.read_bytes()
        pieces += [content[at : at + 64] for at in (0, len(content) // 2, max(0, len(content) - 64)) if content]
    # What all files of a format begin with tells nothing.
    return any(piece in answer for piece in pieces if len(piece) >= 24)


def test_its_owner_gets_every_file(victim):
    """Whole and in parts: what is refused below is there."""
    assert len(victim.uploads) == 2 and len(victim.files) > 8
    for path in victim.files:
        url = f"/gradio_api/file={quote(str(path))}"
        whole = victim.browser.http.get(url)
        assert whole.content == path.read_bytes() and "private" in whole.headers["cache-control"]
        assert victim.browser.http.head(url).status_code == 200
    part = victim.browser.http.get(f"/gradio_api/file={quote(str(victim.video))}", headers={"Range": "bytes=4-67"})
    assert part.status_code == 206 and part.content.startswith(victim.video.read_bytes()[4:67])
    assert victim.browser.client.predict(victim.key, api_name="/look_inside")


def test_no_route_sends_it_to_another(victim, thief):
    """Also not as parts, under other spellings, nor its length, and refused as what does not exist."""
    url = "/gradio_api/file=" + quote(str(victim.video))
    etag = victim.browser.http.head(url).headers["etag"]
    ways: list[dict[str, Any]] = [
        {}, {"Range": "bytes=0-99"}, {"Range": "bytes=-9"}, {"If-None-Match": etag},
        {"If-Range": etag, "Range": "bytes=1-"},
        {"X-Forwarded-For": "127.0.0.1"}, {"X-Original-URL": url}, {"Referer": str(thief.http.base_url)},
    ]  # fmt: skip
    for path in [*victim.uploads, victim.video]:
        for route in ("/gradio_api/file=", "/file=", "/gradio_api/file/", "/file/"):
            for spelling in spellings(path):
                answer = ask(thief, route + spelling)
                assert answer.status_code >= 400 and not is_of(answer.content, victim.files), answer.url
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"):
            for headers in ways:
                answer = thief.http.request(method, "/gradio_api/file=" + quote(str(path)), headers=headers)
                assert answer.status_code >= 400 or method == "OPTIONS" and not answer.content
    missing = thief.http.get(url.replace(".mp4", ".nil"))
    refused = thief.http.get(url)
    assert refused.status_code == missing.status_code == 403
    assert refused.text.replace(".mp4", ".nil") == missing.text, "it tells what exists"


def test_no_other_route_sends_it_either(victim, thief):
    for route in ROUTES:
        for name in (victim.video, victim.key):
            answer = ask(thief, route + quote(str(name)))
            assert not is_of(answer.content, victim.files), answer.url
    for folder in (victim.root, victim.video.parent, victim.uploads[0].parent):
        assert ask(thief, f"/gradio_api/file={folder}").status_code == 403, "a folder is listed"
    for word in ("tmpabcdefgh", "vibe_edit_history", next(victim.root.glob("process-*/*")).relative_to(victim.root)):
        assert ask(thief, f"/gradio_api/file={victim.root}/{word}").status_code == 403


def test_nobody_follows_or_ends_the_session_of_another(victim, thief):
    """Whoever lets go of its heartbeat would have its files deleted."""
    session = victim.browser.client.session_hash
    for prefix in ("", "/gradio_api"):
        for route in ("heartbeat/", "queue/data?session_hash="):
            assert ask(thief, f"{prefix}/{route}{session}").status_code == 404
    assert ask(victim.browser, f"/gradio_api/queue/data?session_hash={session}").status_code == 200
    assert victim.video.exists()


def test_what_fetches_and_writes_for_strangers_is_shut(server, victim, thief):
    """An open relay, ffmpeg outside of the box, and files that nobody deletes."""
    before = server.files()
    assert ask(thief, "/gradio_api/file=https://example.org/").status_code == 403
    film = {"video": ("a.mp4", victim.video.read_bytes())}
    assert thief.http.post("/gradio_api/process_recording", files=film).status_code == 404
    assert ask(thief, f"/gradio_api/deep_link?session_hash={thief.client.session_hash}").status_code == 404
    assert server.files() == before


def ask(browser: Browser, url: str) -> httpx.Response:
    """Without waiting for what goes on for ever."""
    with browser.http.stream("GET", url, timeout=5) as answer:
        content = b""
        if "event-stream" not in answer.headers.get("content-type", ""):
            content = answer.read()
        answer._content = content
        return answer


def test_no_path_in_a_payload_reaches_it(victim, thief, monkeypatch):
    """Neither as a photo or a voice, nor does a refused one tell whether it exists; and no key opens a run."""
    monkeypatch.setattr(Endpoint, "_upload_file", lambda self, file, data_index: file)  # it would bring a copy
    for path in [*victim.uploads, victim.video, victim.root / ("f" * 64) / "none.png"]:
        payload = {"path": str(path), "url": None, "meta": {"_type": "gradio.FileData"}}
        for endpoint, inputs in (
            ("/check_face", [payload]),
            ("/animate", [payload, payload]),
            ("/live_start", [payload]),
        ):
            with pytest.raises(AppError) as caught:
                thief.client.predict(*inputs, api_name=endpoint)
            assert str(caught.value) == PAGE["not_yours"]
    for endpoint in ("/look_inside", "/trajectory", "/convert"):
        with pytest.raises(AppError) as caught:
            thief.client.predict(victim.key, api_name=endpoint)
        assert str(caught.value) == PAGE["no_run"]


def test_no_endpoint_works_with_it(victim, thief):
    """Also none of the page's own, which the API does not name."""
    session, tried = f"{thief.client.session_hash}-page", 0
    (photo,) = (str(path) for path in victim.uploads if path.suffix == ".png")
    payload = {"path": photo, "url": None, "meta": {"_type": "gradio.FileData"}}
    for number, endpoint in enumerate(thief.client.config["dependencies"]):
        if not (endpoint["backend_fn"] and endpoint["inputs"]):
            continue
        data = [payload] * len(endpoint["inputs"])
        asked = {"data": data, "fn_index": number, "session_hash": session, "event_data": {"index": [9, 9]}}
        told = thief.http.post("/gradio_api/queue/join", json=asked).text
        if "event_id" in told:
            told = thief.http.get("/gradio_api/queue/data", params={"session_hash": session}).text
        assert PAGE["not_yours"] in told, (endpoint["api_name"], told)
        tried += 1
    assert tried > 25


def test_equal_uploads_do_not_tell_of_each_other(victim, thief, brought):
    """Who has the same photo does not learn that somebody else has brought it, nor where."""
    own = thief.http.post("/gradio_api/upload", files={"files": ("mine.png", brought.photo.read_bytes())}).json()[0]
    (theirs,) = (path for path in victim.uploads if path.suffix == ".png")
    assert Path(own).parent != theirs.parent and thief.http.get(f"/gradio_api/file={quote(own)}").status_code == 200
    assert ask(thief, f"/gradio_api/file={quote(str(theirs))}").status_code == 403


def test_names_cannot_be_guessed(victim, brought):
    """128 random bits in the name of a run; and a secret of this process in those of uploads."""
    assert re.fullmatch("[0-9a-f]{32}", victim.video.parent.name)
    seed = Path(HASH_SEED_PATH)
    seeds = [b"", seed.read_bytes().strip() if seed.is_file() else b""]
    for path, source in zip(
        sorted(victim.uploads, key=lambda p: p.suffix), (brought.photo, brought.voice), strict=True
    ):
        guesses = [hashlib.sha256(seed + source.read_bytes()).hexdigest() for seed in seeds]
        assert path.read_bytes() == source.read_bytes() and path.parent.name not in guesses


def test_a_link_is_what_it_leads_to(server, victim, thief, tmp_path):
    """Visitors cannot make links; if one of theirs were there, it would open nothing."""
    own = Path(thief.http.post("/gradio_api/upload", files={"files": ("a.txt", b"mine")}).json()[0])
    link = own.parent / "link"
    link.symlink_to(victim.video)
    assert ask(thief, f"/gradio_api/file={quote(str(own))}").content == b"mine"
    assert ask(thief, f"/gradio_api/file={quote(str(link))}").status_code == 403
    link.unlink()


def test_nothing_is_sent_while_it_is_deleted(server, brought):
    """Others ask for it all the time, from before its owner leaves until it is gone."""
    owner, thief = Browser(server), Browser(server)
    made, over, got = make(owner.client, brought), threading.Event(), []
    url = f"/gradio_api/file={quote(str(made.video))}"
    assert owner.http.get(url).status_code == 200

    def ask_on() -> None:
        with httpx.Client(base_url=server.address, cookies=dict(thief.http.cookies)) as http:
            while not over.is_set():
                got.append(http.get(url).status_code)

    askers = [threading.Thread(target=ask_on) for _ in range(4)]
    for asker in askers:
        asker.start()
    owner.close()
    until(lambda: not made.video.exists(), "for the files to go")
    over.set()
    for asker in askers:
        asker.join()
    thief.close()
    assert len(got) > 10 and set(got) == {403}


def test_what_a_program_makes_is_open_to_whoever_knows_the_name(server, brought, tmp_path):
    """It has no cookie to be known by: what SECURITY.md says remains."""
    program, other = visitor(server.address), Browser(server)
    made = make(program, write_own(tmp_path, brought))
    assert other.http.get(f"/gradio_api/file={quote(str(made.video))}").status_code == 200
    other.close()
    program.close()
    until(lambda: not made.video.exists(), "for the files to go")


def test_the_log_tells_of_nobody(server, victim, brought):
    """After all of the above, a text that was spoken, rubbish and a wrong call: no name, path, text or address."""
    client = victim.browser.client
    client.predict(SECRET, api_name="/say")
    rubbish = brought.photo.with_name(f"{SECRET}-rubbish.png")
    rubbish.write_bytes(b"rubbish")
    client.predict(handle_file(rubbish), api_name="/check_face")
    asked = victim.browser.http.post("/gradio_api/call/live_start", json={"data": [SECRET]})  # it takes more
    event = asked.json()["event_id"]
    assert "error" in victim.browser.http.get(f"/gradio_api/call/live_start/{event}").text
    victim.browser.http.post(
        "/gradio_api/queue/join", json={"data": [SECRET], "fn_index": 10**6, "session_hash": SECRET}
    )
    victim.browser.http.post(f"/gradio_api/call/{SECRET}", json={"data": [SECRET]})
    victim.browser.http.post(f"/gradio_api/call/v2/{SECRET}", json={SECRET: SECRET})
    victim.browser.http.post("/gradio_api/call/v2/animate", json={SECRET: SECRET})
    log = server.log()
    told = [
        SECRET,
        victim.key,
        victim.root.name + "/atvg-",
        client.session_hash,
        *(p.parent.name for p in victim.uploads),
    ]
    assert not [word for word in told if word in log], log
    own = f"127.0.0.1:{httpx.URL(server.address).port}"
    assert not re.search(r"GET /|POST /|127\.0\.0\.1", log.replace(own, "")), log


@pytest.mark.long
def test_nothing_is_left_after_the_session_nor_after_a_kill(server, tmp_path, brought):
    """Looked for by content, on all of the disk that the app may write to."""
    before, own = contents(server.cache), write_own(tmp_path, brought)
    leaving = Browser(server)
    made = make(leaving.client, own)
    hashes = {digest(path) for path in made.files} - before
    assert len(hashes) > 5 and hashes <= contents(server.cache)
    leaving.close()
    until(lambda: not made.video.exists(), "for the files to go")
    assert not hashes & contents(server.cache)
    made = make(Browser(server).client, own)
    hashes = {digest(path) for path in made.files}
    server.end(signal.SIGKILL)
    assert hashes <= contents(server.cache), "what this is about"
    again = Server(tmp_path / "again", server.cache)
    until(lambda: not again.files() or again.files() == ["vibe_edit_history"], "for what was left to go", 20)
    assert not hashes & contents(server.cache)
    assert len(list(server.cache.glob("process-*"))) == 1
    again.end()
    assert not list(server.cache.glob("process-*"))


def write_own(folder: Path, brought: SimpleNamespace) -> SimpleNamespace:
    """The same picture as another file, and another voice."""
    Image.open(brought.photo).save(folder / "own.png", compress_level=1)
    return SimpleNamespace(photo=folder / "own.png", voice=write_wav(folder / "own.wav", np.full(3_200, 0.1)))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def contents(folder: Path) -> set[str]:
    return {digest(path) for path in folder.rglob("*") if path.is_file()}
