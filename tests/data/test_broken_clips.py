"""Clips in every state of disrepair: each is reported with its reason, and the others make it into the pack."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from scipy.io import wavfile

from atvg.cli import main
from atvg.data import prepare as prepare_module
from atvg.data import shards
from atvg.data.pack import read_pack
from atvg.data.prepare import prepare
from atvg.data.video import Unusable, read_frames
from atvg.errors import OutputError, PackError
from tests import synthetic
from tests.data import faulty


def ffmpeg(*arguments: object) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def whole(tiny_clips) -> Path:
    return tiny_clips / "hopper/a.mp4"


@pytest.fixture(scope="module")
def broken(whole, tmp_path_factory) -> Path:
    """One good clip among many that are not."""
    folder = tmp_path_factory.mktemp("broken") / "clips"
    folder.mkdir()
    shutil.copy(whole, folder / "good.mp4")
    data = whole.read_bytes()
    (folder / "truncated.mp4").write_bytes(data[: len(data) // 2])
    (folder / "text.mp4").write_text("this is not a video\n" * 99)
    (folder / "zero.mp4").write_bytes(b"")
    (folder / "nulls.mp4").write_bytes(b"\0" * 50_000)
    (folder / "random.mp4").write_bytes(np.random.default_rng(0).bytes(50_000))
    (folder / "folder.mp4").mkdir()
    os.mkfifo(folder / "pipe.mp4")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    (folder / "nowhere.mp4").symlink_to("no-such-file.mp4")
    ffmpeg("-i", whole, "-vn", "-c:a", "copy", folder / "sound_only.mp4")
    ffmpeg("-i", whole, "-an", "-c:v", "copy", folder / "mute.mp4")
    ffmpeg("-i", whole, "-frames:v", 3, "-c:v", "copy", "-an", folder / "short.mp4")
    ffmpeg("-r", 500, "-i", whole, "-c:v", "libx264", "-an", folder / "fast.mp4")
    ffmpeg("-r", 1, "-i", whole, "-c:v", "libx264", "-an", folder / "slow.mp4")
    wavfile.write(folder / "nan.wav", 16_000, np.full(16_000, np.nan, np.float32))
    ffmpeg("-i", whole, "-i", folder / "nan.wav", "-map", "0:v", "-map", "1:a", "-c", "copy", folder / "nan.mkv")
    # The index comes first and tells of 100 frames; of the pictures it points to, the file has a part.
    long = synthetic.write_video(folder / "long.mov", np.repeat(read_frames(str(whole)), 4, axis=0))
    ffmpeg("-i", long, "-i", whole, "-map", "0:v", "-map", "1:a", "-c", "copy", "-movflags", "faststart",
           folder / "breaks_off.mp4")  # fmt: skip
    cut = (folder / "breaks_off.mp4").read_bytes()
    (folder / "breaks_off.mp4").write_bytes(cut[: int(0.75 * len(cut))])
    (folder / "nan.wav").unlink()
    long.unlink()
    return folder


REASONS = {
    "truncated": "not readable as a video", "text": "not readable as a video", "zero": "it is empty",
    "nulls": "not readable as a video", "random": "not readable as a video", "folder": "it is not a file",
    "pipe": "it is not a file", "loop": "it is not a file", "nowhere": "it is not a file",
    "sound_only": "not readable as a video", "mute": "no audio", "short": "shorter than 15 frames",
    "fast": "500 frames a second", "slow": "1 frames a second", "nan": "NaN", "breaks_off": "breaks off after",
}  # fmt: skip


class TestFiles:
    @pytest.fixture(scope="class")
    def pack(self, broken, tmp_path_factory) -> Path:
        folder = tmp_path_factory.mktemp("pack") / "pack"
        assert main(["prepare", str(broken), "-o", str(folder), "--workers", "2"]) == 0
        return folder

    @pytest.fixture(scope="class")
    def report(self, pack) -> dict:
        return json.loads((pack / "report.json").read_text())

    def test_the_good_one_is_in_the_pack(self, pack, report, whole):
        index = json.loads((pack / "pack.json").read_text())
        (clip,) = read_pack(pack, index["shards"][0]["split"])
        assert (clip.key, len(clip), report["kept"]) == ("good", 25, 1)

    def test_every_other_is_reported(self, report):
        assert set(report["dropped"]) == set(REASONS) and report["clips"] == len(REASONS) + 1
        assert not any("\n" in reason for reason in report["dropped"].values())

    @pytest.mark.parametrize("key", REASONS)
    def test_with_its_reason(self, report, key):
        assert REASONS[key] in report["dropped"][key]

    def test_if_none_is_left_that_is_an_error(self, broken, tmp_path, capsys):
        clips = tmp_path / "clips"
        clips.mkdir()
        for name in ("text.mp4", "zero.mp4"):
            shutil.copy(broken / name, clips)
        assert main(["prepare", str(clips), "-o", str(tmp_path / "pack"), "--workers", "1"]) == 2
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
        assert len(said) == 1 and "none of the 2 clips can be used" in said[0]
        assert not (tmp_path / "pack").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(whole, tmp_path):
    path = shutil.copy(whole, tmp_path / "a.mp4")
    os.chmod(path, 0)
    with pytest.raises(Unusable, match="Permission denied"):
        read_frames(str(path))


class TestReadFrames:
    def test_a_clip_cut_without_encoding_it_anew_is_whole(self, tmp_path):
        """Its index counts frames before the cut, which are not shown."""
        frames = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3), np.uint8).repeat(100, axis=0)
        path = synthetic.write_video(tmp_path / "a.mp4", frames, synthetic.tone(4.0, np.ones(100)))
        ffmpeg("-ss", 2, "-i", path, "-c", "copy", tmp_path / "cut.mp4")
        assert abs(len(read_frames(str(tmp_path / "cut.mp4"))) - 50) <= 2


@pytest.mark.long
def test_what_breaks_or_blocks_a_process_costs_one_clip(whole, tmp_path, monkeypatch):
    clips = tmp_path / "clips"
    (clips / "a").mkdir(parents=True)
    for name in ("first", "kill", "crash", "hang", "unforeseen", "last"):
        shutil.copy(whole, clips / f"a/{name}.mp4")
    monkeypatch.setattr(prepare_module, "_make_part", faulty.make_part)
    monkeypatch.setattr(prepare_module, "_time_limit", lambda clip: 1.0 if clip.key.endswith("hang") else 300.0)
    report = prepare(clips, tmp_path / "pack", workers=2, progress=False)
    assert report["kept"] == 2
    assert report["dropped"] == {
        "a__kill": "the process that worked on it died (signal 9)",
        "a__crash": "the process that worked on it died (signal 11)",
        "a__hang": "it took longer than 1 s",
        "a__unforeseen": "ZeroDivisionError: several lines",
    }
    index = json.loads((tmp_path / "pack/pack.json").read_text())
    clips = read_pack(tmp_path / "pack", index["shards"][0]["split"])
    assert [clip.key for clip in clips] == ["a__first", "a__last"]


def shards_of(pack: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in pack.iterdir() if path.name.endswith((".tar", "pack.json"))}


class TestKilled:
    @pytest.mark.long
    def test_it_goes_on_and_gives_the_same_pack(self, tiny_clips, tiny_pack, tmp_path):
        """Killed as soon as the first clip is done; its part is kept, and the pack is that of an unkilled run."""
        pack = tmp_path / "pack"
        command = [sys.executable, "-m", "atvg", "prepare", str(tiny_clips), "-o", str(pack), "--workers", "1"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 300
        while not list(pack.glob(".parts/*.tar")) and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = {path: path.stat().st_mtime_ns for path in pack.glob(".parts/*.tar")}
        assert done and not (pack / "pack.json").exists()
        prepare(tiny_clips, pack, workers=1, progress=False)
        assert shards_of(pack) == shards_of(tiny_pack)
        assert {path: path.stat().st_mtime_ns for path in done} == done
        assert not list(pack.rglob("*.half"))

    @pytest.mark.parametrize("keep", [0.0, 0.5, 0.8])
    def test_a_part_that_lost_bytes_is_made_again(self, tiny_clips, tiny_pack, tmp_path, keep, monkeypatch):
        pack = shutil.copytree(tiny_pack, tmp_path / "pack")
        part = pack / ".parts/astronaut__b.tar"
        data = part.read_bytes()
        part.write_bytes(data[: int(keep * len(data))])
        asked = []

        def work(clips, *args):
            asked.extend(clip.key for clip in clips)
            part.write_bytes(data)
            return {}

        monkeypatch.setattr(prepare_module, "_work", work)
        prepare(tiny_clips, pack, workers=1, progress=False)
        assert "astronaut__b" in asked and "astronaut__a" not in asked
        assert shards_of(pack) == shards_of(tiny_pack)

    def test_while_shards_are_written_there_is_no_pack(self, tiny_clips, tiny_pack, tmp_path, monkeypatch, refuses):
        """Old and new shards together would be taken for one."""
        pack = shutil.copytree(tiny_pack, tmp_path / "pack")
        monkeypatch.setattr(prepare_module, "_work", lambda *args: {})

        def killed(*args):
            raise KeyboardInterrupt

        monkeypatch.setattr(shards, "file_sha256", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare(tiny_clips, pack, workers=1, progress=False)
        with refuses(PackError, "no pack.json"):
            list(read_pack(pack, "train"))

    def test_a_full_disk_is_one_line(self, tiny_clips, tiny_pack, tmp_path, monkeypatch, refuses):
        pack = shutil.copytree(tiny_pack, tmp_path / "pack")
        monkeypatch.setattr(prepare_module, "_work", lambda *args: {})

        def full(path, content):
            raise OSError(28, "No space left on device", str(path))

        monkeypatch.setattr(shards, "write_json", full)
        with refuses(OutputError, "pack.json (No space left"):
            prepare(tiny_clips, pack, workers=1, progress=False)


def test_a_table_that_is_none_is_one_line(broken, tmp_path, refuses):
    (tmp_path / "clips").mkdir()
    shutil.copy(broken / "zero.mp4", tmp_path / "clips/a.mp4")
    (tmp_path / "clips/clips.csv").write_bytes(b"clip,source\n\xff\xfe\x00")
    with refuses(PackError, "clips.csv cannot be read"):
        prepare(tmp_path / "clips", tmp_path / "pack", workers=1, progress=False)
