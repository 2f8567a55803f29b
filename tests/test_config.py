"""Sizes that follow from each other, and settings as they are typed on a command line."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest

from atvg import config
from atvg.config import ATNetConfig, VGNetConfig, check_choices, check_number, from_dict, to_dict, with_overrides
from atvg.errors import BadSettingError
from atvg.train.settings import VGSettings


@dataclass(frozen=True)
class Settings:
    count: int = 3
    rate: float = 0.5
    on: bool = False
    name: str = "a"
    widths: tuple[int, int] = (1, 2)
    layers: tuple[int, ...] = (1, 2)


def test_four_mfcc_rows_make_a_frame_and_seven_frames_a_window():
    assert config.ROWS_PER_FRAME == 4
    assert config.WINDOW_ROWS == 7 * config.ROWS_PER_FRAME
    assert config.MFCC_HOP * config.ROWS_PER_FRAME * config.FPS == config.SAMPLE_RATE
    assert config.MFCC_WINDOW * 40 == config.SAMPLE_RATE  # 25 ms


def test_typed_values_take_the_type_of_their_field():
    typed = {"count": "7", "rate": "1e-3", "on": "true", "name": "b", "widths": "4,5", "layers": "1,2,3"}
    assert with_overrides(Settings(), typed) == Settings(7, 0.001, True, "b", (4, 5), (1, 2, 3))


@pytest.mark.parametrize("text", ["true", "True", "1", "false", "False", "0"])
def test_truth_is_typed_in_several_ways(text):
    value = text in ("true", "True", "1")
    assert with_overrides(Settings(on=not value), {"on": text}).on is value


def test_nothing_typed_changes_nothing():
    assert with_overrides(Settings(), {}) == Settings()


def test_an_unknown_name_lists_the_known_ones(refuses):
    with refuses(BadSettingError, "count, layers, name, on, rate, widths"):
        with_overrides(Settings(), {"cuont": "3"})


@pytest.mark.parametrize(
    ("name", "text"),
    [("count", "2.5"), ("count", ""), ("rate", "fast"), ("on", "2"), ("widths", "1,x"), ("widths", "")],
)
def test_a_value_of_another_type_is_refused_with_its_name(name, text, refuses):
    with refuses(BadSettingError, f"{name}={text!r}"):
        with_overrides(Settings(), {name: text})


@pytest.mark.parametrize("text", ["1", "1,2,3"])
def test_a_list_of_another_length_is_refused(text, refuses):
    with refuses(BadSettingError, "widths"):
        with_overrides(Settings(), {"widths": text})


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_a_number_that_is_not_finite_is_refused(text, refuses):
    with refuses(BadSettingError, "rate"):
        with_overrides(Settings(), {"rate": text})


@dataclass(frozen=True)
class Choices:
    colour: Literal["red", "green"] = "red"
    count: int = 3


def test_one_of_a_few_words_is_chosen_from_them(refuses):
    check_choices(Choices("green"))
    for other in ("blue", "", None, ["red"], True):
        with refuses(BadSettingError, "choose from: red, green"):
            check_choices(Choices(other))


@pytest.mark.parametrize(
    "name, words",
    [("attention", "dynamic, static, none"), ("recurrence", "time, batch, none"), ("driver", "landmarks")],
)
def test_an_unknown_kind_of_network_is_refused_with_the_known_ones(name, words, refuses):
    with refuses(BadSettingError, f"{name} is 'foo'; choose from: {words}"):
        with_overrides(VGNetConfig(), {name: "foo"})


def test_an_unknown_loss_is_refused_with_the_known_ones(refuses):
    with refuses(BadSettingError, "loss is 'l2'; choose from: dynamic, l1"):
        with_overrides(VGSettings(), {"loss": "l2"})


def test_choices_that_need_each_other_are_typed_together(refuses):
    typed = with_overrides(VGNetConfig(), {"driver": "audio", "warp": "false"})
    assert (typed.driver, typed.warp) == ("audio", False)
    with refuses(BadSettingError, "warp=false"):
        with_overrides(VGNetConfig(), {"driver": "audio"})


@pytest.mark.parametrize("given", [ATNetConfig(n_mfcc=20, dropout=0.0), VGNetConfig(hidden=7, recurrence="none")])
def test_configs_survive_json(given):
    import json

    assert from_dict(type(given), json.loads(json.dumps(to_dict(given)))) == given


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float32(0.25), np.int64(1)])
def test_a_number_in_its_range_is_one(value):
    assert check_number("share", value, 0, 1) == float(value)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf"), "0.5", None, True, [0.5], 10**400, "x" * 999])
def test_what_is_no_number_in_its_range_is_refused_in_few_words(value, refuses):
    with refuses(BadSettingError, "give a number from 0 to 1") as caught:
        check_number("share", value, 0, 1)
    assert len(str(caught.value)) < 150


def test_a_number_too_long_to_be_printed_is_refused_like_any_other(refuses):
    from atvg.animate.settings import make_settings
    from atvg.motion.pose import Pose

    huge = 10**5000
    with refuses(BadSettingError, "thousands of digits"):
        check_number("beta", huge, 0, 2)
    with refuses(BadSettingError, "thousands of digits"):
        Pose(yaw=huge)
    with refuses(BadSettingError, "thousands of digits"):
        make_settings({"seed": huge})
