"""Fixtures of all tests: two public-domain portraits, a voice, and a pack made of tiny talking clips.

PyTorch is imported by the fixtures that need it: the process that hands out the tests reads this file too.
"""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from atvg.errors import ATVGError
from tests import synthetic

if TYPE_CHECKING:
    from atvg import Animator
    from atvg.face.detection import Detection, FaceDetector
    from atvg.face.face import Face


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """Eileen Collins, (512, 512, 3) uint8 RGB."""
    from skimage import data

    picture = data.astronaut()
    picture.flags.writeable = False
    return picture


@pytest.fixture(scope="session")
def hopper() -> np.ndarray:
    """Grace Hopper, (600, 512, 3) uint8 RGB."""
    from matplotlib import cbook

    picture = np.array(Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB"))
    picture.flags.writeable = False
    return picture


@pytest.fixture(scope="session")
def astronaut_path(astronaut, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    Image.fromarray(astronaut).save(path)
    return path


@pytest.fixture(scope="session")
def voices() -> Path:
    """The folder of short recordings in Gradio's wheel."""
    import importlib.util

    return Path(importlib.util.find_spec("gradio").origin).parent / "media_assets" / "audio"


@pytest.fixture(scope="session")
def voice_path(voices) -> Path:
    """3.96 s of English, MP3."""
    return voices / "cate_blanch_2.mp3"


@pytest.fixture(scope="session")
def mediapipe() -> "FaceDetector":
    """One detector for all tests: loading its models takes a second or two."""
    from atvg.face.detector import make_detector

    return make_detector("mediapipe")


@pytest.fixture(scope="session")
def astronaut_face(mediapipe, astronaut) -> "Detection":
    return mediapipe.detect(astronaut)[0]


@pytest.fixture(scope="session")
def animator() -> "Animator":
    """The shipped weights."""
    from atvg import Animator

    return Animator.from_pretrained()


@pytest.fixture(scope="session")
def face(animator, astronaut) -> "Face":
    """Eileen Collins, found."""
    return animator.read_face(astronaut)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Iterator[Path]:
    """Gradio's folder of uploads and results, of these tests alone."""
    folder = tmp_path_factory.mktemp("gradio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def face68() -> np.ndarray:
    """The hand-drawn face of `synthetic.face68`."""
    face = synthetic.face68()
    face.flags.writeable = False
    return face


@pytest.fixture(scope="session")
def tiny_clips(astronaut, hopper, tmp_path_factory) -> Path:
    """A folder of clips of two people, with a table, and three files that cannot be used.

    ``astronaut/{a,b}.mp4`` are in train and ``hopper/a.mp4`` in val; the sound's level follows the mouth.
    """
    folder = tmp_path_factory.mktemp("tiny") / "clips"
    collins = (astronaut[50:200, 150:300], (74.0, 94.0, 40.0))
    grace = (hopper[90:390, 115:415], (155.0, 190.0, 70.0))
    rows = []
    for name, (face, mouth), frames, every, split in (
        ("astronaut/a", collins, 30, 8.0, "train"),
        ("astronaut/b", collins, 25, 6.0, "train"),
        ("hopper/a", grace, 25, 8.0, "val"),
    ):
        opening = synthetic.syllables(frames, every)
        pictures = synthetic.talking_frames(face, mouth, opening)
        synthetic.write_video(folder / f"{name}.mp4", pictures, synthetic.tone(frames / 25, opening))
        identity = name.split("/")[0]
        rows.append({"clip": f"{name}.mp4", "source": "made", "identity": identity, "split": split, "sync": "1"})
    noise = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), np.uint8)
    synthetic.write_video(folder / "odd/faceless.mp4", noise, synthetic.tone(0.8, np.ones(20)))
    synthetic.write_video(folder / "odd/mute.mp4", pictures[:20])
    (folder / "odd/broken.mp4").write_text("this is not a video")
    with (folder / "clips.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    return folder


@pytest.fixture(scope="session")
def tiny_pack(tiny_clips, tmp_path_factory) -> Path:
    """The pack of `tiny_clips`; tests that damage a pack work on a copy."""
    from atvg.data.prepare import prepare

    folder = tmp_path_factory.mktemp("pack") / "pack"
    prepare(tiny_clips, folder, workers=1, progress=False)
    return folder


@pytest.fixture
def refuses() -> Callable:
    """``with refuses(SomeError, "words"):`` the block fails with exactly that kind of error, in one line."""
    import contextlib

    @contextlib.contextmanager
    def check(kind: type[ATVGError], words: str = ""):
        with pytest.raises(kind) as caught:
            yield caught
        message = str(caught.value)
        assert message and "\n" not in message, f"not one line: {message!r}"
        assert words in message, f"{words!r} is not in: {message}"

    return check
