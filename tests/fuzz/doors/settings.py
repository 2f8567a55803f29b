"""What a user can turn: in Python with values of any kind, on the command line and in places with any text."""

import contextlib
import io
from dataclasses import fields
from typing import Any

from hypothesis import strategies as st

from atvg.animate.settings import Settings, make_settings
from atvg.cli import main
from atvg.errors import ATVGError
from atvg.face.placing import parse_place
from atvg.motion.pose import Pose
from atvg.voice.audio import Cut
from tests.fuzz.structured import JSONS, noise, reading

SECONDS, EXAMPLES = 15, 50
OPTIONS = [
    "--beta", "--yaw", "--pitch", "--seed", "--smoothing", "--frame", "--box", "--points", "--start", "--end",
    "--teeth", "--ear", "--mouth-gain", "--liveliness", "--engine", "--wings", "-o",
]  # fmt: skip
TEXTS = st.one_of(st.text(), st.floats().map(str), st.integers().map(str), st.lists(st.floats()).map(str))
NUMBERS = st.one_of(JSONS, st.complex_numbers(), st.fractions(), st.decimals(), st.floats(0, 1))
NAMES = st.sampled_from([field.name for field in fields(Settings)])
PLACES = st.tuples(st.none() | TEXTS, st.none() | TEXTS)
WORDS = st.tuples(st.sampled_from(OPTIONS), TEXTS)


def _take(value: tuple[Any, ...]) -> None:
    named, angles, part, (box, points), words = value
    for make in (
        lambda: make_settings(named), lambda: Pose(*angles), lambda: Cut("voice", *part), lambda: _placed(box, points),
    ):  # fmt: skip
        try:
            make()
        except ATVGError as error:
            assert str(error) and str(error).isprintable()
    said = io.StringIO()  # there is no photo, so whatever is asked for, the answer is one line
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = main(["animate", "nowhere.png", "nowhere.wav", "-o", "nowhere/out.mp4", *map("=".join, words)])
    text = said.getvalue()
    assert code == 2 and text.startswith("error: ") and text.endswith("\n") and text[:-1].isprintable(), text


def _placed(box: str | None, points: str | None) -> None:
    for numbers in parse_place(box, points).values():
        assert all(isinstance(number, float) for number in numbers)


one = reading(
    st.tuples(
        st.dictionaries(NAMES, NUMBERS), st.tuples(NUMBERS, NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS),
        PLACES, st.lists(WORDS, max_size=3),
    ),
    _take,
)  # fmt: skip
seeds = noise
