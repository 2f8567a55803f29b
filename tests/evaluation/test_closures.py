"""Whether lips close on p, b, m and in silence, on clips made of levels and lips that are known."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.fft import dct

from atvg.cli import main
from atvg.config import ROWS_PER_FRAME
from atvg.data.pack import NO_FRAMES, Clip
from atvg.errors import PackError
from atvg.evaluation import closures, report
from atvg.evaluation.sentences import align, band_levels, bilabials, spelled
from atvg.face.landmarks import INNER_LOWER, INNER_UPPER, eye_distance
from atvg.voice import mel
from tests import synthetic
from tests.marks import quick

FRAMES = 75
EYES = 40.0  # pixels
APART, SHUT = 0.2, 0.0  # openings, in eyes' distances

# "place blue by p six please" by hand: how loud it is in low, middle and high bands, and rows of 10 ms. Plosives are
# nearly silent and then burst, a "b" only hums.
VOWEL, GLIDE, HISS = (1, 0.9, 0.6), (0.9, 0.7, 0.4), (0.3, 0.5, 1)
STOP, BURST, HUM = (0.3, 0.2, 0.2), (0.4, 0.6, 0.8), (0.6, 0.3, 0.2)
SILENCE = (0, 0, 0)
SOUNDS = (
    (SILENCE, 80),
    (STOP, 6), (BURST, 4), (GLIDE, 6), (VOWEL, 10), (HISS, 10),  # place
    (HUM, 6), (GLIDE, 6), (VOWEL, 12),  # blue
    (HUM, 6), (VOWEL, 12),  # by
    (STOP, 6), (BURST, 4), (VOWEL, 12),  # p
    (HISS, 10), (VOWEL, 6), (STOP, 6), (BURST, 4), (HISS, 10),  # six
    (STOP, 6), (BURST, 4), (GLIDE, 6), (VOWEL, 10), (HISS, 8),  # please
)  # fmt: skip
WORDS = ("place", "blue", "by", "p", "six", "please")
RELEASES = (86, 122, 146, 164, 222)  # rows in which p, b, b, p and p end in SOUNDS
END = sum(rows for _, rows in SOUNDS)
KEY = "grid-s1-pbbp6p_00000"


def heard() -> np.ndarray:
    """`SOUNDS`, and silence up to the clip's end, as rows that the ear reads: noise is 30 dB below speech."""
    levels = np.concatenate([np.tile(sound, (rows, 1)) for sound, rows in (*SOUNDS, (SILENCE, 4 * FRAMES - END))])
    bands = np.repeat([0, 1, 2], [22, 33, 25])  # of the 80 mels
    power = 10 ** (3.0 * levels[:, bands] - 3.0) / 25
    return dct(mel.scaled(power), norm="ortho", axis=-1).astype(np.float32)


def mouth(opening: np.ndarray) -> np.ndarray:
    """A face of eyes and inner lips, (T, 68, 3), whose lips are apart by `opening` (T,) of the eyes' distance."""
    points = np.zeros((len(opening), 68, 3), np.float32)
    points[:, 42:48, 0] = EYES
    points[:, INNER_UPPER, 1] = 60
    points[:, INNER_LOWER, 1] = 60 + EYES * opening[:, None]
    return points


def lips(closed: list[int], silent: float = SHUT) -> np.ndarray:
    """Openings in which the mouth is apart in the sentence but in the frames named, (T,)."""
    opening = np.full(FRAMES, silent)
    opening[80 // 4 : -(-END // 4)] = APART
    opening[closed] = SHUT
    return opening


def made_clip(opening: np.ndarray, key: str = KEY) -> Clip:
    transforms = np.repeat(np.eye(2, 3, dtype=np.float32)[None], FRAMES, axis=0)
    rows = np.zeros((4 * FRAMES + 24, 20), np.float32)
    return Clip(key, "grid", "s1", "val", True, NO_FRAMES, mouth(opening), transforms, rows, heard())


CLOSED = [row // ROWS_PER_FRAME - closures.LEAD for row in RELEASES]  # frames in which a mouth that says it is shut


class TestNames:
    @pytest.mark.parametrize(
        ("key", "words"),
        [
            ("grid__grid-s1-bbaf2n_00000", "bin blue at f two now"),
            ("lgbp9s_e3417e_00000", "lay green by p nine soon"),
            ("swwmzp", "set white with m zero please"),
            ("s12/prio1a_00012", "place red in o one again"),
        ],
    )
    def test_spell_sentences(self, key, words):
        assert spelled(key) == tuple(words.split())

    @pytest.mark.parametrize(
        "key", ["s16_686965_00000", "e3417e", "bbaw2n_00000", "bbaf0n", "xbbaf2n", "bbaf2nx", "BBAF2N", "interview", ""]
    )
    def test_of_other_clips_spell_nothing(self, key):
        assert spelled(key) is None

    def test_tell_which_lips_have_to_close(self):
        def found(code):
            return [(phone.word, phone.sound, phone.first) for phone in bilabials(spelled(code))]

        assert found("bbbbzp") == [(0, "b", True), (1, "b", True), (2, "b", True), (3, "b", True), (5, "p", True)]
        assert found("pgwm1a") == [(0, "p", True), (3, "m", False)]
        assert found("lwap9n") == [(3, "p", True)]
        assert found("srif4s") == []


class TestAlignment:
    def test_finds_every_closure_and_the_sentence(self):
        spoken = align(WORDS, band_levels(heard()))
        assert [phone.sound for phone, _ in spoken.closures] == ["p", "b", "b", "p", "p"]
        assert np.abs(np.array([row for _, row in spoken.closures]) - RELEASES).max() <= 3
        assert abs(spoken.start - 80) <= 3 and abs(spoken.end - END) <= 3

    def test_needs_room_for_all_phones(self):
        assert align(WORDS, band_levels(heard()[80:110])) is None

    def test_does_not_depend_on_how_loud_the_recording_is(self):
        rows = heard()
        rows[:, 0] += 0.1 * np.sqrt(80)  # 4 dB
        assert align(WORDS, band_levels(rows)) == align(WORDS, band_levels(heard()))


class TestMeasure:
    def test_a_mouth_as_the_truth_closes_wherever_that_does(self):
        clip = made_clip(lips(CLOSED))
        found = closures.measure_closures([clip], lambda clip: clip.landmarks[..., :2])
        assert (found["clips"], found["identities"]) == (1, 1)
        for place, count in (("all", 5), ("first word", 1), ("within", 4)):
            figures = found["bilabials"][place]
            assert figures["count"] == count
            assert (figures["opening_truth"], figures["opening_net"]) == (0, 0)
            for name in closures.THRESHOLDS:
                assert figures[name]["truth"] == figures[name]["net"] == 1
                assert 0.2 < figures[name]["chance_truth"] == figures[name]["chance_net"] < 0.6
        assert found["silence"]["before"]["truth"] == found["silence"]["after"]["net"] == 1

    def test_closures_are_counted_one_by_one_and_a_frame_beside_the_truths_will_do(self):
        net = mouth(lips([CLOSED[0] + 1, CLOSED[1] - 1, CLOSED[2] + 2]))[..., :2]
        found = closures.measure_closures([made_clip(lips(CLOSED))], lambda clip: net)["bilabials"]
        assert found["all"]["closed"]["net"] == pytest.approx(2 / 5)
        assert found["first word"]["closed"]["net"] == 1
        assert found["within"]["closed"]["net"] == pytest.approx(1 / 4)
        assert found["all"]["closed"]["truth"] == 1
        assert found["all"]["opening_net"] == pytest.approx(APART * 3 / 5)

    def test_nearly_closed_is_not_sealed(self):
        opening = lips([], silent=APART)
        opening[CLOSED] = 0.035
        net = mouth(opening)[..., :2]
        found = closures.measure_closures([made_clip(lips(CLOSED))], lambda clip: net)["bilabials"]["all"]
        assert (found["closed"]["net"], found["sealed"]["net"]) == (1, 0)
        assert (found["closed"]["truth"], found["sealed"]["truth"]) == (1, 1)

    def test_of_a_mouth_that_never_opens_chance_says_so(self):
        net = mouth(np.zeros(FRAMES))[..., :2]
        found = closures.measure_closures([made_clip(lips(CLOSED))], lambda clip: net)["bilabials"]["all"]["sealed"]
        assert found["net"] == found["chance_net"] == 1 > found["chance_truth"]

    def test_silence_is_measured_before_and_after_the_sentence(self):
        opening = lips(CLOSED)
        opening[:5] = APART
        net = mouth(np.full(FRAMES, APART))[..., :2]
        found = closures.measure_closures([made_clip(opening)], lambda clip: net)["silence"]
        assert found["before"]["frames"] == pytest.approx(20, abs=1)
        assert found["before"]["truth"] == pytest.approx(1 - 5 / found["before"]["frames"])
        assert found["after"]["truth"] == 1
        assert found["before"]["net"] == found["after"]["net"] == 0

    def test_openings_are_in_eyes_distances_of_the_truth(self):
        clip = made_clip(np.full(FRAMES, APART))
        assert np.allclose(eye_distance(clip.landmarks), EYES)
        found = closures.measure_closures([clip], lambda clip: clip.landmarks[..., :2])["bilabials"]["all"]
        assert found["opening_truth"] == pytest.approx(APART)

    def test_where_no_name_spells_a_sentence_there_is_none_and_nothing_is_predicted(self):
        def fails(clip):
            raise AssertionError("a net was asked about a clip that spells nothing")

        assert closures.measure_closures([], fails) is None
        assert closures.measure_closures([made_clip(lips([]), "s16_686965_00000")], fails) is None

    def test_a_sentence_without_p_b_m_tells_of_silence_only(self):
        clip = made_clip(lips([]), "srif4s")
        found = closures.measure_closures([clip], lambda clip: clip.landmarks[..., :2])
        assert found["bilabials"]["all"]["count"] == 0 and np.isnan(found["bilabials"]["all"]["closed"]["net"])
        assert "–" in report.closures(found)


def write_pack(folder, keys):
    """A pack without pictures of one clip for each key, as split "val"."""
    clip = made_clip(lips(CLOSED))
    about = {"source": "grid", "identity": "s1", "split": "val"}
    return synthetic.write_pack(folder, [replace(clip, key=k, sync=k != "unsynced-pbbp6p", **about) for k in keys])


class TestReport:
    def test_of_the_command_holds_figures_and_a_table(self, tmp_path, capsys):
        pack = write_pack(tmp_path, [KEY, "interview", "unsynced-pbbp6p"])
        assert main(f"evaluate -p {pack} -o {tmp_path}/report.json --closures".split()) == 0
        found = json.loads((tmp_path / "report.json").read_text())
        assert (found["split"], found["closures"]["clips"]) == ("val", 1)
        assert found["closures"]["bilabials"]["all"]["sealed"]["truth"] == 1
        assert 0 <= found["closures"]["bilabials"]["all"]["closed"]["net"] <= 1
        printed = capsys.readouterr().out
        assert "| all: 5 | closed, up to 5% | 100% |" in printed and "before the sentence" in printed

    @pytest.mark.parametrize(("key", "has"), quick([(KEY, True), ("interview", False)], (KEY, True)))
    def test_of_the_whole_protocol_has_closures_where_clips_spell_sentences(self, key, has, tmp_path, monkeypatch):
        monkeypatch.setattr("atvg.evaluation.run.evaluate", lambda *_, **__: {"rows": {}})
        monkeypatch.setattr("atvg.evaluation.run.to_markdown", str)
        pack = write_pack(tmp_path, [key])
        assert main(f"evaluate -p {pack} -o {tmp_path}/report.json --engine torch".split()) == 0
        assert ("closures" in json.loads((tmp_path / "report.json").read_text())) is has

    def test_is_refused_where_no_clip_spells_a_sentence(self, tmp_path, refuses):
        pack = write_pack(tmp_path, ["interview", "unsynced-pbbp6p"])
        with refuses(PackError, "no clip of split 'val'"):
            closures.evaluate_closures(pack, "val", None)

    @pytest.mark.parametrize("more", ["--frames 40", "--photos ."])
    def test_is_of_whole_clips_and_nothing_else(self, more, tmp_path, capsys):
        assert main(f"evaluate -p {tmp_path} -o {tmp_path}/report.json --closures {more}".split()) == 2
        assert "--closures measures nothing else" in capsys.readouterr().err
