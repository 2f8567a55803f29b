"""Photos and voices as arrays of any kind and size, and where in a photo a face is said to be."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from atvg.errors import ATVGError
from atvg.face import placing
from atvg.face.detection import Detection, FaceDetector
from atvg.face.image import MIN_SIDE, load_image
from atvg.voice.audio import load_audio
from tests import synthetic
from tests.fuzz.structured import noise, reading

SECONDS, EXAMPLES = 15, 50
ANYTHING = st.one_of(hnp.scalar_dtypes(), hnp.array_dtypes())
ARRAYS = hnp.arrays(ANYTHING, hnp.array_shapes(min_dims=0, max_dims=4, max_side=4))
RATES = st.one_of(st.floats(), st.integers(), st.sampled_from((8_000, 16_000, 44_100)), st.none(), st.text())
NUMBERS = st.one_of(st.lists(st.floats(-50, 150), min_size=4, max_size=10), st.lists(st.floats()), ARRAYS)
PHOTO = np.zeros((100, 120, 3), np.uint8)


class _Blind(FaceDetector):
    """Finds nobody."""

    name = "blind"

    def detect(self, image: np.ndarray) -> list[Detection]:
        return []


def _take(value: tuple[Any, ...]) -> None:
    array, rate, numbers = value
    for photo in (array, np.resize(array, (33, 35, *array.shape[-1:]))) if array.ndim else (array,):
        _try(_seen, photo)
    sounds: list[Any] = [array, (rate, array), (16_000, np.resize(array, 4_000)) if array.size else array]
    for sound in sounds:
        _try(_heard, sound)
    for place in (placing.place_in_box, placing.place_at_points):
        _try(_placed, place, numbers)


def _try(take: Any, *values: Any) -> None:
    try:
        take(*values)
    except ATVGError as error:
        assert str(error) and str(error).isprintable()


def _seen(photo: Any) -> None:
    picture = load_image(photo)
    assert type(picture) is np.ndarray and picture.dtype == np.uint8
    assert picture.ndim == 3 and picture.shape[2] == 3 and min(picture.shape[:2]) >= MIN_SIDE


def _heard(sound: Any) -> None:
    wave = load_audio(sound, 30)
    assert type(wave) is np.ndarray and wave.dtype == np.float32 and wave.ndim == 1
    assert np.isfinite(wave).all() and np.abs(wave).max() <= 1


def _placed(place: Any, numbers: Any) -> None:
    found = place(PHOTO, _Blind(), numbers, synthetic.face68())
    assert np.isfinite(found.landmarks).all(), found.landmarks


one = reading(st.tuples(ARRAYS, RATES, NUMBERS), _take)
seeds = noise
