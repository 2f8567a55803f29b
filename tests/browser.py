"""``python app.py`` and visitors with a browser, for the browser tests and the screenshots."""

import base64
import importlib.util
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.server import ROOT, Server, until

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

_AXE = importlib.util.find_spec("axe_playwright_python")  # only its script is read
AXE = Path(_AXE.origin).with_name("axe.min.js") if _AXE and _AXE.origin else None
# WCAG 2.2 AA, and what axe-core calls best practice; → what stands in somebody's way.
_BARRIERS = """
axe.run(document, {resultTypes: ["violations"]}).then(found => found.violations
  .filter(rule => ["serious", "critical"].includes(rule.impact))
  .flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary}`)))
""".strip()

TABS = json.loads((ROOT / "assets" / "page.json").read_text(encoding="utf-8"))["tabs"]


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of the app, which runs as long as this does; its log and its files are in `folder`."""
    server = Server(folder)
    try:
        yield server.address
    finally:
        server.end()


class Visitor:
    """Somebody with a mouse and a browser of their own, who keeps its profile in `folder`.

    Into the microphone, if there is one, a WAV file is spoken again and again.
    """

    def __init__(self, address: str, folder: Path, microphone: Path | None = None):
        options = webdriver.ChromeOptions()
        options.binary_location = BROWSER
        for flag in (
            "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
            "disable-component-update", "disable-sync", f"user-data-dir={folder / 'profile'}", "window-size=1400,1300",
            "blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
        ):  # fmt: skip
            options.add_argument(f"--{flag}")
        if microphone:
            fake = ("device-for-media-stream", "ui-for-media-stream", f"file-for-fake-audio-capture={microphone}")
            for flag in fake:
                options.add_argument(f"--use-{flag if flag.startswith('file') else f'fake-{flag}'}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.address, self.driver = address, webdriver.Chrome(options, webdriver.ChromeService(DRIVER))

    def leave(self) -> None:
        self.driver.quit()

    def open(self, theme: str = "light") -> None:
        """The page, as it is for somebody who has just come."""
        self.driver.get(f"{self.address}?__theme={theme}")
        self.until("document.querySelector('#generate') && document.querySelector('#voice input[type=file]')")

    # -- looking -------------------------------------------------------------------------------------------------

    def ask(self, script: str, *values: Any) -> Any:
        """What a JavaScript expression of ``arguments`` is, or what it promises."""
        return self.driver.execute_script(f"return {script}", *values)

    def until(self, script: str, *values: Any) -> Any:
        return until(lambda: self.ask(script, *values), f"for {script} with {values}")

    def find(self, where: str) -> WebElement:
        return self.until("document.querySelector(arguments[0])", where)

    def text(self, where: str = "body") -> str:
        """As it can be read on the page; empty if there is no such thing."""
        return self.ask("document.querySelector(arguments[0])?.innerText ?? ''", where)

    def hears(self, words: str, where: str) -> str:
        """Waits for words to appear, and returns all that is written there."""
        until(lambda: words in self.text(where), f"for {words!r} in {where}")
        return self.text(where)

    def complaints(self) -> list[str]:
        """What the browser complained about since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def barriers(self) -> list[str]:
        """What axe-core calls serious or critical on the page as it is seen now."""
        assert AXE is not None, "axe-core is not installed; make test does it"
        self.find("#spoken")  # the page has finished itself
        if not self.ask("!!window.axe"):
            self.driver.execute_script(AXE.read_text(encoding="utf-8"))
        return self.ask(_BARRIERS)

    def hosts(self) -> set[str]:
        """Whom the page asked for anything since it was last asked."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        urls = [request["request"]["url"] for request in sent if request["documentURL"].startswith(self.address)]
        return {urlsplit(url).netloc for url in urls if url.startswith(("http", "ws"))}

    # -- doing ---------------------------------------------------------------------------------------------------

    def press(self, where: str | WebElement) -> None:
        element = self.find(where) if isinstance(where, str) else where
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def speak_example(self, seconds: str = "") -> float:
        """Makes a video of the first example, whose voice lasts that long, and returns its duration in seconds."""
        self.press("#portraits button")
        self.hears("Face found", "#said")
        self.hears(f"{seconds} s,", "#heard")
        self.press("#generate")
        return self.film()

    def turn_to(self, tab: str) -> None:
        if not self.driver.find_elements(By.ID, f"tab-{tab}-button"):  # no room for it on a phone
            self.press(".overflow-menu > button")
        names = self.driver.find_elements(By.CSS_SELECTOR, "[role=tab], .overflow-dropdown > button")
        self.press(next(name for name in names if name.text == TABS[tab]))
        self.until("document.querySelector(arguments[0])?.checkVisibility()", f"#tab-{tab}")

    def unfold(self, title: str) -> None:
        """Opens an accordion."""
        self.press(self.driver.find_element(By.XPATH, f"//button[span[normalize-space()='{title}']]"))

    def bring(self, photo: Path | None = None, voice: Path | None = None) -> None:
        """Uploads into empty fields."""
        for where, path in (("photo", photo), ("voice", voice)):
            if path:
                self.find(f"#{where} input[type=file]").send_keys(str(path))

    def slide(self, name: str, *keys: str) -> None:
        """Moves the slider of that name with the keyboard."""
        slider = self.find(f"input[type=range][aria-label='range slider for {name}']")
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].focus()", slider)
        slider.send_keys(*keys)

    def film(self, where: str = "#video") -> float:
        """Waits for a video and returns its duration in seconds."""
        return self.until(
            "(film => film?.src && film.duration)(document.querySelector(arguments[0]))", f"{where} video"
        )

    def finish(self, where: str) -> None:
        """Waits until nothing more is coming there."""
        self.until("document.querySelector(`${arguments[0]} [data-testid=status-tracker].hide`)", where)

    def resize(self, width: int, height: int, scale: float = 1) -> None:
        """The window; one as narrow as a phone's is a phone's."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def dress(self, theme: str) -> None:
        """Changes the theme and keeps the page as it is."""
        self.driver.execute_script("document.body.classList.toggle('dark', arguments[0])", theme == "dark")

    def photograph(self, height: int) -> bytes:
        """A PNG of the whole page, or of the upper part that is so high."""
        width, whole = self.ask("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": min(whole, height), "scale": 1}
        shot = {"format": "png", "captureBeyondViewport": True, "clip": clip}
        return base64.b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", shot)["data"])
