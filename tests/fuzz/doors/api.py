"""The endpoints of the app, called with what a client may send: any JSON in the place of every argument.

Nothing is drawn: where that would begin, the settings are checked, and it ends.
"""

import base64
import gc
import inspect
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from hypothesis import strategies as st
from PIL import Image
from skimage import data as pictures

from atvg import Animator
from atvg.animate.settings import make_settings
from atvg.errors import BadSettingError
from atvg.studio.page import build
from tests import bad_inputs as bad
from tests.fuzz.harness import own
from tests.fuzz.structured import JSONS, noise, reading

SECONDS, EXAMPLES = 60, 20
PHOTO = pictures.astronaut()[:300, 80:380]
LONG = {"ablate", "compare", "break_it", "show_failures", "convert"}  # what draws otherwise than by `Animator.stream`


def _stopped(*face_and_wave: Any, **settings: Any) -> Iterator[Any]:
    make_settings(settings)
    raise BadSettingError("here drawing would begin")


def page() -> gr.Blocks:
    """The page over the shipped weights, whose files lie in a folder of this process from now on."""
    os.environ["GRADIO_TEMP_DIR"] = str(own() / "gradio")
    return _built()


@cache
def _built() -> gr.Blocks:
    animator = Animator.from_pretrained()
    look = animator.read_face
    face = cache(lambda: look(PHOTO))  # who does not place it gets the one that is found, without a look every time
    animator.read_face = lambda photo, **place: look(photo, **place) if place else face()  # type: ignore[method-assign]
    animator.stream = _stopped  # type: ignore[method-assign]
    return build(animator)


@cache
def _endpoints() -> dict[str, Callable]:
    """Those that clients may call, by name."""
    public = [function for function in page().fns.values() if function.api_visibility == "public"]
    return {function.api_name: function.fn for function in public if isinstance(function.api_name, str) and function.fn}


@cache
def _uploads() -> tuple[dict[str, Any], dict[str, Any]]:
    """A photo and a voice, as Gradio names them."""
    page()
    folder = own() / "gradio" / ("0" * 64)
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(PHOTO).save(folder / "photo.png")
    (folder / "voice.wav").write_bytes(bad.wav_header(data=bad._pcm(0.5)))
    about = {"meta": {"_type": "gradio.FileData"}, "orig_name": "x", "url": None, "size": None}
    return {"path": str(folder / "photo.png"), **about}, {"path": str(folder / "voice.wav"), **about}


SOUND = base64.b64encode(np.zeros(3200, "<i2").tobytes()).decode()
PATHS = st.sampled_from(("/etc/passwd", "\0", "", ".", "../../x", "/proc/self/environ", "a" * 5000, "http://x/y"))
FILES = st.one_of(JSONS, PATHS, PATHS.map(lambda path: {"path": path, "meta": {"_type": "gradio.FileData"}}))
NUMBERS = st.one_of(st.floats(), st.integers(), st.integers(0, 3), JSONS)
WORDS = st.sampled_from(("full", "face", "crop", "whisper", "none", "silence", "noise", "gif", "webm", "en-us", SOUND))
TEXTS = st.one_of(st.text(), WORDS, st.lists(NUMBERS, max_size=10).map(lambda n: ",".join(map(str, n))))
VALUES = st.one_of(NUMBERS, TEXTS, st.just(16_000), FILES)
WHOLE = st.booleans()


def ready() -> None:
    """Starts what later calls find running: detector, networks, and the process that decodes."""
    names = sorted(_endpoints())
    for name in ("check_face", "animate", "live_start", "say"):
        _take((names.index(name), True, None, {0: "hello"} if name == "say" else {}))
    gc.freeze()  # the studio collects garbage after every job: a second, if it looked through all that is loaded


def _take(value: tuple[Any, ...]) -> None:
    page()
    which, whole, foreign, changed = value
    photo, voice = _uploads()
    names = sorted(_endpoints())
    name = names[which % len(names)]
    function = _endpoints()[name]
    arguments = {}
    for at, argument in enumerate(inspect.signature(function).parameters.values()):
        if argument.name == "request":
            continue
        if argument.name in ("photo", "audio", "other"):
            good = whole and not (name in LONG and argument.name == "audio")
            arguments[argument.name] = (
                {"photo": photo, "audio": voice, "other": photo}[argument.name] if good else foreign
            )
        elif at in changed or argument.default is argument.empty:
            arguments[argument.name] = changed.get(at)
    try:
        said = function(**arguments)
        if inspect.isgenerator(said):
            said = list(itertools.islice(said, 20))
        assert said is None or isinstance(said, (str, tuple, list, dict)), type(said)
        if name == "live_start":
            _speak(said, changed)
    except gr.Error as error:
        assert isinstance(error.message, str) and error.message.strip(), name
    except Exception as error:
        raise AssertionError(f"{name}: {type(error).__name__}: {error}; of {arguments!r}") from error
    finally:
        for folder in Path(own() / "gradio").glob("atvg-*"):
            shutil.rmtree(folder)


def _speak(key: Any, changed: dict[int, Any]) -> None:
    """Two pieces of sound to a live face, one of them foreign."""
    try:
        for rate, sound in ((changed.get(0, 16_000), changed.get(1, SOUND)), (16_000, SOUND)):
            try:
                _endpoints()["live"](key, rate, sound)
            except gr.Error as error:
                assert error.message
    finally:
        _endpoints()["live_stop"](key)


one = reading(
    st.tuples(st.integers(0, 30), WHOLE, FILES, st.dictionaries(st.integers(0, 20), VALUES, max_size=4)), _take
)
seeds = noise
