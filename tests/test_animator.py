"""Photo + audio → frames, with the shipped weights."""

import gc
import weakref

import numpy as np
import pytest
import torch

from atvg import Animator, Pose, checkpoint
from atvg.animate.chunk import Chunk
from atvg.animate.pipeline import blend
from atvg.animator import Result
from atvg.bench.samples import sample_voice
from atvg.config import SAMPLE_RATE, VGNetConfig
from atvg.errors import BadAudioError, BadSettingError, CheckpointError, SeveralFacesError
from atvg.face import geometry
from atvg.face.landmarks import INNER_LOWER, INNER_UPPER, MOUTH, RIGID, mouth_opening
from atvg.film.paste import Paster
from atvg.motion.carry import Carried, carry
from atvg.motion.idle import LOWER_LID, UPPER_LID, IdleModel
from atvg.motion.pose import turn_points
from atvg.nets.vg_net import VGNet
from atvg.voice.audio import load_audio


@pytest.fixture(scope="module")
def spoken(animator, face, voice_path) -> Result:
    return animator(face, voice_path)


def joined(chunks: list[Chunk], name: str) -> np.ndarray:
    return np.concatenate([getattr(chunk, name) for chunk in chunks])


def test_a_chunked_render_equals_one_pass(animator, face, spoken, voice_path):
    chunks = list(animator.stream(face, voice_path, chunk=3))
    assert [len(chunk) for chunk in chunks[:-1]] == [3] * (len(chunks) - 1)
    assert [chunk.start for chunk in chunks] == list(range(0, len(spoken), 3))
    assert (joined(chunks, "frames") == spoken.frames).all()
    assert (joined(chunks, "attention") == spoken.attention).all()
    assert (joined(chunks, "landmarks") == spoken.landmarks).all()


def test_chunks_longer_than_what_is_drawn_at_once_hold_the_same_frames(animator, face, spoken, voice_path):
    chunks = list(animator.stream(face, voice_path, chunk=64))
    assert [len(chunk) for chunk in chunks] == [64, len(spoken) - 64]
    assert (joined(chunks, "motion") == spoken.motion).all()


def test_every_frame_is_attention_times_motion_plus_the_rest_of_the_photo(spoken):
    alpha = spoken.attention[..., None]
    composed = alpha * spoken.motion + (1 - alpha) * spoken.photos
    assert (spoken.photos == spoken.face.crop).all()
    assert np.abs(composed - spoken.frames).max() <= 1.01  # two roundings to whole grey levels


def test_attention_is_a_share_and_shapes_are_as_promised(spoken, animator):
    frames = len(spoken)
    assert spoken.frames.shape == spoken.motion.shape == (frames, 128, 128, 3)
    assert spoken.attention.shape == (frames, 128, 128)
    assert spoken.attention.min() >= 0 and spoken.attention.max() <= 1
    assert spoken.landmarks.shape == (frames, 68, 2) and spoken.landmarks.dtype == np.float32
    assert spoken.codes.shape == (frames, animator.at_nets["whisper"].config.motion_codes)


def test_a_clip_has_25_frames_for_every_second(animator, face):
    assert sum(len(chunk) for chunk in animator.stream(face, sample_voice(1.3))) == round(25 * 1.3)


def test_the_mouth_moves_with_speech_and_rests_in_silence(animator, face, spoken):
    silence = np.zeros(32_000, np.float32)
    still = joined(list(animator.stream(face, silence)), "landmarks")
    assert mouth_opening(still).std() < 0.05
    assert mouth_opening(spoken.landmarks).std() > 0.5


def test_the_mouth_closes_when_the_voice_stops(animator, face, voice_path):
    from atvg.voice.audio import load_audio

    wave = load_audio(voice_path)
    opening = mouth_opening(animator(face, np.concatenate([wave, np.zeros(32_000, np.float32)])).landmarks)
    at_rest = opening[-25:]
    assert at_rest.std() < 0.05
    assert at_rest.mean() < np.quantile(opening[: len(wave) // 640], 0.4)


def test_lips_never_cross(animator, face, voice_path):
    landmarks = animator(face, voice_path, mouth_gain=3.0).landmarks
    assert (landmarks[:, INNER_LOWER, 1] - landmarks[:, INNER_UPPER, 1]).min() > -0.5


def test_mouth_gain_scales_movement_and_zero_stops_it(animator, face, spoken, voice_path):
    plain = mouth_opening(spoken.landmarks).std()
    assert mouth_opening(animator(face, voice_path, mouth_gain=0.0).landmarks).std() < 1e-3
    assert mouth_opening(animator(face, voice_path, mouth_gain=2.0).landmarks).std() > 1.3 * plain


def test_smoothing_calms_the_landmarks(animator, face, voice_path):
    def speed(smoothing: float) -> float:
        wave = animator.codes(face.crop_landmarks, load(voice_path), smoothing=smoothing)
        return float(np.abs(np.diff(wave, axis=0)).mean())

    from atvg.voice.audio import load_audio as load

    assert speed(3.0) < 0.7 * speed(0.0)


def test_two_people_get_different_codes_for_the_same_words(animator, face, hopper, voice_path):
    from atvg.voice.audio import load_audio

    wave = load_audio(voice_path)
    other = animator.read_face(hopper)
    first, second = (animator.codes(f.crop_landmarks, wave) for f in (face, other))
    assert np.abs(first - second).mean() > 0.05


def test_a_turned_head_speaks_too(animator, face, voice_path, spoken):
    turned = animator(face, voice_path, pose=Pose(yaw=20))
    nose, temples = turned.face.landmarks[30, 0], turned.face.landmarks[[0, 16], 0].mean()
    before = face.landmarks[30, 0] - face.landmarks[[0, 16], 0].mean()
    assert nose - temples > before + 5  # to the viewer's right
    assert mouth_opening(turned.landmarks).std() > 0.5 * mouth_opening(spoken.landmarks).std()


def test_pasting_back_leaves_the_rest_of_the_photo_bit_for_bit(spoken):
    pictures = list(Paster(spoken.face).paste(spoken))
    photo = spoken.face.photo
    changed = np.any([(picture != photo).any(axis=-1) for picture in pictures], axis=0)
    low, high = spoken.face.landmarks[:, :2].min(axis=0), spoken.face.landmarks[:, :2].max(axis=0)
    margin = 0.25 * (high - low)
    rows, columns = np.nonzero(changed)
    assert changed.any()
    assert columns.min() > low[0] - margin[0] and columns.max() < high[0] + margin[0]
    assert rows.min() > low[1] - margin[1] and rows.max() < high[1] + margin[1]


def test_beta_between_two_trained_ones_lies_between_them(animator):
    base = animator.vg_nets[min(animator.vg_nets)]
    low, high = VGNet(base.config).eval(), VGNet(base.config).eval()
    family = Animator(animator.at_nets, animator.shape, {0.0: low, 2.0: high}, animator.detector)
    name = "attention_head.0.weight"  # the motion head begins at zero
    middle = blend(family.vg_nets, 0.5).state_dict()[name]
    expected = 0.75 * low.state_dict()[name] + 0.25 * high.state_dict()[name]
    assert np.allclose(middle, expected, atol=1e-6)
    assert blend(family.vg_nets, 2.0) is high


def test_one_that_is_let_go_takes_its_networks_along_at_once(animator, face, voice_path):
    nets = VGNet(animator.vg_nets[min(animator.vg_nets)].config).eval()
    other = Animator(animator.at_nets, animator.shape, {0.0: nets}, animator.detector)
    next(other.stream(face, voice_path))
    remembered = [weakref.ref(other), weakref.ref(other.engine())]
    gc.disable()
    try:
        del other
        assert [reference() for reference in remembered] == [None, None]
    finally:
        gc.enable()


@pytest.fixture(scope="module")
def lively(animator) -> Animator:
    """The same ears and a small, untrained VG-net, which shows the photo warped; idle motion made by hand."""
    torch.manual_seed(0)
    sizes = {"photo_widths": (8, 12, 16, 16), "landmark_widths": (8, 12, 16), "decoder_widths": (8, 12, 16)}
    net = VGNet(VGNetConfig(**sizes, hidden=16)).eval().requires_grad_(False)
    swing = np.sin(np.arange(100) / 8)[:, None] * [5.0, 3.0, 2.0]
    shut = np.array([0.3, 0.8, 1.0, 0.8, 0.3])
    lengths = np.array([50, 50]), np.array([5])
    idle = IdleModel(swing.astype(np.float32), lengths[0], shut.astype(np.float32), lengths[1], np.array([0.9, 1.0]))
    return Animator(animator.at_nets, animator.shape, {0.5: net}, animator.detector, idle=idle)


def lids(landmarks: np.ndarray) -> np.ndarray:
    """Mean distance of the lids, (T, 68, 2) → (T,)."""
    return np.linalg.norm(landmarks[:, LOWER_LID] - landmarks[:, UPPER_LID], axis=-1).mean(axis=-1)


def test_without_recurrence_every_frame_is_drawn_as_the_first(animator, spoken):
    """And with it the frames before matter."""
    example, landmarks = spoken.face.crop_landmarks[:, :2], spoken.landmarks[20:26]
    frames = animator.drawer(spoken.face.crop, example, recurrent=False).draw(landmarks).frames
    for t, frame in enumerate(frames):
        (alone,) = animator.drawer(spoken.face.crop, example).draw(landmarks[t : t + 1]).frames
        assert np.abs(frame.astype(int) - alone).max() <= 1
    recurrent = animator.drawer(spoken.face.crop, example).draw(landmarks).frames
    assert np.abs(recurrent[0].astype(int) - frames[0]).max() <= 1
    assert np.abs(recurrent[5].astype(int) - frames[5]).max() > 1


class TestNaturalMotion:
    @pytest.fixture(scope="class")
    def alive(self, lively, face) -> Result:
        return lively(face, sample_voice(2.0), natural=True, seed=3)

    def test_without_it_the_head_is_still_and_the_seed_means_nothing(self, lively, face):
        still, other = (lively(face, sample_voice(0.6), seed=seed) for seed in (0, 1))
        assert still.turns == ()
        for name in ("frames", "attention", "motion", "landmarks", "codes"):
            assert np.array_equal(getattr(still, name), getattr(other, name))
        assert np.abs(still.landmarks[:, RIGID] - face.crop_landmarks[RIGID, :2]).max() < 1e-3

    def test_the_head_moves_and_what_it_says_stays_the_same(self, lively, face, alive):
        still = lively(face, sample_voice(2.0))
        assert len(alive) == len(still) == len(alive.turns) == 50
        assert alive.landmarks[:, RIGID].std(axis=0).max() > 0.3
        np.testing.assert_allclose(alive.codes, still.codes, atol=1e-5)

    def test_lips_seen_from_elsewhere_say_the_same(self, lively, face, voice_path):
        wave = load_audio(voice_path)[: 2 * SAMPLE_RATE]
        alive, still = (lively(face, wave, natural=natural, seed=3) for natural in (True, False))
        said = [r.landmarks[:, MOUTH[9], 1] - r.landmarks[:, MOUTH[3], 1] for r in (alive, still)]
        assert np.corrcoef(*said)[0, 1] > 0.9

    def test_the_landmarks_are_those_of_the_turned_head_plus_speech(self, face, alive):
        for turn, landmarks in zip(alive.turns, alive.landmarks, strict=True):
            seen = geometry.apply(face.matrix, turn.landmarks)
            np.testing.assert_allclose(landmarks[RIGID], seen[RIGID, :2], atol=1e-3)

    def test_the_rest_of_every_frame_is_the_turned_photo(self, face, alive):
        alpha = alive.attention[..., None]
        crops = np.stack([turn.of_crop(face.crop, face.matrix) for turn in alive.turns])
        assert np.array_equal(alive.photos, crops)
        assert np.abs(alpha * alive.motion + (1 - alpha) * crops - alive.frames).max() <= 1.01
        assert np.abs(crops.astype(int) - face.crop).mean() > 0.5

    def test_the_first_frame_is_the_photo_but_for_the_mouth(self, lively, face):
        first = lively(face, np.zeros(16_000, np.float32), natural=True, seed=3)
        assert np.abs(first.frames[0].astype(int) - face.crop).mean() < 1
        np.testing.assert_allclose(first.landmarks[0, RIGID], face.crop_landmarks[RIGID, :2], atol=0.05)

    def test_a_seed_gives_the_same_and_another_something_else(self, lively, face, alive):
        again, other = (lively(face, sample_voice(2.0), natural=True, seed=seed) for seed in (3, 4))
        assert np.array_equal(again.frames, alive.frames) and np.array_equal(again.landmarks, alive.landmarks)
        assert np.abs(other.landmarks[:, RIGID] - alive.landmarks[:, RIGID]).max() > 0.3

    @pytest.mark.parametrize("chunk", [1, 7])
    def test_it_does_not_depend_on_the_chunk(self, lively, face, alive, chunk):
        chunks = list(lively.stream(face, sample_voice(2.0), chunk=chunk, natural=True, seed=3))
        assert all(len(part.turns) == len(part) for part in chunks)
        assert np.allclose(joined(chunks, "landmarks"), alive.landmarks, atol=1e-3)
        assert np.allclose(joined(chunks, "attention"), alive.attention, atol=1 / 255)
        assert np.abs(joined(chunks, "frames").astype(int) - alive.frames).max() <= 1

    def test_eyes_blink_and_open_again(self, face, alive):
        """Blinks come every second at most, and each is shut for one frame."""
        apart = lids(alive.landmarks) / lids(face.crop_landmarks[None, :, :2])
        assert apart.min() < 0.1
        assert np.median(apart) > 0.9

    def test_it_stands_on_top_of_a_pose(self, lively, face):
        made = lively(face, sample_voice(0.6), natural=True, pose=Pose(yaw=15), seed=3)
        assert made.face.landmarks[30, 0] > face.landmarks[30, 0] + 3
        np.testing.assert_allclose(made.turns[0].landmarks, made.face.landmarks, atol=0.5)

    def test_pasted_back_the_far_background_stays(self, face, alive):
        pictures = Paster(alive.face).paste(alive.cut(45, 50))
        middle = face.landmarks[:, :2].mean(axis=0)
        radius = np.linalg.norm(face.landmarks[:17, :2] - middle, axis=1).max()
        y, x = np.mgrid[:512, :512]
        far = np.hypot(x - middle[0], y - middle[1]) > 2.7 * radius
        for picture in pictures:
            assert np.array_equal(picture[far], face.photo[far]) and not np.array_equal(picture, face.photo)

    def test_the_shipped_motion_shuts_the_eyes_within_eight_seconds(self, animator, lively, face):
        if animator.idle is None:
            pytest.skip("these weights have no idle motion")
        shipped = Animator(animator.at_nets, animator.shape, lively.vg_nets, animator.detector, idle=animator.idle)
        made = shipped(face, np.zeros(8 * 16_000, np.float32), natural=True)
        apart = lids(made.landmarks) / lids(face.crop_landmarks[None, :, :2])
        assert apart.min() < 0.4 and np.median(apart) > 0.8
        assert np.abs(np.diff(made.landmarks[:, RIGID], axis=0)).max() < 3  # no jumps

    def test_with_the_shipped_weights_the_first_frame_is_near_the_photo(self, animator, lively, face):
        idle = animator.idle or lively.idle
        shipped = Animator(animator.at_nets, animator.shape, animator.vg_nets, animator.detector, idle=idle)
        made = shipped(face, np.zeros(8_000, np.float32), natural=True)
        assert np.abs(made.frames[0].astype(int) - face.crop).mean() < 6

    def test_weights_without_idle_motion_say_so_before_any_work(self, animator, face):
        bare = Animator(animator.at_nets, animator.shape, animator.vg_nets, animator.detector)
        with pytest.raises(BadSettingError, match="idle.safetensors"):
            bare.stream(face, sample_voice(0.5), natural=True)
        assert sum(len(chunk) for chunk in bare.stream(face, sample_voice(0.5))) == 12

    def test_a_folder_without_it_is_loaded_without_it(self, animator, lively, tmp_path):
        shipped = checkpoint.locate(None)
        for file in shipped.glob("*_net*"):
            (tmp_path / file.name).symlink_to(file)
        assert Animator.from_pretrained(tmp_path).idle is None
        checkpoint.save_idle(tmp_path, lively.idle, {})
        assert len(Animator.from_pretrained(tmp_path).idle.poses) == 100


class TestDrawing:
    """VG-net alone, with the head's movement given as control points; the small network shows the photo warped."""

    def test_a_head_that_moves_carries_the_photo_along(self, lively, face):
        """All control points 5 to the right, the edge too: the picture goes 5 to the right."""
        example = face.crop_landmarks
        here = np.repeat(carry(example, example[None]).sources, 3, axis=0)
        moved = Carried(here, here + np.array([5, 0], np.float32))
        frames = lively.draw(face.crop, example[:, :2], moved.targets[:, :68], moved=moved)
        expected = np.roll(face.crop, 5, axis=1)
        assert np.abs(frames[2, 16:-16, 16:-16].astype(int) - expected[16:-16, 16:-16]).mean() < 1
        assert np.abs(face.crop[16:-16, 16:-16].astype(int) - expected[16:-16, 16:-16]).mean() > 5

    def test_a_movement_by_nothing_is_none(self, lively, face):
        example = face.crop_landmarks
        landmarks = np.repeat(example[None, :, :2], 3, axis=0)
        landmarks[1, MOUTH, 1] += 3
        still = carry(example, np.repeat(example[None], 3, axis=0))
        plain = lively.draw(face.crop, example[:, :2], landmarks)
        moved = lively.draw(face.crop, example[:, :2], landmarks, moved=still)
        assert np.abs(plain.astype(int) - moved).max() <= 1
        assert np.abs(plain[1].astype(int) - plain[0]).max() > 5

    def test_every_frame_of_a_long_clip_has_its_own_movement(self, lively, face):
        """More frames than are drawn at once: the last is drawn as it is by itself."""
        example, centre = face.crop_landmarks, face.crop_landmarks[[0, 16]].mean(axis=0)
        heads = np.stack([turn_points(example, centre, Pose(yaw=0.5 * t)) for t in range(23)]).astype(np.float32)
        moved = carry(example, heads)
        frames = lively.draw(face.crop, example[:, :2], heads[..., :2], moved=moved)
        assert frames.shape == (23, 128, 128, 3)
        for t in (9, 10, 22):
            alone = Carried(moved.sources[t : t + 1], moved.targets[t : t + 1])
            (frame,) = lively.draw(face.crop, example[:, :2], heads[t : t + 1, :, :2], moved=alone)
            # The small network's attention remembers a little of the frames before.
            assert np.abs(frame.astype(int) - frames[t]).mean() < 0.5
        assert np.abs(frames[22].astype(int) - frames[0]).mean() > 2


@pytest.mark.parametrize(
    "settings",
    [
        {"beta": float("nan")}, {"beta": -0.1}, {"beta": 3}, {"beta": "0.5"}, {"mouth_gain": 9},
        {"mouth_gain": float("inf")}, {"smoothing": -1}, {"pose": (1, 2, 3)}, {"seed": -1}, {"seed": 1.5},
        {"liveliness": 3},
        {"colour": "blue"}, {"chunk": 0}, {"chunk": 2.5}, {"natural": 1}, {"natural": "yes"}, {"natural": None},
        {"teeth": 1.1}, {"teeth": -0.1}, {"teeth": float("nan")}, {"teeth": True}, {"teeth": None},
    ],
)  # fmt: skip
def test_bad_settings_are_refused_before_any_work(animator, face, voice_path, settings):
    with pytest.raises(BadSettingError) as caught:
        animator.stream(face, voice_path, **settings)
    assert "\n" not in str(caught.value)


def test_bad_audio_is_refused_before_the_first_frame(animator, face):
    with pytest.raises(BadAudioError):
        animator.stream(face, np.zeros(100, np.float32))


def test_two_faces_are_an_error_that_carries_their_boxes(animator, astronaut):
    with pytest.raises(SeveralFacesError) as caught:
        animator.read_face(np.concatenate([astronaut, astronaut[:, ::-1]], axis=1))
    assert len(caught.value.boxes) == 2


def test_weights_that_are_not_there_are_a_clear_error(tmp_path):
    with pytest.raises(CheckpointError):
        Animator.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError):
        Animator.from_pretrained(tmp_path / "nowhere")
