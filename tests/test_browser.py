"""``python app.py`` in a real browser: upload, press Generate, see the video, and nothing leaves this machine."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="no Chromium with chromedriver on this machine")

ROOT = Path(__file__).parent.parent
PATIENCE = 180  # seconds; a loaded machine is slow, a broken page never gets there


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("app")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = os.environ | {"GRADIO_SERVER_PORT": port, "GRADIO_TEMP_DIR": str(folder / "cache")}
    with (folder / "log.txt").open("w") as log:
        server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}/"
    try:
        _until(lambda: server.poll() is not None or _answers(address))
        assert server.poll() is None, (folder / "log.txt").read_text()
        yield address
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def browser(tmp_path) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (
        "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
        "disable-component-update", "disable-sync", f"user-data-dir={tmp_path / 'profile'}", "window-size=1400,1300",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def _until(done: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if result := done():
            return result
        time.sleep(0.2)
    raise TimeoutError(f"waited {PATIENCE} s in vain")


def _answers(address: str) -> bool:
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except OSError:
        return False


def test_photo_and_voice_become_a_video(browser, address, astronaut_path, voices, tmp_path):
    def ask(script: str) -> Any:
        return browser.execute_script(f"return {script}")

    browser.get(address)
    upload = "document.querySelector('#{} input[type=file]')"
    _until(lambda: ask(upload.format("photo")) and ask(upload.format("voice")))
    ask(upload.format("photo")).send_keys(str(astronaut_path))
    _until(lambda: "Face found" in ask("document.querySelector('#said').innerText"))
    assert ask("!!document.querySelector('#check img')"), "the face is not shown before Generate is pressed"
    ask(upload.format("voice")).send_keys(str(voices / "audio_sample.wav"))
    _until(lambda: ask("!!document.querySelector('#voice [data-testid^=waveform] canvas, #voice #waveform')"))
    ask("document.querySelector('#generate').click()")
    _until(lambda: ask("(video => video && video.src && video.duration > 0)(document.querySelector('#video video'))"))
    seconds = ask("document.querySelector('#video video').duration")
    browser.save_screenshot(str(tmp_path / "app.png"))

    assert seconds == pytest.approx(1.0, abs=0.1)
    severe = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not severe
    assert _hosts(browser, address) == {urlsplit(address).netloc}


def _hosts(browser: Any, address: str) -> set[str]:
    """Whom the page asked for anything."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    urls = [request["request"]["url"] for request in sent if request["documentURL"].startswith(address)]
    return {urlsplit(url).netloc for url in urls if url.startswith(("http", "ws"))}
