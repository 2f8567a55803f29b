"""Live faces for several visitors at once: who may speak, for how long, and the pictures each of them is shown."""

import base64
import binascii
import io
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from atvg.animate.chunk import Chunk
from atvg.animate.live import Live
from atvg.animate.settings import make_settings
from atvg.animator import Animator
from atvg.config import check_number
from atvg.errors import ATVGError, BadAudioError, LiveBusyError, LiveOverError, LiveTurnError
from atvg.face.face import Face
from atvg.film.label import stamp
from atvg.film.paste import Paster
from atvg.motion.turn import turn_face

LONGEST = 2.0  # seconds of one piece of sound
_QUALITY = 75  # of a JPEG
_EVERY = 0.5  # seconds between looks at who has fallen silent
_LAST_PIECE = 5.0  # seconds in which the piece that is at work should be done, when its voice ends


class Aired(NamedTuple):
    """What one piece of sound made."""

    start: int  # which frame the first of them is; 25 a second of what was heard
    pictures: list[bytes]  # JPEG, labelled
    heard: float  # seconds of sound so far
    computing: float  # seconds that this took
    left: float  # seconds until the time is up


class Broadcasts:
    """Live faces on their way. What they hold is freed as soon as they end, nothing is written to a disk.

    Args:
        animator: with weights; shared by all.
        at_once: so many may speak at the same time.
        seconds: the longest, both of time and of sound.
        patience: seconds without a piece after which a face is taken down.
        side: the longest of the pictures, pixels.
    """

    def __init__(
        self, animator: Animator, at_once: int = 2, seconds: float = 60.0, patience: float = 10.0, side: int = 480
    ):
        self._animator, self._side = animator, side
        self.at_once, self.seconds, self.patience = at_once, seconds, patience
        self._on_air: dict[str, _Broadcast] = {}  # by their keys
        self._lock = threading.Lock()
        self._watching = False

    def __len__(self) -> int:
        return len(self._on_air)

    def check_room(self, owner: str) -> None:
        """Before any work; an owner's own broadcast is no hindrance, for a new one takes its place.

        Raises:
            LiveBusyError: so many speak already.
        """
        if sum(broadcast.owner != owner for broadcast in list(self._on_air.values())) >= self.at_once:
            raise LiveBusyError(f"{self.at_once} faces are live already; try again in a minute")

    def open(self, owner: str, face: Face, **settings: Any) -> str:
        """Prepares a face to speak, and returns the key to it, which nobody can guess.

        Args:
            owner: one broadcast each.
            face: from `Animator.read_face`.
            settings: the fields of `Settings`.

        Raises:
            LiveBusyError: so many speak already.
            BadSettingError: a bad setting.
        """
        self.check_room(owner)
        broadcast = _Broadcast(owner, self._animator, _shrunk(face, self._side), settings, self.seconds)
        key = secrets.token_hex(24)
        with self._lock:
            self.check_room(owner)
            for name in [name for name, other in self._on_air.items() if other.owner == owner]:
                del self._on_air[name]
            self._on_air[key] = broadcast
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, daemon=True, name="broadcasts").start()
        return key

    def feed(self, key: str, rate: float, samples: np.ndarray) -> Aired:
        """Hears the next piece of a voice and draws the frames that it completes.

        Args:
            rate: samples a second; the same every time.
            samples: (N,) integers or floats in [−1, 1], at most `LONGEST` seconds.

        Raises:
            LiveOverError: there is no such broadcast any more, or its time is up.
            LiveTurnError: the piece before is still at work; the broadcast goes on without this one. It does not wait,
                for threads that wait for one face would be missed by everybody.
            BadAudioError, BadSettingError: sound that is none; the broadcast goes on without it.
        """
        broadcast = self._of(key)
        with broadcast.turn():
            if broadcast.left <= 0:
                self.close(key)
                raise LiveOverError(f"{self.seconds:g} s are over; begin anew")
            try:
                return broadcast.feed(rate, samples)
            except ATVGError:
                raise
            except BaseException:  # nobody knows what state it is in
                self.close(key)
                raise

    def finish(self, key: str) -> Aired:
        """The voice has ended: draws what is missing, and takes the face down.

        Raises:
            LiveOverError: there is no such broadcast any more.
            LiveTurnError: a piece is still at work, and has been for long.
        """
        broadcast = self._of(key)
        with broadcast.turn(_LAST_PIECE):
            try:
                return broadcast.finish()
            finally:
                self.close(key)

    def close(self, key: str) -> None:
        """Takes a face down, if it is still there."""
        with self._lock:
            if isinstance(key, str):
                self._on_air.pop(key, None)

    def leave(self, owner: str) -> None:
        """Takes down what somebody has who has left."""
        with self._lock:
            for key in [key for key, broadcast in self._on_air.items() if broadcast.owner == owner]:
                del self._on_air[key]

    def _of(self, key: str) -> "_Broadcast":
        broadcast = self._on_air.get(key) if isinstance(key, str) else None
        if broadcast is None:
            raise LiveOverError("there is no such live face any more; begin anew")
        return broadcast

    def _watch(self) -> None:
        """Takes down who is silent or has spoken long enough, until nobody is left."""
        while True:
            time.sleep(_EVERY)
            with self._lock:
                for key, broadcast in list(self._on_air.items()):
                    # While a piece is being drawn, nobody is silent, however long that takes.
                    silent = not broadcast.lock.locked() and broadcast.silent > self.patience
                    if silent or broadcast.left <= 0:
                        del self._on_air[key]
                if not self._on_air:
                    self._watching = False
                    return
                del broadcast  # or it would be held until the next look


class _Broadcast:
    """One face."""

    def __init__(self, owner: str, animator: Animator, face: Face, settings: dict[str, Any], seconds: float):
        self.owner, self.lock, self._seconds = owner, threading.Lock(), seconds
        self._live = Live(animator, face, **settings)
        self._paster = Paster(turn_face(face, make_settings(settings).pose))
        self._heard = 0.0
        self._began = self._last = time.monotonic()

    @property
    def left(self) -> float:
        return self._seconds - max(self._heard, time.monotonic() - self._began)

    @property
    def silent(self) -> float:
        return time.monotonic() - self._last

    @contextmanager
    def turn(self, seconds: float = 0.0) -> Iterator[None]:
        """One at a time; whoever else comes waits no longer than this."""
        if not self.lock.acquire(timeout=seconds):
            raise LiveTurnError("the piece before is still being drawn; send one piece at a time")
        try:
            yield
        finally:
            self.lock.release()

    def feed(self, rate: float, samples: np.ndarray) -> Aired:
        began = time.perf_counter()
        check_number("sample rate", rate, 1, float("inf"))
        if len(samples) > LONGEST * rate:
            raise BadAudioError(f"a piece may last {LONGEST:g} s; send shorter ones")
        chunk = self._live.feed(rate, samples)
        self._heard += len(samples) / rate
        return self._aired(chunk, began)

    def finish(self) -> Aired:
        began = time.perf_counter()
        return self._aired(self._live.finish(), began)

    def _aired(self, chunk: Chunk | None, began: float) -> Aired:
        pictures = []
        if chunk is not None:
            for picture in self._paster.paste(chunk):
                stamp(picture[None])
                pictures.append(_jpeg(picture))
        self._last = time.monotonic()
        start = chunk.start if chunk is not None else 0
        return Aired(start, pictures, self._heard, time.perf_counter() - began, max(0.0, self.left))


def sound_of(text: str) -> np.ndarray:
    """Base64 of 16-bit little-endian samples of one channel → int16 (N,).

    Raises:
        BadAudioError: it is something else.
    """
    try:
        data = base64.b64decode(text, validate=True)
        return np.frombuffer(data, "<i2")
    except (binascii.Error, TypeError, ValueError):
        raise BadAudioError("the sound is not base64 of 16-bit samples; send little-endian int16, mono") from None


def _shrunk(face: Face, side: int) -> Face:
    """The same in a smaller picture, which is quicker to paste into; a smaller one stays as it is."""
    scale = side / max(face.photo.shape[:2])
    if scale >= 1:
        return face
    height, width = (max(1, round(scale * length)) for length in face.photo.shape[:2])
    photo = np.asarray(Image.fromarray(face.photo).resize((width, height), Image.Resampling.LANCZOS))
    points = [scale * points for points in (face.landmarks, face.mesh)]
    for moved in points:
        moved[:, :2] += (scale - 1) / 2  # 0 is the middle of the first pixel, in both
    return Face(photo.copy(), *points)


def _jpeg(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
