"""Films that say something else: what changes, what stays bit for bit, and how long they become."""

import tracemalloc
from fractions import Fraction

import cv2
import numpy as np
import pytest

from atvg import Pose
from atvg.bench.samples import sample_voice
from atvg.dub.footage import frames, open_footage
from atvg.dub.reach import reach_of
from atvg.errors import BadSettingError, NoFaceError, SeveralFacesError
from atvg.face import geometry
from atvg.film.paste import Paster
from tests.dub.films import drawn, ffmpeg, heard, save
from tests.marks import quick

VOICE = sample_voice(0.8)  # 20 frames at 25 a second
SHORT = sample_voice(0.4)
WALL = np.random.default_rng(1).integers(0, 256, (16, 16, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def wall() -> list[np.ndarray]:
    """Six frames in which nobody is seen."""
    return [cv2.resize(WALL, (256, 256), interpolation=cv2.INTER_CUBIC)] * 6


def read(path) -> np.ndarray:
    return np.stack(list(frames(open_footage(path))))


def differing(filmed: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Which frames of T have changed."""
    return (filmed != made).any(axis=(1, 2, 3))


class TestWhatChanges:
    def test_nothing_beyond_the_reach_of_lips_and_jaw(self, animator, film):
        dub = animator.dub(film, VOICE)
        paster, changed = Paster(dub.talker.face), 0
        for chunk in dub.chunks():
            for t, (scene, picture) in enumerate(zip(chunk.scenes, paster.paste(chunk), strict=True)):
                y, x = np.nonzero((picture != scene.picture).any(axis=-1))
                changed += len(y)
                spots = geometry.apply(scene.matrix, np.stack([x, y], axis=1).astype(float))
                reach = cv2.dilate(reach_of(scene.landmarks, chunk.landmarks[t]), np.ones((5, 5), np.uint8))
                column, row = spots.round().astype(int).T
                assert (reach[row, column] > 0).all()
                assert not (spots[:, 1] < scene.landmarks[36:48, 1].max()).any(), "the eyes are the film's"
        assert changed > 20 * 500, "or nothing is proved"

    def test_the_mouth_says_what_the_voice_says(self, animator, film, spoken):
        """Its own words are gone: with a silent voice it rests; and with the same voice it opens as it was filmed."""
        opened, own = {}, []
        for name, voice in (("silent", 0 * spoken), ("speaking", spoken)):
            chunks = list(animator.dub(film, voice).chunks())
            opened[name] = np.concatenate([chunk.landmarks[:, 66, 1] - chunk.landmarks[:, 62, 1] for chunk in chunks])
            own = [scene.landmarks[66, 1] - scene.landmarks[62, 1] for chunk in chunks for scene in chunk.scenes]
        assert np.ptp(opened["silent"][4:-4]) < 0.4 * np.ptp(own[4:-4])
        assert np.corrcoef(opened["speaking"], own)[0, 1] > 0.8

    def test_the_same_twice(self, animator, film):
        once, again = (drawn(animator.dub(film, SHORT))[1] for _ in range(2))
        assert np.array_equal(once, again)

    def test_own_teeth(self, animator, collins, film, spoken, tmp_path):
        """A film whose open mouth shows green ones gets green ones."""
        pictures, landmarks = collins[0].copy(), collins[1]
        gaps = landmarks[:, 66, 1] - landmarks[:, 62, 1]
        assert gaps.max() > 3, "or it never opens"
        for picture, points in zip(pictures, landmarks, strict=True):
            upper = np.concatenate([points[60:65], (points[[63, 62, 61]] + points[[65, 66, 67]]) / 2])
            cv2.fillPoly(picture, [(upper * 16).round().astype(np.int32)], (70, 230, 70), shift=4)

        def green(path) -> int:
            made = drawn(animator.dub(path, spoken))[1].astype(int)
            return int((made[..., 1] - made[..., [0, 2]].max(axis=-1) > 40).sum())

        assert green(film) < 20
        assert green(save(tmp_path / "green.mp4", pictures)) > 200


class TestWhoIsNotSeen:
    def test_frames_without_the_person_stay_and_are_counted(self, animator, collins, wall, tmp_path):
        path = save(tmp_path / "a.mp4", [*collins[0][:8], *wall, *collins[0][8:14]])
        dub = animator.dub(path, VOICE)
        filmed, made = drawn(dub)
        assert np.array_equal(filmed, read(path))
        assert differing(filmed, made).tolist() == [True] * 8 + [False] * 6 + [True] * 6
        assert dub.left_alone == 6

    def test_a_cut_to_somebody_else_leaves_them_alone(self, animator, collins, grace, tmp_path):
        path = save(tmp_path / "a.mp4", [*collins[0][:8], *grace[:6], *collins[0][8:14]])
        dub = animator.dub(path, VOICE)
        assert differing(*drawn(dub)).tolist() == [True] * 8 + [False] * 6 + [True] * 6
        assert dub.left_alone == 6

    def test_a_film_that_begins_without_a_face(self, animator, collins, wall, tmp_path):
        dub = animator.dub(save(tmp_path / "a.mp4", [*wall, *collins[0][:8]]), SHORT)
        assert dub.talker.at == 6
        assert differing(*drawn(dub)).tolist() == [False] * 6 + [True] * 4

    def test_a_film_without_any(self, animator, wall, tmp_path, refuses):
        with refuses(NoFaceError, "film"):
            animator.dub(save(tmp_path / "a.mp4", wall), SHORT)

    @pytest.mark.parametrize("chosen", ["left", "right"])
    def test_one_of_two(self, animator, collins, grace, tmp_path, chosen):
        path = save(tmp_path / "a.mp4", np.concatenate([collins[0][:10], grace[:10]], axis=2))
        with pytest.raises(SeveralFacesError) as caught:
            animator.dub(path, SHORT)
        box = sorted(caught.value.boxes)[chosen == "right"]
        filmed, made = drawn(animator.dub(animator.read_film(path, box=box), SHORT))
        changed = (filmed != made).any(axis=-1)
        halves = {"left": changed[..., :256], "right": changed[..., 256:]}
        assert halves.pop(chosen).any(axis=(1, 2)).all()
        assert not next(iter(halves.values())).any()


class TestHowLong:
    @pytest.mark.parametrize("rate", quick(["24000/1001", "60"], "24000/1001"))
    def test_a_films_own_rate_is_kept_and_sound_ends_with_the_picture(self, animator, collins, tmp_path, rate):
        path, out = save(tmp_path / "a.mp4", collins[0], rate), tmp_path / "out.mp4"
        dub = animator.dub(path, VOICE)
        count = int(np.ceil(0.8 * float(Fraction(rate))))
        assert dub.save(out) == dub.n_frames == count
        found = open_footage(out)
        assert found.fps == Fraction(rate) and found.size == (256, 256)
        assert len(read(out)) == count
        assert len(heard(out)) / 16_000 == pytest.approx(count / float(Fraction(rate)), abs=0.065)  # AAC has blocks
        assert np.corrcoef(heard(out)[:12_000], VOICE[:12_000])[0, 1] > 0.9, "in step with the voice"

    @pytest.mark.parametrize("hold, shown", [(False, [0, 1, 2, 3, 4, 5, 4, 3, 2, 1]), (True, [*range(6), 5, 5, 5, 5])])
    def test_a_longer_voice(self, animator, collins, tmp_path, hold, shown):
        path = save(tmp_path / "a.mp4", collins[0][:6])
        filmed, made = drawn(animator.dub(path, SHORT, hold=hold))
        assert np.array_equal(filmed, read(path)[shown])
        assert differing(filmed, made).all()

    def test_a_shorter_voice_cuts_the_film(self, animator, film):
        filmed, _ = drawn(animator.dub(film, SHORT))
        assert np.array_equal(filmed, read(film)[:10])

    def test_a_part_of_the_voice(self, animator, film):
        part = animator.dub(film, sample_voice(2), start=0.8, end=1.2)
        assert part.n_frames == 10

    def test_a_still_speaks(self, animator, collins, tmp_path):
        path = save(tmp_path / "a.mp4", collins[0][:1])
        filmed, made = drawn(animator.dub(path, SHORT))
        assert not differing(filmed, np.broadcast_to(filmed[0], filmed.shape)).any()
        assert np.array_equal(made[:, :100], filmed[:, :100])
        assert len(np.unique(made.reshape(10, -1), axis=0)) > 5

    def test_a_film_that_breaks_off(self, animator, collins, tmp_path):
        path, out = save(tmp_path / "a.ts", collins[0], options=("-c:v", "mpeg2video", "-q:v", "2")), tmp_path / "o.mp4"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert 5 < len(read(path)) < 20
        assert animator.dub(path, VOICE).save(out) == 20 == len(read(out))


class TestFilmsOfAllKinds:
    def test_one_that_was_turned(self, animator, collins, tmp_path):
        plain = save(tmp_path / "plain.mp4", [np.rot90(picture, -1)[:, :200] for picture in collins[0][:10]])
        ffmpeg("-display_rotation:v:0", 90, "-i", plain, "-c", "copy", tmp_path / "turned.mp4")
        dub = animator.dub(tmp_path / "turned.mp4", SHORT)
        assert dub.save(tmp_path / "out.mp4") == 10
        assert open_footage(tmp_path / "out.mp4").size == dub.talker.footage.size == (256, 200)

    def test_its_own_sound_gives_way(self, animator, film, tmp_path):
        ffmpeg("-i", film, "-f", "lavfi", "-i", "sine=d=1", "-c:v", "copy", tmp_path / "loud.mp4")
        assert np.abs(heard(tmp_path / "loud.mp4")).max() > 0.05
        animator.dub(tmp_path / "loud.mp4", 0 * SHORT).save(tmp_path / "out.mp4")
        assert np.abs(heard(tmp_path / "out.mp4")).max() < 1e-3

    def test_its_colour_space_is_kept(self, animator, collins, tmp_path):
        said = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
        path = save(tmp_path / "a.mp4", collins[0][:10], options=("-vf", f"scale=out_color_matrix=bt709,{said}"))
        dub = animator.dub(path, SHORT)
        dub.save(tmp_path / "out.mp4")
        made = open_footage(tmp_path / "out.mp4")
        assert made.colour.matrix == made.colour.primaries == "bt709" and made.colour.range == "tv"
        apart = (read(tmp_path / "out.mp4").astype(int) - read(path))[:, :100]
        assert np.abs(apart.mean(axis=(0, 1, 2))).max() < 0.5

    @pytest.mark.long
    def test_4k(self, animator, collins, tmp_path):
        pictures = [cv2.resize(picture, (2160, 2160), interpolation=cv2.INTER_CUBIC) for picture in collins[0][:5]]
        path = save(tmp_path / "a.mp4", [np.pad(p, ((0, 0), (840, 840), (0, 0))) for p in pictures])
        filmed, made = drawn(animator.dub(path, sample_voice(0.2)))
        assert filmed.shape == (5, 2160, 3840, 3) and differing(filmed, made).all()


class TestWhatIsRefused:
    @pytest.mark.parametrize("settings", [{"natural": True}, {"pose": Pose(yaw=5)}, {"beta": 9}, {"wings": 2}])
    def test_settings(self, animator, film, refuses, settings):
        with refuses(BadSettingError):
            animator.dub(film, SHORT, **settings)

    def test_a_stop_leaves_nothing(self, animator, film, tmp_path):
        steps = animator.dub(film, VOICE).rendering(tmp_path / "out.mp4")
        next(steps)
        assert list(tmp_path.iterdir()), "or nothing is proved"
        steps.close()
        assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_memory_does_not_grow_with_length(animator, film, tmp_path):
    """Of 18 s of frames, 88 MB, none is kept."""
    path = tmp_path / "long.mp4"
    ffmpeg("-stream_loop", 19, "-i", film, "-c", "copy", path)
    peaks = []
    for seconds in (2, 20):
        dub = animator.dub(path, sample_voice(seconds))
        tracemalloc.start()
        assert sum(map(len, dub.chunks())) == 25 * seconds
        peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 15
