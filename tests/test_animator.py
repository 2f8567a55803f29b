"""Photo + audio → frames, with the shipped weights."""

import numpy as np
import pytest

from atvg import Animator, Pose
from atvg.animator import Chunk, Result
from atvg.bench import sample_voice
from atvg.errors import BadAudioError, BadSettingError, CheckpointError, SeveralFacesError
from atvg.face.landmarks import INNER_LOWER, INNER_UPPER, mouth_opening
from atvg.face.paste import Paster


@pytest.fixture(scope="module")
def animator() -> Animator:
    return Animator.from_pretrained()


@pytest.fixture(scope="module")
def face(animator, astronaut):
    return animator.read_face(astronaut)


@pytest.fixture(scope="module")
def spoken(animator, face, voice_path) -> Result:
    return animator(face, voice_path)


def joined(chunks: list[Chunk], name: str) -> np.ndarray:
    return np.concatenate([getattr(chunk, name) for chunk in chunks])


def test_a_chunked_render_equals_one_pass(animator, face, spoken, voice_path):
    chunks = list(animator.stream(face, voice_path, chunk=3))
    assert [len(chunk) for chunk in chunks[:-1]] == [3] * (len(chunks) - 1)
    assert [chunk.start for chunk in chunks] == list(range(0, len(spoken), 3))
    assert np.abs(joined(chunks, "frames").astype(int) - spoken.frames).max() <= 1
    assert np.allclose(joined(chunks, "attention"), spoken.attention, atol=1 / 255)
    assert np.allclose(joined(chunks, "landmarks"), spoken.landmarks, atol=1e-3)


def test_every_frame_is_attention_times_motion_plus_the_rest_of_the_photo(spoken):
    alpha = spoken.attention[..., None]
    composed = alpha * spoken.motion + (1 - alpha) * spoken.face.crop
    assert np.abs(composed - spoken.frames).max() <= 1.01  # two roundings to whole grey levels


def test_attention_is_a_share_and_shapes_are_as_promised(spoken, animator):
    frames = len(spoken)
    assert spoken.frames.shape == spoken.motion.shape == (frames, 128, 128, 3)
    assert spoken.attention.shape == (frames, 128, 128)
    assert spoken.attention.min() >= 0 and spoken.attention.max() <= 1
    assert spoken.landmarks.shape == (frames, 68, 2) and spoken.landmarks.dtype == np.float32
    assert spoken.codes.shape == (frames, animator.at_net.config.motion_codes)


def test_a_clip_has_25_frames_for_every_second(animator, face):
    assert sum(len(chunk) for chunk in animator.stream(face, sample_voice(1.3))) == round(25 * 1.3)


def test_the_mouth_moves_with_speech_and_rests_in_silence(animator, face, spoken):
    silence = np.zeros(32_000, np.float32)
    still = joined(list(animator.stream(face, silence)), "landmarks")
    assert mouth_opening(still).std() < 0.05
    assert mouth_opening(spoken.landmarks).std() > 0.5


def test_the_mouth_closes_when_the_voice_stops(animator, face, voice_path):
    from atvg.audio import load_audio

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

    from atvg.audio import load_audio as load

    assert speed(3.0) < 0.7 * speed(0.0)


def test_two_people_get_different_codes_for_the_same_words(animator, face, hopper, voice_path):
    from atvg.audio import load_audio

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
    pictures = list(Paster(spoken.face).paste(spoken.attention, spoken.motion))
    photo = spoken.face.photo
    changed = np.any([(picture != photo).any(axis=-1) for picture in pictures], axis=0)
    low, high = spoken.face.landmarks[:, :2].min(axis=0), spoken.face.landmarks[:, :2].max(axis=0)
    margin = 0.25 * (high - low)
    rows, columns = np.nonzero(changed)
    assert changed.any()
    assert columns.min() > low[0] - margin[0] and columns.max() < high[0] + margin[0]
    assert rows.min() > low[1] - margin[1] and rows.max() < high[1] + margin[1]


def test_no_attention_pastes_nothing(face):
    nothing = np.zeros((1, 128, 128), np.float32)
    noise = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3), dtype=np.uint8)
    (picture,) = Paster(face).paste(nothing, noise)
    assert np.array_equal(picture, face.photo)


def test_full_attention_pastes_the_motion_map_and_no_old_mouth(face):
    everything = np.ones((1, 128, 128), np.float32)
    green = np.zeros((1, 128, 128, 3), np.uint8)
    green[..., 1] = 255
    (picture,) = Paster(face).paste(everything, green)
    x, y = face.landmarks[62, :2].round().astype(int)
    assert picture[y, x].tolist() == [0, 255, 0]


def test_beta_between_two_trained_ones_lies_between_them(animator):
    from atvg.nets.vg_net import VGNet

    base = animator.vg_nets[min(animator.vg_nets)]
    low, high = VGNet(base.config).eval(), VGNet(base.config).eval()
    family = Animator(animator.at_net, animator.shape, {0.0: low, 2.0: high}, animator.detector)
    middle = family._blend(0.5).state_dict()["motion_head.0.weight"]
    expected = 0.75 * low.state_dict()["motion_head.0.weight"] + 0.25 * high.state_dict()["motion_head.0.weight"]
    assert np.allclose(middle, expected, atol=1e-6)
    assert family._blend(2.0) is high


@pytest.mark.parametrize(
    "settings",
    [
        {"beta": float("nan")}, {"beta": -0.1}, {"beta": 3}, {"beta": "0.5"}, {"mouth_gain": 9},
        {"mouth_gain": float("inf")}, {"smoothing": -1}, {"pose": (1, 2, 3)}, {"seed": -1}, {"seed": 1.5},
        {"colour": "blue"}, {"chunk": 0}, {"chunk": 2.5},
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
