"""Chunks → files, step by step."""

import imageio_ffmpeg
import numpy as np
import pytest

from atvg.bench.samples import sample_voice
from atvg.errors import BadSettingError, OutputError
from atvg.film.render import render, rendering
from atvg.film.video import VideoWriter


@pytest.mark.parametrize(
    ("frame", "shape"), [("full", (512, 512, 3)), ("face", (156, 156, 3)), ("crop", (128, 128, 3))]
)
def test_every_step_shows_the_newest_picture(animator, face, tmp_path, frame, shape):
    wave, video, arrays = sample_voice(0.88), tmp_path / "out.mp4", tmp_path / "out.npz"
    steps = list(rendering(face, animator.stream(face, wave), wave, video, frame, arrays=arrays))
    assert [done for done, _ in steps] == [10, 20, 22]
    assert all(picture.shape == shape and picture.dtype == np.uint8 for _, picture in steps)
    assert imageio_ffmpeg.count_frames_and_secs(str(video))[0] == 22
    with np.load(arrays) as saved:
        assert len(saved["frames"]) == 22
        promised = {"frames", "attention", "motion", "landmarks", "example_landmarks", "codes", "matrix", "fps"}
        assert set(saved) == promised, "a still head's photo follows from the matrix"


def test_who_stops_watching_leaves_no_file(animator, face, tmp_path):
    wave = sample_voice(1.0)
    files = {name: tmp_path / f"{name}.mp4" for name in ("video", "panels")}
    steps = rendering(
        face, animator.stream(face, wave), wave, files["video"], "full", files["panels"], tmp_path / "a.npz"
    )
    next(steps)
    steps.close()
    assert not list(tmp_path.iterdir())


def test_the_turned_photos_are_among_the_arrays_of_a_moving_head(animator, face, tmp_path):
    wave, arrays = sample_voice(0.4), tmp_path / "a.npz"
    assert render(face, animator.stream(face, wave, natural=True), wave, tmp_path / "out.mp4", arrays=arrays) == 10
    with np.load(arrays) as saved:
        alpha = saved["attention"][..., None]
        assert np.abs(alpha * saved["motion"] + (1 - alpha) * saved["photos"] - saved["frames"]).max() <= 1.01


def test_an_unknown_frame_is_refused(animator, face, tmp_path):
    with pytest.raises(BadSettingError, match="full, face, crop"):
        render(face, animator.stream(face, sample_voice(0.4)), sample_voice(0.4), tmp_path / "out.mp4", frame="half")


@pytest.mark.parametrize("broken", ["video.mp4", "panels.mp4"])
def test_if_one_file_fails_at_its_end_none_stays(animator, face, tmp_path, monkeypatch, broken):
    finish = VideoWriter._finish

    def fail(writer: VideoWriter) -> None:
        if writer.path.name == broken:
            raise OutputError("the disk is full")
        finish(writer)

    monkeypatch.setattr(VideoWriter, "_finish", fail)
    wave, files = sample_voice(0.4), [tmp_path / name for name in ("video.mp4", "panels.mp4", "arrays.npz")]
    with pytest.raises(OutputError):
        render(face, animator.stream(face, wave), wave, files[0], "crop", files[1], files[2])
    assert list(tmp_path.iterdir()) == []
