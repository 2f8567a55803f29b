"""The Gradio app: a photo and a voice → a talking face, and what the networks computed on the way.

Run ``python app.py``. ``ATVG_WEIGHTS`` names other weights than the shipped ones (a folder or a Hub id). Every text and
the look of every component are in ``assets/``; all that is computed or drawn is in ``atvg/``.
"""

import asyncio
import base64
import ctypes
import hashlib
import importlib.util
import io
import json
import os
import re
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # nothing is sent or fetched at run time
# What Gradio counts of every job is shown nowhere; it would keep 10 000, and sum them up with pandas after each.
os.environ |= {"GRADIO_ANALYTICS_MAX_EVENTS": "1", "GRADIO_ANALYTICS_CACHE_FREQUENCY": str(10**9)}
# A folder of its own: what is old in it is deleted, and Gradio's default is shared by all its apps.
os.environ.setdefault("GRADIO_TEMP_DIR", str(Path(tempfile.gettempdir()) / "atvg-app"))

try:  # on a Space with ZeroGPU, which wants to be imported before torch
    from spaces import GPU as on_gpu
except ImportError:  # anywhere else

    def on_gpu(work: Callable) -> Callable:
        return work


import gradio as gr
import numpy as np
from gradio.processing_utils import check_all_files_in_cache
from gradio.utils import get_upload_folder
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from plotly.graph_objects import Figure
from scipy.io import wavfile
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

from atvg import checkpoint
from atvg.animate.live import look_ahead
from atvg.animate.settings import make_settings
from atvg.animator import Animator
from atvg.config import EARS, FPS, SAMPLE_RATE
from atvg.errors import (
    ATVGError,
    BadAudioError,
    BadImageError,
    BadSettingError,
    DiskFullError,
    LiveBusyError,
    LiveOverError,
    NoFaceError,
    RecordingError,
    SeveralFacesError,
    TooLongError,
)
from atvg.face.advice import advise
from atvg.face.detection import Detection
from atvg.face.face import Face
from atvg.face.image import load_image
from atvg.face.landmarks import mouth_opening
from atvg.face.mediapipe import silence_native_logs
from atvg.face.placing import parse_place
from atvg.film.label import LABEL, sign
from atvg.film.provenance import provenance, write_provenance
from atvg.film.recording import Recorder, Recording
from atvg.film.render import rendering
from atvg.lab import compare, failures, sweeps, troubles
from atvg.lab.run import excerpt
from atvg.motion.pose import Pose
from atvg.motion.turn import turn_face
from atvg.scratch import ROOM, has_room, is_full, remove_abandoned, under_way
from atvg.show.equations import AMPLIFIED, equation, layers, layers_equation
from atvg.show.maps import attention_over, landmarks_over, loss_weight
from atvg.show.plots import curves, lips, paths, trajectory
from atvg.show.sketch import sketch_boxes, sketch_face, sketch_points
from atvg.studio.broadcast import Aired, Broadcasts, sound_of
from atvg.voice.audio import load_audio, n_video_frames, silence
from atvg.voice.speak import VOICES, available, say

MAX_SECONDS = 120  # of audio, so that the queue moves on
MAX_SIDE = 1280  # of the photo, pixels: larger videos are not encoded in real time
LONGEST = 300  # characters of an error
MAX_AGE, TIDY_EVERY = 3600, 600  # of what visitors bring and get, seconds
MAX_WAITING = 12  # jobs; whoever comes then is told at once that the studio is busy
MAX_SESSIONS = 100  # whose page Gradio keeps in memory, 0.2 MB each, also for an hour after they have left
STALLED = 600  # an upload of which nothing has come for so many seconds will never be whole
PATIENCE = 4  # seconds that running jobs get to notice that the process is told to end
POINTS = 5  # that place a face by hand
RECORDING, KEPT_RECORDINGS = "recording", 3  # of a visitor; two minutes take 0.8 gigabytes
BETA_SECONDS = 6  # of the video that shows every β at once
PREVIEW_SIDE = 480  # of the newest frame while a video is being made, and of live ones, pixels
LIVE_AT_ONCE = 2  # faces; two cores draw as many in time, beside the videos that wait in the queue
LIVE_SECONDS, LIVE_PATIENCE = 60, 10  # how long one may last, and go on without a sound
LIVE_PIECE, LIVE_LONGEST = 0.2, 1.0  # seconds of sound that the page sends at once; of what waits longer, the newest
LIVE_WAITING = 10  # frames that wait to be shown; of more, the oldest are left out to stay live

ASSETS = Path(__file__).parent / "assets"
PAGE = json.loads((ASSETS / "page.json").read_text(encoding="utf-8"))  # every text, and how each component looks

LAUNCH: dict[str, Any] = {
    "theme": gr.themes.Base.load(ASSETS / "theme.json"), "css_paths": ASSETS / "style.css",
    "max_file_size": "50mb", "footer_links": ["api", "settings"], "enable_monitoring": False, "run_history": False,
    "mcp_server": True, "state_session_capacity": MAX_SESSIONS,
}  # fmt: skip

Upload = dict[str, Any] | None  # how Gradio names a file, before it would open it itself


@contextmanager
def explaining() -> Iterator[None]:
    """What a user did wrong is said in a line; anything else is a bug and stays one."""
    try:
        yield
    except DiskFullError:
        raise _sorry(PAGE["disk_full"]) from None
    except LiveBusyError:
        raise _sorry(PAGE["live_busy"].format(LIVE_AT_ONCE)) from None
    except LiveOverError:
        raise _sorry(PAGE["live_over"].format(LIVE_SECONDS, LIVE_PATIENCE)) from None
    except ATVGError as error:
        said = str(error)
        if len(said) > LONGEST:  # it repeats what somebody sent
            said = f"{said[: LONGEST // 2]} … {said[-LONGEST // 2 :]}"
        raise _sorry(said) from None


def _sorry(text: str) -> gr.Error:
    return gr.Error(text, title=PAGE["sorry"], print_exception=False)


class Guests:
    """Whose files are whose. All of a visitor's go when the page is closed, and after `MAX_AGE` at the latest.

    Clients that keep no connection open never say that they have left: `tidy` finds what they leave behind.
    """

    def __init__(self) -> None:
        self._uploads: defaultdict[str, set[Path]] = defaultdict(set)
        self._lock = threading.Lock()

    def keep_tidy(self) -> None:
        """Looks for old files now and then, for ever, in a thread of its own."""

        def watch() -> None:
            while True:
                self.tidy()
                time.sleep(TIDY_EVERY)

        threading.Thread(target=watch, daemon=True, name="tidy").start()

    def tidy(self) -> None:
        """Deletes what killed processes left half-made, and what is too old, whichever process it is from."""
        root, long_ago = self.root(), time.time() - MAX_AGE
        remove_abandoned(root, "atvg-*/*")
        for upload in root.glob("tmp*"):  # so Gradio names what is not whole yet; it forgets those who leave before
            if upload.is_file() and _age(upload) > STALLED:
                upload.unlink(missing_ok=True)
        for folder in [*root.glob("atvg-*/*"), *root.glob("[0-9a-f]" * 64)]:
            with suppress(OSError):  # its owner may be leaving just now
                if min(path.stat().st_mtime for path in (folder, *folder.iterdir())) < long_ago:
                    shutil.rmtree(folder)
        for session in root.glob("atvg-*"):
            with suppress(OSError):  # there is something in it
                session.rmdir()
        with self._lock:
            for name, uploads in list(self._uploads.items()):
                if not (root / f"atvg-{name}").is_dir() and not any(upload.exists() for upload in uploads):
                    del self._uploads[name]

    @staticmethod
    def root() -> Path:
        return Path(get_upload_folder()).resolve()

    @staticmethod
    def name(request: gr.Request | None) -> str:
        """Of a session; the browser chose its hash, so it is hashed again before it becomes a folder's name."""
        session = getattr(request, "session_hash", None) or secrets.token_hex()
        return hashlib.sha256(session.encode()).hexdigest()[:16]

    def new_run(self, request: gr.Request | None, *uploads: Upload) -> tuple[str, Path]:
        """A new folder for results, with the key to it, which nobody can guess. Remembers whose the uploads are."""
        name, key = self.name(request), secrets.token_hex(16)
        folder = self.root() / f"atvg-{name}" / key
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise (_sorry(PAGE["disk_full"]) if is_full(error) else error) from None
        self.remember(request, *uploads)
        return name + key, folder

    def remember(self, request: gr.Request | None, *uploads: Upload) -> None:
        """Notes whose the uploads are."""
        if getattr(request, "session_hash", None):  # others never leave
            with self._lock:
                self._uploads[self.name(request)] |= {Path(path).resolve() for path in map(_named, uploads) if path}

    def forget_recordings(self, folder: Path) -> None:
        """Deletes the large recordings of a session's older runs; `folder` is the newest."""
        recordings = [recording for recording in folder.parent.glob(f"*/{RECORDING}") if recording.parent != folder]
        for recording in sorted(recordings, key=_age)[KEPT_RECORDINGS - 1 :]:
            shutil.rmtree(recording, ignore_errors=True)

    def run(self, key: str) -> Path:
        """The folder of a run.

        Raises:
            RecordingError: there is none.
        """
        known = re.fullmatch(r"([0-9a-f]{16})([0-9a-f]{32})", str(key or ""))
        folder = self.root() / f"atvg-{known[1]}" / known[2] if known else None
        if folder is None or not folder.is_dir():
            raise RecordingError(PAGE["no_run"])
        return folder

    def leave(self, request: gr.Request) -> None:
        """Deletes results and uploads of a session; equal uploads share a file, so others may still need one."""
        self._leave(self.name(request))

    def close(self) -> None:
        """Everybody leaves, for this process ends: nobody would delete their files."""
        for name in list(self._uploads):
            self._leave(name)
        for folder in list(_UNFINISHED):
            shutil.rmtree(folder, ignore_errors=True)

    def _leave(self, name: str) -> None:
        with self._lock:
            own = self._uploads.pop(name, set())
            orphans = own - set().union(*self._uploads.values())
        for upload in orphans:
            if upload.is_relative_to(self.root()) and upload.is_file():
                upload.unlink(missing_ok=True)
                with suppress(OSError):
                    upload.parent.rmdir()  # it is named after the upload's content
        shutil.rmtree(self.root() / f"atvg-{name}", ignore_errors=True)
        _give_memory_back()


def _give_memory_back() -> None:
    """What has been freed, to the system: glibc keeps it for each thread that ever made a video."""
    with suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _age(path: Path) -> float:
    """Seconds; endless for what is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


class Studio:
    """What happens when a button is pressed. Visitors share nothing in it but the networks, which nobody changes."""

    def __init__(self, animator: Animator):
        self.animator, self.guests = animator, Guests()
        self.broadcasts = Broadcasts(animator, LIVE_AT_ONCE, LIVE_SECONDS, LIVE_PATIENCE, PREVIEW_SIDE)
        self._draw = on_gpu(self._draw)
        self.jobs: Sized = ()  # that wait; the page gives its queue
        self._entering = 0  # jobs that are let in and not yet among those; only the server's event loop counts them

    # -- before any work -----------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return len(self.jobs) + self._entering >= MAX_WAITING

    def admit(self, consent: bool, *uploads: Upload) -> None:
        """Lets a visitor of the page in who may use faces and voice; the examples are free to use."""
        if self.busy:
            raise _sorry(PAGE["busy"])
        own = [path for path in map(_named, uploads) if path and path not in map(str, FREE)]
        if own and not consent:
            raise _sorry(PAGE["no_consent"])

    async def validate(self, request: gr.Request, *inputs: Any) -> list[dict[str, Any]]:
        """Turns a job away before it waits for its turn: too many do, or the voice, the second input, is too long.

        In the event loop, one job after the other: of many that come at once each must see those before it.
        """
        self.guests.remember(request, *inputs)  # those of a job that is turned away, or leaves the queue, go too
        verdicts = [gr.validate(True, "")] * len(inputs)
        if self.busy:
            verdicts[0] = gr.validate(False, PAGE["busy"])
            return verdicts
        self._entering += 1
        try:
            await asyncio.to_thread(_hear, inputs[1])
        except TooLongError as error:
            verdicts[1] = gr.validate(False, str(error))
        except (ATVGError, gr.Error, OSError):
            pass  # the job itself says it better
        finally:
            self._entering -= 1
        return verdicts

    # -- Talk ----------------------------------------------------------------------------------------------------

    def check_face(
        self, photo: Upload, box: str = "", points: str = "", request: gr.Request = None
    ) -> tuple[str | None, str, dict[str, Any]]:
        """Looks for the face in a photo and says what would spoil the result, before any work is done.

        Args:
            photo: a picture with one face, or with one placed by hand.
            box: where the face is, if it is not found: x, y, width, height in pixels of the photo.
            points: or x, y of its eyes, nose tip and mouth corners; left as seen comes first.

        Returns:
            A picture: the crop with its landmarks, or else the photo, with all faces if there are several. What was
            found, in words. And the same as data: whether a face was found, boxes of the faces (x, y, width, height in
            pixels of the photo), and warnings.
        """
        report: dict[str, Any] = {"found": False, "faces": [], "warnings": []}
        if not photo:
            return None, PAGE["face_hint"], report
        _, folder = self.guests.new_run(request, photo)
        picture = None
        try:
            picture, scale = _open_photo(photo)
            face = self.animator.read_face(picture, **_place(box, points, scale))
            advice = advise(face)
            box = Detection(face.landmarks, face.mesh).box
            report |= {"found": True, "faces": [_unscaled(box, scale)], "warnings": [vars(a) for a in advice]}
            said = "\n\n".join([PAGE["face_found"], *(PAGE["face_warning"].format(a.message) for a in advice)])
            shown = sketch_face(face)
        except SeveralFacesError as error:
            report["faces"] = [_unscaled(box, scale) for box in error.boxes]
            shown, said = sketch_boxes(picture, error.boxes), PAGE["faces_several"].format(len(error.boxes))
        except NoFaceError as error:
            shown, said = picture, PAGE["face_missing"].format(error)
        except ATVGError as error:
            shown, said = picture, PAGE["face_problem"].format(error)
        with _removed_on_error(folder):
            return None if shown is None else _save(shown, folder / "face.png", made=False), said, report

    def choices(self, report: dict[str, Any]) -> Any:
        """The faces to choose from, by their boxes."""
        boxes = [] if report["found"] else report["faces"]
        names = [(PAGE["face_number"].format(i), ", ".join(map(str, box))) for i, box in enumerate(boxes, 1)]
        return gr.update(choices=names, value=None, visible=bool(boxes))

    def mark(
        self, photo: Upload, report: dict[str, Any], points: str, click: gr.SelectData, request: gr.Request = None
    ) -> tuple[Any, ...]:
        """A click into the photo chooses a face, or sets the next of its five points → box, points, and the check."""
        stay = (gr.skip(),) * 5
        if report["found"] or not photo:
            return stay
        with explaining():
            picture, scale = _open_photo(photo)
            x, y = (value / scale for value in click.index)
            if report["faces"]:
                hit = [b for b in report["faces"] if b[0] <= x <= b[0] + b[2] and b[1] <= y <= b[1] + b[3]]
                box = ", ".join(map(str, hit[0])) if hit else ""
                return (box, "", *self.check_face(photo, box, "", request)) if hit else stay
            numbers = [*(_place(None, points, 1).get("points", [])[: 2 * (POINTS - 1)]), round(x), round(y)]
            points = ", ".join(f"{number:g}" for number in numbers)
            if len(numbers) == 2 * POINTS:
                return "", points, *self.check_face(photo, "", points, request)
            dots = sketch_points(picture, np.reshape(numbers, (-1, 2)) * scale)
            path = _save(dots, self.guests.new_run(request)[1] / "points.png", made=False)
            return "", points, path, PAGE["points_next"][len(numbers) // 2], report

    def check_voice(self, audio: Upload, request: gr.Request = None) -> str:
        """Listens to a voice before any work is done.

        Args:
            audio: speech of up to two minutes.

        Returns:
            How long it is, or what is wrong with it.
        """
        if not audio:
            return PAGE["voice_hint"]
        try:
            self.guests.new_run(request, audio)
            wave = load_audio(_path(audio, BadAudioError(PAGE["no_voice"])), MAX_SECONDS)
        except ATVGError as error:
            return PAGE["voice_problem"].format(error)
        frames = n_video_frames(wave)
        seconds, spoken = len(wave) / SAMPLE_RATE, 1 - silence(wave, frames).mean()
        said = PAGE["voice_found" if spoken > 0.2 else "voice_silent" if spoken == 0 else "voice_quiet"]
        return said.format(f"{seconds:.1f}", f"{100 * spoken:.0f}")

    def say(self, text: str, voice: str = next(iter(VOICES)), speed: float = 160, request: gr.Request = None) -> str:
        """Speaks a typed text with a synthetic voice (eSpeak NG), offline.

        Args:
            text: up to 1000 characters.
            voice: language and speaker.
            speed: words a minute, 80..300.

        Returns:
            The speech, 16 kHz WAV.
        """
        _, folder = self.guests.new_run(request)
        with _removed_on_error(folder), explaining():
            wave = say(text, voice, speed)
            wavfile.write(folder / "speech.wav", SAMPLE_RATE, (wave * 32767).astype(np.int16))
            return str(folder / "speech.wav")

    def animate(
        self, photo: Upload, audio: Upload, beta: float = 0.5, yaw: float = 0, pitch: float = 0, roll: float = 0,
        mouth_gain: float = 1, smoothing: float = 0.8, frame: str = "full", seed: int = 0, arrays: bool = False,
        box: str = "", points: str = "", natural: bool = True, teeth: float = 1, ear: str = EARS[0],
        request: gr.Request = None,
    ) -> Iterator[tuple[Any, ...]]:  # fmt: skip
        """Makes the face in a photo speak. By calling this you say that you may use this face and this voice.

        Args:
            photo: a picture with one face, seen from the front.
            audio: speech of up to two minutes.
            beta: β of the weights, 0..2.
            yaw: turn of the head in degrees, −45..45; + to the viewer's right.
            pitch: nod, −30..30; + looks down.
            roll: tilt, −30..30; + counter-clockwise.
            mouth_gain: movement of the mouth, 0..3; 1 as heard.
            smoothing: of the landmarks over time, standard deviation in frames, 0..5.
            frame: "full" for the whole photo, "face" for a close-up in its own pixels, "crop" for the 128×128 face.
            seed: of the natural motion.
            arrays: also return every frame, map, landmark and code.
            box: where the face is, if it is not found: x, y, width, height in pixels of the photo.
            points: or x, y of its eyes, nose tip and mouth corners; left as seen comes first.
            natural: let the head move a little and the eyes blink.
            teeth: how much shows of those that the photo hides, 0..1.
            ear: "whisper" hears through the trained ear, "none" reads windows of MFCC, as in the paper.

        Returns:
            The finished MP4, labelled as AI-generated; an MP4 of landmarks, attention, motion and result; the arrays
            (NPZ), if asked for; all settings and versions (JSON); the key of this run, for `look_inside` and
            `trajectory`; and, while it is drawn, the newest frame with a progress bar (HTML), at the end nothing.
        """
        key, folder = self.guests.new_run(request, photo, audio)
        settings = {
            "beta": beta, "yaw": yaw, "pitch": pitch, "roll": roll, "mouth_gain": mouth_gain, "smoothing": smoothing,
            "teeth": teeth, "ear": ear, "natural": natural, "seed": seed, "frame": frame,
        }  # fmt: skip
        kept = (gr.skip(),) * 5
        with _removed_on_error(folder), explaining():
            picture, scale = _open_photo(photo)
            place = _place(box, points, scale)
            speech, wave = _hear(audio)
            yield *kept, PAGE["listening"]
            progress = Progress(n_video_frames(wave))
            for done, newest in self._draw(picture, speech, wave, place, settings, arrays, folder):
                yield *kept, progress.show(done, newest)
            original = {name: [value / scale for value in numbers] for name, numbers in place.items()}
            data = provenance(self.animator, settings | {"box": None, "points": None} | original, picture, wave)
            data["photo"]["shrunk_by"] = scale
            write_provenance(folder / "settings.json", data)
            self.guests.forget_recordings(folder)
        names = ("talking-face.mp4", "panels.mp4", "arrays.npz" if arrays else None, "settings.json")
        yield *(name and str(folder / name) for name in names), key, ""

    def _draw(
        self, picture: np.ndarray, speech: str, wave: np.ndarray, place: dict[str, list[float]],
        settings: dict[str, Any], arrays: bool, folder: Path,
    ) -> Iterator[tuple[int, bytes]]:  # fmt: skip
        """The part that a GPU may do; all that goes in and out can be sent to another process."""
        settings = dict(settings)
        frame, pose = settings.pop("frame"), Pose(*(settings.pop(angle) for angle in ("yaw", "pitch", "roll")))
        face = turn_face(self.animator.read_face(picture, **place), pose)
        chunks = self.animator.stream(face, wave, **settings)
        chunks = Recorder(folder / RECORDING, wave, settings["beta"], n_video_frames(wave), face).watch(chunks)
        files = (folder / name for name in ("talking-face.mp4", "panels.mp4", "arrays.npz"))
        video, panels, npz = map(str, files)
        for done, newest in rendering(face, chunks, speech, video, frame, panels, npz if arrays else None):
            yield done, _jpeg(newest)

    def downloads(self, *files: Upload) -> Any:
        """All that can be taken home."""
        return gr.update(value=[file.get("video", file)["path"] for file in files if file], visible=True)

    # -- Live ----------------------------------------------------------------------------------------------------

    def admit_live(self, consent: bool) -> None:
        """The voice is nobody's example, so it always needs consent."""
        if not consent:
            raise _sorry(PAGE["no_live_consent"])

    def live_start(
        self, photo: Upload, beta: float = 0.5, yaw: float = 0, pitch: float = 0, roll: float = 0,
        mouth_gain: float = 1, smoothing: float = 0.8, seed: int = 0, box: str = "", points: str = "",
        natural: bool = True, teeth: float = 1, ear: str = EARS[0], request: gr.Request = None,
    ) -> str:  # fmt: skip
        """Prepares the face in a photo to speak live. By calling this you say that you may use this face and voice.

        Args:
            photo: a picture with one face, seen from the front.
            beta: β of the weights, 0..2.
            yaw: turn of the head in degrees, −45..45; + to the viewer's right.
            pitch: nod, −30..30; + looks down.
            roll: tilt, −30..30; + counter-clockwise.
            mouth_gain: movement of the mouth, 0..3; 1 as heard.
            smoothing: of the landmarks over time, 0..5; live, only the frames beside each one count.
            seed: of the natural motion.
            box: where the face is, if it is not found: x, y, width, height in pixels of the photo.
            points: or x, y of its eyes, nose tip and mouth corners; left as seen comes first.
            natural: let the head move a little and the eyes blink.
            teeth: how much shows of those that the photo hides, 0..1.
            ear: "whisper" hears through the trained ear, "none" reads windows of MFCC, as in the paper.

        Returns:
            The key of this live face, for `live` and `live_stop`. It ends after a minute, or ten seconds without sound.
        """
        self.guests.remember(request, photo)
        owner = self.guests.name(request)
        with explaining():
            self.broadcasts.check_room(owner)
            face = self._face(photo, box, points)
            return self.broadcasts.open(
                owner, face, beta=beta, pose=Pose(yaw, pitch, roll), mouth_gain=mouth_gain, smoothing=smoothing,
                seed=seed, natural=natural, teeth=teeth, ear=ear,
            )  # fmt: skip

    def live(self, key: str, rate: float, sound: str) -> dict[str, Any]:
        """Gives the next piece of a voice to a live face, and gets the frames that this completes, 25 a second.

        Args:
            key: from `live_start`.
            rate: samples a second, the same every time.
            sound: base64 of 16-bit little-endian samples of one channel, at most two seconds; 0.2 are a good choice.

        Returns:
            "frames": JPEG pictures in base64, labelled as AI-generated, maybe none. "start": which frame of this live
            face the first of them is. "heard", "left": seconds of sound so far, and until it ends. "computing":
            seconds that this took. A frame comes as soon as the 0.24 s of sound after it have been heard.
        """
        with explaining():
            return _aired(self.broadcasts.feed(key, rate, sound_of(sound)))

    def live_stop(self, key: str) -> dict[str, Any]:
        """Ends a live face, and gets its last frames: those that waited for what is said next.

        Args:
            key: from `live_start`.

        Returns:
            As `live` does.
        """
        with explaining():
            return _aired(self.broadcasts.finish(key))

    def leave(self, request: gr.Request) -> None:
        """A visitor has closed the page."""
        self.broadcasts.leave(self.guests.name(request))
        self.guests.leave(request)

    # -- Look inside ---------------------------------------------------------------------------------------------

    def look_inside(self, run: str, frame: int = 0, beta: float = 0.5) -> tuple[str, ...]:
        """Shows what the networks computed for one frame of a video.

        Args:
            run: the key that `animate` gave; the three newest of a session can be opened.
            frame: which frame, from 0; 25 a second.
            beta: β of the loss weight that is shown, 0..2.

        Returns:
            Pictures: the landmarks that were asked for; attention α over the photo; the weight α + β of the
            dynamic pixel-wise loss; the motion map m; α·m + (1 − α)·photo as an equation of pictures, wide and tall.
            One line that says which frame this is. And the layers of the frame on the photo's own pixels, in the face's
            close-up, as equations, wide and tall: base + residual = m, and α·m + (1 − α)·photo.
        """
        with explaining():
            folder = self.guests.run(run)
            recording = Recording.open(folder / RECORDING)
            beta = round(make_settings({"beta": beta}).beta, 2)
            moment = recording[frame]
            pictures = {
                "landmarks": landmarks_over(moment.photo, recording.example, moment.landmarks),
                "attention": attention_over(moment.photo, moment.attention),
                f"weight-{beta:g}": loss_weight(moment.attention, beta),
                "motion": moment.motion.repeat(4, axis=0).repeat(4, axis=1),
                "equation": sign(equation(moment)),
                "equation-tall": sign(equation(moment, stacked=True)),
            }
            tiles = layers(recording, frame)
            pictures |= {f"layers{end}": sign(layers_equation(tiles, bool(end))) for end in ("", "-tall")}
            *saved, wide, tall = (_save(picture, folder / f"{name}-{frame}.png") for name, picture in pictures.items())
            return *saved, PAGE["moment"].format(frame, len(recording) - 1, f"{moment.seconds:.2f}"), wide, tall

    def open_inside(self, run: str, beta: float) -> tuple[Any, float]:
        """The scrubber of a new video, at the moment when the mouth is widest open; and β as it was drawn."""
        with explaining():
            recording = Recording.open(self.guests.run(run) / RECORDING)
            widest = int(mouth_opening(recording.landmarks).argmax())
            return gr.update(maximum=len(recording) - 1, value=widest, interactive=True), beta

    def trajectory(self, run: str) -> tuple[Figure, Figure]:
        """Shows a whole video as curves that can be zoomed into.

        Args:
            run: the key that `animate` gave; the three newest of a session can be opened.

        Returns:
            Interactive figures: lip opening against the sound with AT-net's PCA codes; the path of every landmark.
        """
        with explaining():
            recording = Recording.open(self.guests.run(run) / RECORDING)
            codes = trajectory(recording.landmarks, recording.codes, recording.envelope)
            return codes, paths(recording.landmarks, recording.example)

    # -- Ablations, Compare and Break it --------------------------------------------------------------------------

    def ablate(
        self, photo: Upload, audio: Upload, sweep: str = "noise", box: str = "", points: str = "",
        request: gr.Request = None,
    ) -> Iterator[tuple[Any, ...]]:  # fmt: skip
        """Draws one input many times while one thing changes. You say that you may use this face and this voice.

        Args:
            photo: a picture with one face.
            audio: speech of up to two minutes; the most spoken second or two are used.
            sweep: "noise": the landmarks that VG-net is given are disturbed; "pose": the head turns; "snr": noise is
                added to the voice; "beta": the loss that the weights were trained with.
            box: where the face is, if it is not found: x, y, width, height in pixels of the photo.
            points: or x, y of its eyes, nose tip and mouth corners; left as seen comes first.

        Returns:
            The faces side by side; curves of the measured quality; for "beta" also an MP4 of all in sync. They grow as
            the work goes on.
        """
        _, folder = self.guests.new_run(request, photo, audio)
        with _removed_on_error(folder), explaining():
            if sweep not in list(SWEEPS):  # what is no name may not be hashable
                raise BadSettingError(f"sweep is {str(sweep)[:80]!r}; choose from: {', '.join(SWEEPS)}")
            face, wave = self._face(photo, box, points), _hear(audio)[1]
            strip, figure, video = None, None, None
            for step, growing in enumerate(SWEEPS[sweep](self.animator, face, wave)):
                strip = _save(sign(growing.strip()), folder / f"{sweep}-{step}.png")
                figure = curves(*growing.series(), PAGE["sweep_axes"][sweep])
                yield strip, figure, None
            if sweep == "beta":
                wave = excerpt(wave, BETA_SECONDS)
                video = str(sweeps.side_by_side(folder / "betas.mp4", self.animator, face, wave))
        yield strip, figure, video

    def compare(
        self, photo: Upload, audio: Upload, beta: float = 0.5, yaw: float = 0, pitch: float = 0, roll: float = 0,
        mouth_gain: float = 1, smoothing: float = 0.8, box: str = "", points: str = "", teeth: float = 1,
        ear: str = EARS[0], request: gr.Request = None,
    ) -> Iterator[tuple[str | None, list[list[str]], Figure]]:  # fmt: skip
        """Draws one input with ATVG and three compared systems. You say that you may use this face and this voice.

        Those are compact re-implementations, trained by this project for less time on the same clips.

        Args:
            photo: a picture with one face.
            audio: speech of up to two minutes; the most spoken six seconds are used.
            beta: β of ATVG's weights, 0..2.
            yaw: turn of the head in degrees, −45..45; + to the viewer's right. All systems get the turned photo.
            pitch: nod, −30..30; + looks down.
            roll: tilt, −30..30; + counter-clockwise.
            mouth_gain: movement of ATVG's mouth, 0..3; 1 as heard.
            smoothing: of ATVG's landmarks over time, standard deviation in frames, 0..5.
            box: where the face is, if it is not found: x, y, width, height in pixels of the photo.
            points: or x, y of its eyes, nose tip and mouth corners; left as seen comes first.
            teeth: how much shows of those that the photo hides, 0..1; of ATVG's mouth.
            ear: ATVG's: "whisper" hears through the trained ear, "none" reads windows of MFCC, as in the paper.

        Returns:
            An MP4 of the photo, ATVG and the others in sync, with their mouths enlarged; a table of measures, one
            column each; curves of their lips above the sound. The last two grow as the work goes on.
        """
        _, folder = self.guests.new_run(request, photo, audio)
        with _removed_on_error(folder), explaining():
            face, wave = self._face(photo, box, points), _hear(audio)[1]
            pose = Pose(yaw, pitch, roll)
            settings = {"beta": beta, "mouth_gain": mouth_gain, "smoothing": smoothing, "teeth": teeth, "ear": ear}
            for comparison in compare.compare(self.animator, face, wave, pose=pose, **settings):
                measured = comparison.table(), lips(comparison.openings(), comparison.envelope())
                yield None, *measured
            yield str(compare.side_by_side(folder / "side-by-side.mp4", comparison)), *measured

    def break_it(
        self, photo: Upload, audio: Upload, trouble: str = "silence", snr: float = 5, size: float = 0.5,
        other: Upload = None, box: str = "", points: str = "", request: gr.Request = None,
    ) -> tuple[str, str, list[list[str]]]:  # fmt: skip
        """Disturbs one stage and measures what changes. You say that you may use this face and this voice.

        Args:
            photo: a picture with one face.
            audio: speech of up to two minutes; the most spoken seconds are used.
            trouble: one of shuffled, reversed, silence, music, noise, babble, other_landmarks, frozen, attention_0,
                attention_1, occluded.
            snr: of noise and babble, dB, −20..60.
            size: width of the box that hides the mouth, as a share of the crop's, 0.1..1.
            other: the photo of another person, whose landmarks are used; an example portrait if there is none.
            box: where the face is, if it is not found: x, y, width, height in pixels of the photo.
            points: or x, y of its eyes, nose tip and mouth corners; left as seen comes first.

        Returns:
            An MP4, undisturbed beside disturbed; what was found, in words; a table of measures.
        """
        _, folder = self.guests.new_run(request, photo, audio, other)
        with _removed_on_error(folder), explaining():
            face, wave = self._face(photo, box, points), _hear(audio)[1]
            stranger = self._face(other or STRANGER) if trouble == "other_landmarks" else None
            outcome = troubles.disturb(self.animator, face, wave, trouble, snr=snr, box=size, other=stranger)
            video = troubles.compare_video(folder / "compared.mp4", outcome)
            return str(video), outcome.finding, troubles.table(outcome)

    def show_failures(
        self, photo: Upload, audio: Upload, box: str = "", points: str = "", request: gr.Request = None
    ) -> Iterator[list[tuple[str, str]]]:
        """Makes the known failures happen to a face. You say that you may use this face and this voice.

        Args:
            photo: a picture with one face.
            audio: speech of up to two minutes.
            box: where the face is, if it is not found: x, y, width, height in pixels of the photo.
            points: or x, y of its eyes, nose tip and mouth corners; left as seen comes first.

        Returns:
            Pictures, each with its cause and what helps.
        """
        _, folder = self.guests.new_run(request, photo, audio)
        made: list[tuple[str, str]] = []
        with _removed_on_error(folder), explaining():
            face, wave = self._face(photo, box, points), _hear(audio)[1]
            for name, failure in failures.FAILURES.items():
                picture = failures.make(self.animator, face, wave, name)
                path = _save(sign(picture), folder / f"{name}.png")
                made.append((path, f"{failure.title}. {failure.cause} {failure.remedy}"))
                yield made

    def _face(self, photo: Upload, box: str = "", points: str = "") -> Face:
        picture, scale = _open_photo(photo)
        return self.animator.read_face(picture, **_place(box, points, scale))


SWEEPS = {
    "noise": sweeps.noise_sweep, "pose": sweeps.pose_sweep, "snr": sweeps.snr_sweep, "beta": sweeps.beta_sweep
}  # fmt: skip


# -- files and small conversions ---------------------------------------------------------------------------------


_UNFINISHED: set[Path] = set()  # folders in which this process is working


@contextmanager
def _removed_on_error(folder: Path) -> Iterator[None]:
    """No half-made results stay behind: not if the visitor leaves in the middle, nor if this process is killed."""
    _UNFINISHED.add(folder)
    try:
        with under_way(folder):
            yield
    except BaseException as error:
        left, full = not folder.is_dir(), is_full(error) or not has_room(folder)
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # the session has other results
            folder.parent.rmdir()
        if left and isinstance(error, OSError):
            raise _sorry(PAGE["no_run"]) from None
        if full and isinstance(error, Exception):  # which shows itself in many ways, also as ffmpeg's errors
            raise _sorry(PAGE["disk_full"]) from None
        raise
    finally:
        _UNFINISHED.discard(folder)


class Doorkeeper:
    """Turns uploads away that the disk has no room for: Gradio would keep the half of each that it has."""

    def __init__(self, app: Callable):
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        if scope["type"] == "http" and scope["path"].endswith("/upload"):
            size = dict(scope["headers"]).get(b"content-length", b"")
            if not has_room(Guests.root(), ROOM + (int(size) if size.isdigit() else 0)):
                return await PlainTextResponse(PAGE["disk_full"], 507)(scope, receive, send)
        await self._app(scope, receive, send)


LAUNCH["app_kwargs"] = {"middleware": [Middleware(Doorkeeper)]}


def _named(upload: Any) -> str | None:
    """The path of an upload, or of whatever a client sent in its place."""
    path = upload.get("path") if isinstance(upload, dict) else None
    return path if isinstance(path, str) and path and "\0" not in path else None


def _path(upload: Any, missing: ATVGError) -> str:
    path = _named(upload)
    if path is None:
        raise missing
    try:
        check_all_files_in_cache(upload)  # Gradio forgets to, for images not marked as uploads
    except gr.Error as error:
        raise _sorry(str(error.message)) from None
    except (OSError, RuntimeError, ValueError):  # a name that no file can have, or a link to itself
        raise missing from None
    return path


def _open_photo(photo: Upload) -> tuple[np.ndarray, float]:
    """The picture, not larger than `MAX_SIDE`, and the scale it was shrunk by."""
    image = Image.fromarray(load_image(_path(photo, BadImageError(PAGE["no_photo"]))))
    width = image.width
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    return np.array(image), image.width / width


def _hear(audio: Upload) -> tuple[str, np.ndarray]:
    path = _path(audio, BadAudioError(PAGE["no_voice"]))
    return path, load_audio(path, MAX_SECONDS)


def _place(box: str | None, points: str | None, scale: float) -> dict[str, list[float]]:
    """What was typed about the place of the face; empty fields say nothing."""
    typed = (str(text or "").strip() or None for text in (box, points))
    return parse_place(*typed, scale)


def _unscaled(box: tuple[float, float, float, float], scale: float) -> list[int]:
    return [round(value / scale) for value in box]


def _save(picture: np.ndarray, path: Path, made: bool = True) -> str:
    """Writes a PNG; unless a person made what it shows, it says so in the file."""
    info = PngInfo()
    if made:
        info.add_itxt("Comment", f"{LABEL} (ATVG)")
    Image.fromarray(picture).save(path, pnginfo=info, compress_level=1)  # a third of the time, a fifth larger
    return str(path)


def _aired(aired: Aired) -> dict[str, Any]:
    frames = [base64.b64encode(picture).decode() for picture in aired.pictures]
    return {"frames": frames} | {name: getattr(aired, name) for name in ("start", "heard", "left", "computing")}


def _jpeg(picture: np.ndarray) -> bytes:
    image, file = Image.fromarray(picture), io.BytesIO()
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    image.save(file, "JPEG", quality=85)
    return file.getvalue()


class Progress:
    """The newest frame, how far the work is and how long it will take, as HTML."""

    def __init__(self, total: int):
        self._total, self._first = total, None

    def show(self, done: int, newest: bytes) -> str:
        now = time.monotonic()
        self._first = self._first or (now, done)  # what came before was loading, and says nothing of the speed
        drawn, left = done - self._first[1], ""
        if drawn:
            left = PAGE["live_left"].format(f"{(self._total - done) * (now - self._first[0]) / drawn:.0f}")
        source = f"data:image/jpeg;base64,{base64.b64encode(newest).decode()}"
        return PAGE["live"].format(source=source, done=done, total=self._total, left=left)


# -- the page ----------------------------------------------------------------------------------------------------


def _wheel(package: str, *parts: str) -> Path:
    return Path(importlib.util.find_spec(package).origin).parent.joinpath(*parts)


# Portraits (public domain) and voices in wheels that are installed anyway, served from where they lie.
PORTRAITS = [
    _wheel("skimage", "data", "astronaut.png"), _wheel("matplotlib", "mpl-data", "sample_data", "grace_hopper.jpg")
]  # fmt: skip
VOICES_AT_HAND = [_wheel("gradio", "media_assets", "audio", name) for name in PAGE["voices"]]
FREE = [*PORTRAITS, *VOICES_AT_HAND]
STRANGER = {"path": str(PORTRAITS[-1])}  # whose landmarks are used where nobody else's are given

PRIVATE = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
RAW = {"preprocess": False}  # or Gradio would open photos itself, and say less about what is wrong
QUICK = {  # in the queue, for only there Gradio shows errors; but without waiting
    "api_visibility": "private", "show_progress": "hidden", "concurrency_id": "quick", "concurrency_limit": None,
} | RAW  # fmt: skip
DRAWING = {"concurrency_id": "drawing", "concurrency_limit": 1} | RAW  # one at a time: it takes all cores


class Page:
    """The page's components, tab by tab, and what they do."""

    def __init__(self, studio: Studio):
        self.studio = studio
        with gr.Tabs(elem_id="tabs") as tabs:
            for tab in ("talk", "live", "inside", "ablations", "compare", "trouble", "about"):
                with gr.Tab(PAGE["tabs"][tab], id=tab, elem_id=f"tab-{tab}"):
                    gr.Markdown(PAGE["leads"][tab], elem_classes="lead")
                    getattr(self, f"_{tab}")()
        self._wire()
        tabs.select(js=(ASSETS / "resize.js").read_text(encoding="utf-8"), api_visibility="private")

    def _talk(self) -> None:
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=5, min_width=320):
                gr.Markdown(PAGE["step_photo"], elem_classes="step")
                with gr.Row(elem_id="faces"):
                    self.photo, self.check = gr.Image(**PAGE["photo"]), gr.Image(**PAGE["check"])
                self.said = gr.Markdown(PAGE["face_hint"], **PAGE["said"])
                self.report = gr.JSON(visible=False, label=PAGE["report"])
                self.faces = gr.Radio([], **PAGE["faces"])
                portraits = gr.Column()
                with gr.Accordion(**PAGE["place"]):
                    gr.Markdown(PAGE["about_place"], elem_classes="caption")
                    self.place = [gr.Textbox(**PAGE[name]) for name in ("box", "points")]
                gr.Markdown(PAGE["step_voice"], elem_classes="step")
                self.voice = gr.Audio(**PAGE["voice"])
                self.heard = gr.Markdown(PAGE["voice_hint"], **PAGE["heard"])
                names = list(PAGE["voices"].values())
                gr.Examples(
                    list(map(str, VOICES_AT_HAND)), self.voice, label=PAGE["try"], elem_id="voices",
                    example_labels=names,
                )  # fmt: skip
                with gr.Accordion(**PAGE["type"], visible=available()):
                    self.text = gr.Textbox(**PAGE["text"])
                    with gr.Row():
                        self.speaker = gr.Dropdown(list(VOICES), value=next(iter(VOICES)), **PAGE["speaker"])
                        self.speed = gr.Slider(**PAGE["speed"])
                    self.speak = gr.Button(**PAGE["speak"])
                with portraits:
                    pairs = [[str(face), str(VOICES_AT_HAND[i])] for i, face in enumerate(PORTRAITS)]
                    gr.Examples(
                        pairs, [self.photo, self.voice], label=PAGE["try_both"], elem_id="portraits",
                        visible_columns=[0],
                    )  # fmt: skip
                with gr.Accordion(**PAGE["head"]):
                    self.head = [gr.Slider(**PAGE[name]) for name in ("yaw", "pitch", "roll", "mouth_gain")]
                    self.natural = gr.Checkbox(**PAGE["natural"])
                with gr.Accordion(**PAGE["advanced"]):
                    self.frame, self.smoothing = gr.Radio(**PAGE["frame"]), gr.Slider(**PAGE["smoothing"])
                    trained = ", ".join(f"{beta:g}" for beta in sorted(self.studio.animator.vg_nets))
                    effect = PAGE["beta_one" if len(self.studio.animator.vg_nets) == 1 else "beta_family"]
                    info = PAGE["beta"]["info"].format(effect.format(trained))
                    self.beta, self.teeth = gr.Slider(**PAGE["beta"] | {"info": info}), gr.Slider(**PAGE["teeth"])
                    ears = self.studio.animator.ears
                    self.ear = gr.Radio([(PAGE["ears"][ear], ear) for ear in ears], value=ears[0], **PAGE["ear"])
                    self.seed, self.arrays = gr.Number(**PAGE["seed"]), gr.Checkbox(**PAGE["arrays"])
            with gr.Column(scale=7, min_width=320, elem_id="column-result"):
                gr.Markdown(PAGE["step_result"], elem_classes="step")
                with gr.Row(elem_id="start"):
                    self.consent, self.generate = gr.Checkbox(**PAGE["consent"]), gr.Button(**PAGE["generate"])
                self.live = gr.HTML(**PAGE["progress"])
                self.video = gr.Video(**PAGE["video"])
                self.downloads = gr.File(**PAGE["downloads"])
                self.npz, self.settings = (gr.File(visible=False, label=PAGE[name]) for name in ("npz", "settings"))
                self.run = gr.Textbox(visible=False, label=PAGE["run"])

    def _live(self) -> None:
        with gr.Row(elem_id="live-desk"):
            with gr.Column(scale=5, min_width=320):
                gr.Markdown(PAGE["step_speak"], elem_classes="step")
                self.live_consent = gr.Checkbox(**PAGE["live_consent"])
                self.live_start, self.live_stop = gr.Button(**PAGE["live_start"]), gr.Button(**PAGE["live_stop"])
                times = {"piece": LIVE_PIECE, "ahead": look_ahead(self.studio.animator.ears[0]), "frame": 1 / FPS}
                times = {name: round(1000 * seconds) for name, seconds in times.items()}
                about = PAGE["about_live"].format(seconds=LIVE_SECONDS, patience=LIVE_PATIENCE, **times)
                gr.Markdown(about, elem_classes="caption")
            with gr.Column(scale=7, min_width=320):
                gr.Markdown(PAGE["step_live"], elem_classes="step")
                self.stage = gr.HTML(
                    html_template=(ASSETS / "live.html").read_text(encoding="utf-8"),
                    js_on_load=(ASSETS / "live.js").read_text(encoding="utf-8"),
                    server_functions=self._live_functions(), texts=PAGE["live_texts"], piece=LIVE_PIECE,
                    longest=LIVE_LONGEST, fps=FPS, most=LIVE_WAITING, side=PREVIEW_SIDE, **PAGE["live_stage"],
                )  # fmt: skip
                self.live_key = gr.Textbox(visible=False, label=PAGE["live_key"])

    def _live_functions(self) -> list[Callable]:
        """What the stage asks the server itself, past the queue: a piece that waits there comes too late."""

        def live_piece(piece: list[Any]) -> dict[str, Any]:
            key, rate, sound = piece if isinstance(piece, list) and len(piece) == 3 else ("", 0, "")
            try:
                return self.studio.live(key, rate, sound)
            except gr.Error as error:
                return {"said": error.message}

        def live_end(keys: list[str]) -> None:
            for key in keys if isinstance(keys, list) else ():
                self.studio.broadcasts.close(key)

        return [live_piece, live_end]

    def _inside(self) -> None:
        self.panels = gr.Video(**PAGE["panels"])
        gr.Markdown(PAGE["about_panels"], elem_classes="caption")
        with gr.Row():
            self.moment = gr.Slider(**PAGE["moment_slider"])
            self.weight_beta = gr.Slider(**PAGE["weight_beta"])
        self.moment_said = gr.Markdown(PAGE["no_moment"], **PAGE["moment_said"])
        with gr.Row(elem_id="maps"):
            names = ("landmarks", "attention", "weight", "motion")
            self.maps = [gr.Image(**PAGE["map"] | PAGE[f"map_{name}"]) for name in names]
        self.equations = [gr.Image(**PAGE["map"] | PAGE[name]) for name in ("map_equation", "map_equation_tall")]
        gr.Markdown(PAGE["about_equation"], elem_classes="caption")
        self.layers = [gr.Image(**PAGE["map"] | PAGE[name]) for name in ("map_layers", "map_layers_tall")]
        gr.Markdown(PAGE["about_layers"].format(AMPLIFIED), elem_classes="caption")
        with gr.Row():
            self.curves, self.paths = gr.Plot(**PAGE["trajectory"]), gr.Plot(**PAGE["paths"])
        gr.Markdown(PAGE["about_curves"], elem_classes="caption")

    def _ablations(self) -> None:
        choices = [(text, name) for name, text in PAGE["sweeps"].items()]
        with gr.Row():
            self.sweep = gr.Radio(choices, value="noise", **PAGE["sweep"])
            self.ablate = gr.Button(**PAGE["ablate"])
        self.strip = gr.Image(**PAGE["map"] | PAGE["strip"])
        self.sweep_video = gr.Video(**PAGE["sweep_video"])
        self.sweep_curves = gr.Plot(**PAGE["sweep_curves"])
        gr.Markdown(PAGE["about_sweeps"], elem_classes="caption")

    def _compare(self) -> None:
        with gr.Row():
            titles = " and ".join([", ".join(compare.SYSTEMS[2:-1]), compare.SYSTEMS[-1]])
            gr.Markdown(PAGE["about_compare"].format(seconds=f"{compare.SECONDS:g}", titles=titles))
            self.compare = gr.Button(**PAGE["compare"])
        self.contest = gr.Video(**PAGE["contest"])
        names = [title.split()[0] for title in compare.SYSTEMS]  # six columns share a phone's width
        self.contest_figures = gr.Dataframe(headers=["Measure", *names], **PAGE["contest_figures"])
        figures = "\n".join(PAGE["figure"].format(**vars(figure)) for figure in compare.FIGURES.values())
        gr.Markdown(PAGE["about_figures"].format(figures=figures), elem_classes="caption")
        self.contest_lips = gr.Plot(**PAGE["contest_lips"])

    def _trouble(self) -> None:
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                choices = [(trouble.title, name) for name, trouble in troubles.TROUBLES.items()]
                self.trouble = gr.Radio(choices, value="silence", **PAGE["trouble"])
                self.explained = gr.Markdown(troubles.TROUBLES["silence"].explanation, elem_classes="caption")
                self.snr, self.size = gr.Slider(**PAGE["snr"]), gr.Slider(**PAGE["size"])
                self.other = gr.Image(**PAGE["other"])
                self.break_it = gr.Button(**PAGE["break_it"])
            with gr.Column(scale=7, min_width=320):
                self.compared = gr.Video(**PAGE["compared"])
        self.finding = gr.Markdown(PAGE["no_finding"], **PAGE["finding"])
        self.measures = gr.Dataframe(**PAGE["measures"])
        gr.Markdown(PAGE["step_failures"])
        self.fail = gr.Button(**PAGE["fail"])
        self.gallery = gr.Gallery(**PAGE["gallery"])

    def _about(self) -> None:
        gr.Markdown((ASSETS / "about.md").read_text(encoding="utf-8"), elem_classes="prose-narrow")
        with gr.Accordion(**PAGE["model_card"]):
            card = checkpoint.locate(os.environ.get("ATVG_WEIGHTS")) / "README.md"
            gr.Markdown(card.read_text(encoding="utf-8") if card.is_file() else PAGE["no_model_card"])

    # -- events --------------------------------------------------------------------------------------------------

    def _wire(self) -> None:
        studio, source = self.studio, [self.photo, self.voice]
        self._wire_checks()
        self._wire_live()
        self.speak.click(
            studio.say,
            [self.text, self.speaker, self.speed],
            self.voice,
            api_name="say",
            concurrency_id="checks",
            **RAW,
        )

        allowed = self.generate.click(studio.admit, [self.consent, *source], None, **QUICK)
        made = allowed.success(
            studio.animate,
            [*source, self.beta, *self.head, self.smoothing, self.frame, self.seed, self.arrays, *self.place,
             self.natural, self.teeth, self.ear],
            [self.video, self.panels, self.npz, self.settings, self.run, self.live],
            api_name="animate", validator=studio.validate, show_progress="minimal", show_progress_on=self.live,
            **DRAWING,
        )  # fmt: skip
        made.failure(lambda: "", None, self.live, **PRIVATE)
        taken = made.success(
            studio.downloads, [self.video, self.panels, self.npz, self.settings], self.downloads, **PRIVATE | RAW
        )
        self._wire_inside(taken)

        for button, action, more, outputs in (
            (self.ablate, "ablate", [self.sweep, *self.place], [self.strip, self.sweep_curves, self.sweep_video]),
            (self.compare, "compare", [self.beta, *self.head, self.smoothing, *self.place, self.teeth, self.ear],
             [self.contest, self.contest_figures, self.contest_lips]),
            (self.break_it, "break_it", [self.trouble, self.snr, self.size, self.other, *self.place],
             [self.compared, self.finding, self.measures]),
            (self.fail, "show_failures", self.place, self.gallery),
        ):  # fmt: skip
            others = [self.other] if action == "break_it" else []
            button.click(studio.admit, [self.consent, *source, *others], None, **QUICK).success(
                getattr(studio, action), [*source, *more], outputs,
                api_name=action, validator=studio.validate, **DRAWING,
            )  # fmt: skip
        self.sweep.change(lambda sweep: gr.update(visible=sweep == "beta"), self.sweep, self.sweep_video, **PRIVATE)
        self.trouble.change(self._explain, self.trouble, [self.explained, self.snr, self.size, self.other], **PRIVATE)

    def _wire_checks(self) -> None:
        studio = self.studio
        checking = {
            "fn": studio.check_face, "inputs": [self.photo, *self.place],
            "outputs": [self.check, self.said, self.report], "show_progress": "minimal", "concurrency_id": "checks",
        } | RAW  # fmt: skip
        choosing = {"fn": studio.choices, "inputs": self.report, "outputs": self.faces} | PRIVATE
        # A place belongs to one photo: the next one begins without.
        emptied = self.photo.change(lambda: ("", ""), None, self.place, **PRIVATE)
        emptied.then(**checking, api_name="check_face").then(**choosing)
        gr.on([field.submit for field in self.place], **checking, api_visibility="private").then(**choosing)
        chosen = self.faces.input(lambda box: (box, ""), self.faces, self.place, **PRIVATE)
        chosen.then(**checking, api_visibility="private").then(**choosing)
        self.check.select(
            studio.mark, [self.photo, self.report, self.place[1]],
            [*self.place, self.check, self.said, self.report], **QUICK,
        ).then(**choosing)  # fmt: skip
        self.voice.change(
            studio.check_voice, self.voice, self.heard, api_name="check_voice", show_progress="hidden",
            concurrency_id="checks", **RAW,
        )  # fmt: skip
        gr.on(
            [self.photo.upload, self.other.upload, self.voice.upload, self.voice.stop_recording],
            lambda: (False, False),
            None,
            [self.consent, self.live_consent],
            **PRIVATE,
        )

    def _wire_live(self) -> None:
        studio, call = self.studio, "document.querySelector('#live-face').{}"
        live = {"concurrency_id": "live", "concurrency_limit": LIVE_AT_ONCE}
        self.live_start.click(None, js=f"() => {call.format('begin()')}", **PRIVATE)
        self.live_stop.click(None, js=f"() => {call.format('stop()')}", **PRIVATE)
        # The stage says so once it has the microphone.
        admitted = self.stage.submit(studio.admit_live, self.live_consent, None, **QUICK)
        started = admitted.success(
            studio.live_start,
            [self.photo, self.beta, *self.head, self.smoothing, self.seed, *self.place, self.natural, self.teeth,
             self.ear],
            self.live_key,
            api_name="live_start", show_progress="hidden", **live, **RAW,
        )  # fmt: skip
        for step in (admitted, started):
            step.failure(None, js=f"() => {call.format('stop()')}", **PRIVATE)
        started.success(None, self.live_key, js=f"(key) => {call.format('speak(key)')}", **PRIVATE)
        gr.api(studio.live, api_name="live", **live)
        gr.api(studio.live_stop, api_name="live_stop", **live)

    def _wire_inside(self, made: Any) -> None:
        studio = self.studio
        looking = {
            "fn": studio.look_inside, "inputs": [self.run, self.moment, self.weight_beta],
            "outputs": [*self.maps, *self.equations, self.moment_said, *self.layers],
            "concurrency_id": "looking", "show_progress": "hidden",
        } | RAW  # fmt: skip
        self.moment.input(**looking, api_name="look_inside", trigger_mode="always_last")
        self.weight_beta.input(**looking, api_visibility="private", trigger_mode="always_last")
        self.moment.input(None, self.moment, None, js=(ASSETS / "seek.js").read_text(encoding="utf-8"), **PRIVATE)
        opened = made.success(studio.open_inside, [self.run, self.beta], [self.moment, self.weight_beta], **QUICK)
        opened.success(**looking, api_visibility="private").success(
            studio.trajectory, self.run, [self.curves, self.paths], api_name="trajectory", concurrency_id="looking",
            show_progress="hidden",
        )  # fmt: skip

    @staticmethod
    def _explain(trouble: str) -> tuple[Any, ...]:
        needed = (("noise", "babble"), ("occluded",), ("other_landmarks",))  # by SNR, size of the box, other face
        shown = (gr.update(visible=trouble in names) for names in needed)
        return troubles.TROUBLES[trouble].explanation, *shown


def _warm_up(animator: Animator) -> None:
    """Loads now, and not for the first visitor, what is only loaded when it is needed."""
    face, silent = animator.read_face(PORTRAITS[0]), np.zeros(SAMPLE_RATE // 2, np.float32)
    first, *_ = animator.stream(face, silent, ear=animator.ears[0], natural=animator.idle is not None)
    trajectory(first.landmarks, first.codes, np.zeros(len(first)))


def build(animator: Animator | None = None) -> gr.Blocks:
    """The page; loads the weights, or raises `CheckpointError`, unless they are given."""
    studio = Studio(animator or Animator.from_pretrained(os.environ.get("ATVG_WEIGHTS")))
    gr.set_static_paths(FREE)  # or Gradio would serve copies, and `delete_cache` delete those
    _warm_up(studio.animator)
    with gr.Blocks(title=PAGE["title"], delete_cache=(TIDY_EVERY, MAX_AGE), analytics_enabled=False) as page:
        gr.HTML((ASSETS / "header.html").read_text(encoding="utf-8"))
        Page(studio)
        gr.Markdown((ASSETS / "footer.md").read_text(encoding="utf-8"), elem_id="note")
        page.unload(studio.leave)
        page.load(js=(ASSETS / "names.js").read_text(encoding="utf-8"), api_visibility="private")
    page.queue(max_size=2 * MAX_WAITING, api_open=False)  # closed: nobody gets past the queue
    studio.jobs, page.guests = page._queue, studio.guests
    page.broadcasts = studio.broadcasts
    studio.guests.keep_tidy()
    return page


def _serve(page: gr.Blocks) -> None:
    """Until the process is told to end; then running jobs end in the middle, and no file of theirs stays."""
    told = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: told.set())
    page.launch(**LAUNCH, prevent_thread_lock=True)
    while not told.wait(0.5):  # not for ever, which no signal interrupts on Windows
        pass
    threading.Thread(target=page.close, kwargs={"verbose": False}, daemon=True).start()
    end = time.monotonic() + PATIENCE
    while _UNFINISHED and time.monotonic() < end:
        time.sleep(0.05)
    page.guests.close()
    sys.stdout.flush()
    os._exit(0)  # and not wait for threads: a job without steps would go on; its ffmpeg ends with us


if __name__ == "__main__":
    silence_native_logs()
try:
    demo = build()
except ATVGError as error:
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(2) from None
if __name__ == "__main__":
    _serve(demo)
