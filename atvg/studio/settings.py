"""The page's limits, its texts, and the ways in which its events run."""

import json
from typing import Any

from atvg.shipped import shipped

MAX_SECONDS = 120  # of audio, so that the queue moves on
MAX_SIDE = 1280  # of the photo, pixels: larger videos are not encoded in real time
MAX_FILM_SIDE = 1920  # of a film, pixels: its frames are drawn and encoded in all of them
MAX_FRAMES = 3600  # of a dubbed film: two minutes at 30 a second, or one at 60
MAX_UPLOAD = "200mb"  # two minutes of film, as phones make it
# Megabytes of a request that is no upload: two seconds of live sound take one at most; and of a tool's, which may hold
# a photo and two minutes of sound in base64.
MAX_REQUEST, MAX_TOOL_REQUEST = 4, 64
LONGEST = 300  # characters of an error
MAX_AGE, TIDY_EVERY = 3600, 600  # of what visitors bring and get, seconds
COOKIE = "atvg_browser"  # 128 random bits, by which a browser gets its own files and nobody else's
MAX_WAITING = 12  # jobs; whoever comes then is told at once that the studio is busy
MAX_SESSIONS = 100  # whose page Gradio keeps in memory, 0.3 MB each
STALLED = 600  # an upload of which nothing has come for so many seconds will never be whole
PATIENCE = 4  # seconds that running jobs get to notice that the process is told to end
SHOWN = {"JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"}  # formats that every browser shows
POINTS = 5  # that place a face by hand
RECORDING, KEPT_RECORDINGS = "recording", 3  # of a visitor; two minutes take 0.8 gigabytes
FILM = "film"  # that was dubbed, beside its recording
BETA_SECONDS = 6  # of the video that shows every β at once
PREVIEW_SIDE = 480  # of the newest frame while a video is being made, and of live ones, pixels
LIVE_AT_ONCE = 2  # faces; two cores draw as many in time, beside the videos that wait in the queue
LIVE_SECONDS, LIVE_PATIENCE = 60, 10  # how long one may last, and go on without a sound
LIVE_PIECE, LIVE_LONGEST = 0.2, 1.0  # seconds of sound that the page sends at once; of what waits longer, the newest
LIVE_WAITING = 10  # frames that wait to be shown; of more, the oldest are left out to stay live

ASSETS = shipped("assets")


def asset(name: str) -> str:
    """What is written in a file of the assets."""
    return (ASSETS / name).read_text(encoding="utf-8")


PAGE: dict[str, Any] = json.loads(asset("page.json"))  # every text, and how each component looks

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
RAW: dict[str, Any] = {"preprocess": False}  # or Gradio would open photos itself, and say less about what is wrong
QUICK: dict[str, Any] = {  # in the queue, for only there Gradio shows errors; but without waiting
    "api_visibility": "private", "show_progress": "hidden", "concurrency_id": "quick", "concurrency_limit": None,
} | RAW  # fmt: skip
# Looks at what was brought: quickly, but not so quickly that many may do so at once.
CHECKING: dict[str, Any] = {"concurrency_id": "checks", "concurrency_limit": 2} | RAW
# One at a time: it takes all cores.
DRAWING: dict[str, Any] = {"concurrency_id": "drawing", "concurrency_limit": 1} | RAW
