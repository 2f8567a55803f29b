"""The app for those who hear it, who have no mouse, or who want nothing to move."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server import until

browser = pytest.importorskip("tests.browser", reason="selenium is not installed")
from selenium.webdriver import ActionChains, Keys  # noqa: E402

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not (browser.BROWSER and browser.DRIVER), reason="no Chromium with chromedriver here"),
]
needs_axe = pytest.mark.skipif(not browser.AXE, reason="axe-core is not installed; make test does it")

FOCUSED = "document.activeElement.matches(arguments[0])"
OUTLINED = "getComputedStyle(document.activeElement).outlineStyle != 'none'"
WORK = """
const work = document.querySelector('main').appendChild(document.createElement('figure'));
work.className = 'working';
work.appendChild(document.createElement('figcaption'));
let frame = 0;
const drawing = setInterval(() => (work.firstChild.innerText = `Frame ${++frame} of 999`), 40);
setTimeout(() => { clearInterval(drawing); work.remove(); }, 1000 * arguments[0]);
window.told = [];
new MutationObserver(() => told.push([performance.now() / 1000, document.querySelector('#spoken').innerText]))
  .observe(document.querySelector('#spoken'), {childList: true});
"""
UNNAMED_FIELDS = """
[...document.querySelectorAll('input:not([type=file], [type=hidden]), textarea, select')].filter(e =>
  e.checkVisibility() && ![...e.labels ?? []].some(label => label.innerText.trim()) && !e.ariaLabel && !e.title
).map(e => e.outerHTML.slice(0, 120))
""".strip()


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    with browser.serving(tmp_path_factory.mktemp("app")) as address:
        yield address


@pytest.fixture
def visitor(address, tmp_path) -> Iterator[Any]:
    visitor = browser.Visitor(address, tmp_path)
    visitor.open()
    yield visitor
    visitor.leave()


@pytest.fixture
def served(visitor) -> Any:
    """Somebody who has made a video of an example."""
    visitor.speak_example("4.0")
    visitor.find("#downloads a")
    return visitor


def _go_to(visitor: Any, where: str, *, back: bool = False, most: int = 150) -> None:
    """Presses Tab until something there has the focus, which can be seen all the way."""
    for _ in range(most):
        keys = ActionChains(visitor.driver)
        keys = keys.key_down(Keys.SHIFT) if back else keys
        keys.send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
        if visitor.ask(FOCUSED, where):
            assert visitor.ask(OUTLINED), f"the focus on {where} cannot be seen"
            return
    raise AssertionError(f"{most} times Tab do not lead to {where}")


def _type(visitor: Any, *keys: str) -> None:
    ActionChains(visitor.driver).send_keys(*keys).perform()


def _work(visitor: Any, seconds: float) -> None:
    """Something that looks like a video that is being made."""
    visitor.find("#spoken")
    visitor.driver.execute_script(WORK, seconds)


@needs_axe
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_tab_has_a_serious_barrier(served, theme):
    for button in served.driver.find_elements("css selector", "button.label-wrap:not(.open)"):
        served.driver.execute_script("arguments[0].click()", button)
    found = []
    for width in (1400, 390):
        served.resize(width, 1300)
        served.dress(theme)
        for tab in browser.TABS:
            served.turn_to(tab)
            found += [f"{tab}, {width} pixels: {barrier}" for barrier in served.barriers()]
            found += [f"{tab}: unnamed: {field}" for field in served.ask(UNNAMED_FIELDS)]
    assert not found, "\n".join(found)


@needs_axe
def test_a_barrier_would_be_seen(visitor):
    assert not visitor.barriers()
    visitor.driver.execute_script("document.querySelector('#said').style = '--body-text-color-subdued: #bbb'")
    assert any("color-contrast" in barrier for barrier in visitor.barriers())


def test_everything_can_be_done_with_a_keyboard(visitor, tmp_path):
    downloads = tmp_path / "downloads"
    visitor.driver.execute_cdp_cmd("Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
    _go_to(visitor, "#portraits button")
    _type(visitor, Keys.ENTER)
    visitor.hears("Face found", "#said")
    visitor.hears("4.0 s", "#heard")
    _go_to(visitor, "#consent input")
    _type(visitor, Keys.SPACE)
    assert visitor.ask("document.querySelector('#consent input').checked")
    _go_to(visitor, "#generate")
    _type(visitor, Keys.ENTER)
    visitor.film()
    _go_to(visitor, "#video :is([role=button], button)[aria-label*=play], #video video")
    _type(visitor, Keys.SPACE)
    visitor.until("document.querySelector('#video video').currentTime > 0.2")
    visitor.find("#downloads a[download]")
    _go_to(visitor, "#downloads a[download='settings.json']")
    _type(visitor, Keys.ENTER)
    until(lambda: (downloads / "settings.json").is_file(), "for the download")
    for tab in browser.TABS:
        visitor.driver.execute_script("scrollTo(0, 0); document.activeElement.blur()")
        _go_to(visitor, f"#tab-{tab}-button", back=tab == "talk")
        _type(visitor, Keys.ENTER)
        visitor.until("document.querySelector(arguments[0])?.checkVisibility()", f"#tab-{tab}")


def test_a_face_among_several_is_chosen_with_a_keyboard(visitor, astronaut, tmp_path):
    import numpy as np
    from PIL import Image

    path = tmp_path / "two.png"
    Image.fromarray(np.concatenate([astronaut, astronaut[:, ::-1]], axis=1)).save(path)
    visitor.bring(Path(path))
    visitor.hears("2 faces found", "#said")
    _go_to(visitor, "#which input")
    _type(visitor, Keys.ARROW_RIGHT)
    visitor.hears("Face found", "#said")


def test_a_face_is_placed_with_a_keyboard(visitor, astronaut_path):
    """Clicks into the picture have fields beside them."""
    visitor.bring(astronaut_path)
    visitor.hears("Face found", "#said")
    _go_to(visitor, "#place button")
    _type(visitor, Keys.ENTER)
    visitor.find("#box :is(input, textarea)")
    _go_to(visitor, "#box :is(input, textarea)")
    _type(visitor, "0, 0, 5, 5", Keys.ENTER)
    visitor.hears("✗", "#said")
    _type(visitor, *[Keys.BACKSPACE] * 10, "170, 80, 110, 110", Keys.ENTER)
    visitor.hears("Face found", "#said")


def test_progress_is_told_now_and_then(visitor):
    """Of work that goes on for 14 seconds and shows 25 frames in each of them."""
    _work(visitor, 14)
    visitor.until("told.at(-1)?.[1] == 'Done.'")
    (first, frame), *others, _ = visitor.ask("told")
    assert frame.startswith("Frame ") and 1 <= len(others) <= 3
    assert others[0][0] - first > 4.5
    assert visitor.ask("document.querySelector('#spoken').role") == "status"


def test_what_is_quick_is_not_talked_about(visitor):
    _work(visitor, 0.6)
    visitor.until("!document.querySelector('.working')")
    assert not visitor.ask("new Promise(wait => setTimeout(() => wait(told), 1200))")


def test_what_was_found_is_told(visitor):
    for where in ("#said", "#heard"):
        visitor.until("document.querySelector(arguments[0]).role == 'status'", where)


def test_who_wants_nothing_to_move_is_spared(visitor):
    reduced = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    visitor.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", reduced)
    visitor.open()
    moving = "document.getAnimations().filter(e => e.effect.getComputedTiming().activeDuration > 10).length"
    visitor.press("#portraits button")
    visitor.press("#generate")
    visitor.find(".working")
    assert not visitor.ask(moving)
    visitor.film()
    assert visitor.ask("document.querySelector('#video video').paused")


def test_the_page_says_its_language_and_parts(visitor):
    assert visitor.ask("document.documentElement.lang") == "en"
    assert visitor.ask("document.querySelectorAll('main, [role=main]').length") == 1
    assert visitor.ask("document.querySelectorAll('h1').length") == 1
