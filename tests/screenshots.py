"""Pictures of every tab with something in it, as they are in the README: ``make screenshots``."""

import argparse
import importlib.util
import io
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from atvg.voice.audio import load_audio
from tests.browser import TABS, Visitor, serving
from tests.server import write_wav

TALLEST = 2400  # pixels of a picture
MOST = 120_000  # bytes of a file
SETTLED = """
[...document.querySelectorAll('.js-plotly-plot')].filter(plot => plot.checkVisibility())
  .every(plot => Math.abs(plot.querySelector('.main-svg').clientWidth - plot.clientWidth) < 2)
""".strip()  # plots follow the width of the page a little later
LOOKS = {"light": ("light", 1280, 1), "dark": ("dark", 1280, 1), "phone": ("light", 390, 2)}  # theme, width, scale


def fill(visitor: Visitor) -> None:
    """Gives every tab something to show, of the first example."""
    visitor.speak_example()
    visitor.turn_to("live")
    visitor.press("#live-consent input")
    visitor.until("!document.querySelector('#live-face canvas').hidden")
    visitor.turn_to("inside")
    visitor.find("#equation img")
    visitor.find("#paths .js-plotly-plot .main-svg")
    visitor.turn_to("ablations")
    visitor.press("#ablate")
    visitor.find("#sweep-curves .js-plotly-plot .main-svg")
    visitor.finish("#sweep-curves")
    visitor.turn_to("compare")
    visitor.press("#compare")
    visitor.film("#contest")
    visitor.turn_to("trouble")
    visitor.press("#break")
    visitor.film("#compared")
    visitor.press("#fail")
    visitor.find("#gallery img")
    visitor.finish("#gallery")


def compressed(png: bytes) -> bytes:
    """The same as a WebP, not larger than `MOST` unless it would be too blurred."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for quality in (80, 70, 60, 50):
        file = io.BytesIO()
        picture.save(file, "WebP", quality=quality, method=6)
        if file.tell() <= MOST:
            break
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", dest="folder", type=Path, required=True, help="where to write WebP files")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, serving(Path(scratch)) as address:
        voice = Path(importlib.util.find_spec("gradio").origin).parent / "media_assets" / "audio" / "cate_blanch.mp3"
        microphone = write_wav(Path(scratch) / "voice.wav", load_audio(voice))
        visitor = Visitor(address, Path(scratch), microphone)
        try:
            visitor.resize(1280, 1000)
            visitor.open()
            fill(visitor)
            for tab in TABS:
                if tab == "live":  # it goes on while its pictures are taken
                    visitor.turn_to(tab)
                    visitor.press("#live-start")
                    visitor.hears("behind you", "#live-face .lag")
                for look, (theme, width, scale) in LOOKS.items():
                    visitor.resize(1280, 1000)
                    visitor.turn_to(tab)
                    visitor.resize(width, 1000, scale)
                    visitor.dress(theme)
                    visitor.until(SETTLED)
                    time.sleep(3)  # colours fade, the voice's wave is drawn again, and no film is loading any more
                    shot = visitor.photograph(TALLEST // scale)
                    (folder / f"{tab}-{look}.webp").write_bytes(compressed(shot))
        finally:
            visitor.leave()


if __name__ == "__main__":
    sys.exit(main())
