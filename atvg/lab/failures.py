"""A gallery of what goes wrong, made live with any face and voice: each failure beside the normal result."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from atvg.animate.chunk import Chunk
from atvg.animate.settings import Settings
from atvg.animator import Animator
from atvg.config import CROP_SIZE
from atvg.errors import BadSettingError
from atvg.face import geometry
from atvg.face.face import Face
from atvg.face.landmarks import INNER_LIP, MOUTH, five_points
from atvg.lab import sound, tiles
from atvg.lab.run import SAMPLES_PER_FRAME, Speech, draw, hear, settings_of, voice_of
from atvg.lab.troubles import cover
from atvg.motion.pose import Pose
from atvg.motion.turn import turn_face
from atvg.voice.audio import Audio, speech_level

SECONDS = 1.0  # of speech; one telling frame is enough

_YAW = 45.0  # degrees
_GAIN = 3.0
_SIGMA = 0.14  # of the eyes' distance, as at the end of the poster's Fig. 5a
_BOX = 0.4
_MISPLACED = 0.2  # of the distance between the eyes' outer corners
_DARK = 0.13  # share of the light
_GRAIN = 25.0  # grey levels at the size of a crop's pixels, as of a telephone at night
_CLOSE = 56  # side of a close-up, pixels of the crop
_REST = 25  # frames of silence, after which a mouth has come to rest


@dataclass(frozen=True)
class Failure:
    """What is seen, why, and what to do about it."""

    name: str
    title: str
    cause: str
    remedy: str


FAILURES = {
    failure.name: failure
    for failure in (
        Failure(
            "turned",
            "A head turned by 45°",
            "One photo does not hold the far cheek and ear: the warp stretches the pixels there are, and bends hair "
            "and background along.",
            "Stay within ±20°, or give a photo that looks where the head should look.",
        ),
        Failure(
            "wide",
            "A mouth opened three times as wide",
            "Nobody in the training clips opens the mouth so far: lips and teeth are stretched, and what lies between "
            "is a dark smear.",
            "Keep the mouth gain below 1.5.",
        ),
        Failure(
            "open_mouth",
            "A photo with an open mouth, in silence",
            "The motion starts from the photo's own pixels: teeth and gap are squeezed, not replaced by closed lips, "
            "and where attention is not whole the open mouth shines through.",
            "Give a photo with closed lips; a smile that shows teeth is a mild case of the same.",
        ),
        Failure(
            "covered",
            "Something in front of the mouth",
            "The network knows from the landmarks where lips should be, and not what is in front of them: it paints "
            "lips on the box, faintly.",
            "Choose a photo in which nothing covers the mouth.",
        ),
        Failure(
            "misplaced",
            "Landmarks a fifth of the eyes' distance beside the face",
            "A mouth is drawn where the landmarks are: half of it on the cheek, while the other half of the real one "
            "keeps still. Detectors err like that on drawings and turned heads, and so do boxes placed by hand.",
            "Look at the landmarks before animating, and place the face by its five points.",
        ),
        Failure(
            "cut_off",
            "A photo that ends at the lips",
            "Beyond the photo's edge the crop repeats its last pixels, and the jaw that should open is made of them.",
            "Give a photo with the whole head and some room around it.",
        ),
        Failure(
            "dark",
            "An underexposed photo",
            "The network learnt from well-lit faces: what it draws is too bright for this one, and attention falls, so "
            "the mouth glows and moves less. (Shown brightened.)",
            "Brighten the photo first.",
        ),
        Failure(
            "grain",
            "A noisy photo",
            "Motion is smooth, as the training videos were: the grain is gone wherever attention is high, and the "
            "mouth looks pasted in.",
            "Remove the noise from the photo first.",
        ),
        Failure(
            "shaken",
            "Trembling landmarks, σ = 0.14",
            "Every landmark errs by a seventh of the eyes' distance, in every frame anew: the warp tears the face "
            "apart, since nothing in it knows which shapes a face can have.",
            "Landmarks that come from AT-net are smooth; of tracked ones, raise the smoothing.",
        ),
    )
}


def make(animator: Animator, face: Face, wave: Audio, name: str, seed: int = 0, **settings: Any) -> np.ndarray:
    """The normal result and the failure at the same moment, uint8 RGB (H, W, 3), with captions.

    Args:
        wave: speech; only the second with most of it is used.
        name: a key of `FAILURES`.
        seed: of everything that is random.
        settings: fields of `atvg.animator.Settings`; the head stays still.

    Raises:
        BadSettingError, BadAudioError, TooLongError: what they say.
    """
    if name not in FAILURES:
        raise BadSettingError(f"unknown failure {name!r}; choose from: {', '.join(FAILURES)}")
    chosen = settings_of(settings, seed=seed)
    face, voice = turn_face(face, chosen.pose), voice_of(wave, SECONDS)
    if speech_level(voice) < sound.QUIET:  # silence opens no mouth, and most failures would hide
        voice = sound.music(len(voice), 0.1)
    speech = hear(animator, face, voice, chosen)
    return tiles.sheet(_MAKERS[name](_Shot(animator, face, voice, chosen, speech)), 256)


@dataclass(frozen=True)
class _Shot:
    """A face, what it hears, and what it says."""

    animator: Animator
    face: Face
    voice: np.ndarray
    settings: Settings
    speech: Speech

    def drawn(self, face: Face | None = None, speech: Speech | None = None, at: int | None = None) -> Chunk:
        """All frames up to the telling one: where the lips should be widest apart, if no other is named."""
        face, at = face or self.face, self.speech.widest if at is None else at
        speech = speech or hear(self.animator, face, self.voice, self.settings)
        until = Speech(speech.codes[: at + 1], speech.landmarks[: at + 1])
        return draw(self.animator, face.crop, face.crop_landmarks, until, self.settings)

    def silent(self, face: Face) -> Chunk:
        """The face at rest."""
        silence = np.zeros(_REST * SAMPLES_PER_FRAME, np.float32)
        return self.drawn(face, hear(self.animator, face, silence, self.settings), _REST - 1)


def _turned(shot: _Shot) -> list[tiles.Tile]:
    turned = turn_face(shot.face, Pose(yaw=_YAW))
    return [_drawn("Normal", shot.drawn()), _drawn(f"Turned by {_YAW:g}°", shot.drawn(turned))]


def _wide(shot: _Shot) -> list[tiles.Tile]:
    return [_drawn("Normal", shot.drawn()), _drawn(f"Mouth gain {_GAIN:g}", _opened(shot))]


def _open_mouth(shot: _Shot) -> list[tiles.Tile]:
    wide = _opened(shot)
    landmarks = np.column_stack([wide.landmarks[-1], shot.face.crop_landmarks[:, 2]])
    given = Face(wide.frames[-1], landmarks, landmarks)
    return [_drawn("Normal, in silence", shot.silent(shot.face)), *_given(given, shot.silent(given), "In silence")]


def _covered(shot: _Shot) -> list[tiles.Tile]:
    landmarks = shot.face.crop_landmarks
    given = Face(cover(shot.face.crop, landmarks, _BOX)[0], landmarks, landmarks)
    return [_drawn("Normal", shot.drawn()), *_given(given, shot.drawn(given))]


def _misplaced(shot: _Shot) -> list[tiles.Tile]:
    face = shot.face
    shift = np.append(_MISPLACED * (face.landmarks[45, :2] - face.landmarks[36, :2]), 0)
    given = Face(face.photo, *((points + shift).astype(np.float32) for points in (face.landmarks, face.mesh)))
    runs = ("Normal", shot.drawn()), ("Landmarks displaced", shot.drawn(given))
    return [_drawn(title, run, asked=True) for title, run in runs]


def _cut_off(shot: _Shot) -> list[tiles.Tile]:
    face = shot.face
    end = int(np.clip(face.landmarks[INNER_LIP, 1].mean(), 1, len(face.photo)))
    given = replace(face, photo=face.photo[:end].copy())
    return [_drawn("Normal", shot.drawn()), *_given(given, shot.drawn(given))]


def _dark(shot: _Shot) -> list[tiles.Tile]:
    given = replace(shot.face, photo=(shot.face.photo * _DARK).astype(np.uint8))
    tiles_given = _given(given, shot.drawn(given), light=1 / _DARK)
    return [_drawn("Normal", shot.drawn()), *tiles_given]


def _grain(shot: _Shot) -> list[tiles.Tile]:
    face = shot.face
    height, width = face.photo.shape[:2]
    scale = float(geometry.scale_of(face.matrix))  # crop pixels per photo pixel
    size = max(2, round(height * scale)), max(2, round(width * scale))
    grain = np.random.default_rng(shot.settings.seed).normal(0, _GRAIN, (*size, 1)).astype(np.float32)
    noise = cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    given = replace(face, photo=np.clip(face.photo + noise, 0, 255).astype(np.uint8))
    return [_drawn("Normal", shot.drawn()), *_given(given, shot.drawn(given))]


def _shaken(shot: _Shot) -> list[tiles.Tile]:
    random = np.random.default_rng(shot.settings.seed)
    right, left = five_points(shot.face.crop_landmarks[:, :2])[:2]
    noise = random.normal(0, _SIGMA * np.linalg.norm(left - right), shot.speech.landmarks.shape)
    shaken = replace(shot.speech, landmarks=(shot.speech.landmarks + noise).astype(np.float32))
    runs = ("Normal", shot.drawn()), ("Trembling", shot.drawn(speech=shaken))
    return [_drawn(title, run, asked=True) for title, run in runs]


_MAKERS: dict[str, Callable[[_Shot], list[tiles.Tile]]] = {
    "turned": _turned,
    "wide": _wide,
    "open_mouth": _open_mouth,
    "covered": _covered,
    "misplaced": _misplaced,
    "cut_off": _cut_off,
    "dark": _dark,
    "grain": _grain,
    "shaken": _shaken,
}


def _opened(shot: _Shot) -> Chunk:
    wide = replace(shot.settings, mouth_gain=_GAIN)
    return shot.drawn(speech=hear(shot.animator, shot.face, shot.voice, wide))


def _given(given: Face, run: Chunk, title: str = "What is drawn", light: float = 1.0) -> list[tiles.Tile]:
    """A spoilt photo, and what is drawn from it; `light` brightens both."""
    middle = _mouth(given.crop_landmarks)
    return [
        _tile(name, np.clip(picture * light, 0, 255).astype(np.uint8), middle)
        for name, picture in (("The photo given", given.crop), (title, run.frames[-1]))
    ]


def _drawn(title: str, run: Chunk, asked: bool = False) -> tiles.Tile:
    """The last frame of a run, and with `asked` its landmarks too."""
    tile = _tile(title, run.frames[-1], _mouth(run.landmarks[-1]))
    if not asked:
        return tile
    return replace(tile, pictures=(*tile.pictures, tiles.outlines(run.landmarks[-1], run.photos[-1])))


def _tile(title: str, picture: np.ndarray, middle: np.ndarray) -> tiles.Tile:
    """A crop, and the part of it around `middle`."""
    x, y = np.clip(middle - _CLOSE / 2, 0, CROP_SIZE - _CLOSE).round().astype(int)
    return tiles.Tile((picture, picture[y : y + _CLOSE, x : x + _CLOSE]), title)


def _mouth(landmarks: np.ndarray) -> np.ndarray:
    return landmarks[MOUTH, :2].mean(axis=0)
