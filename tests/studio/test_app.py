"""The door: ``python app.py``, on this machine and on a Space; and the calls that README prints."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from atvg.animator import Animator
from atvg.voice.audio import load_audio
from tests.server import ROOT, write_wav


def test_importing_the_app_does_not_launch_it(animator, monkeypatch):
    monkeypatch.setattr(Animator, "from_pretrained", lambda *_, **__: animator)  # it would load weights of its own
    import app

    assert not app.demo.is_running


@pytest.mark.long
def test_weights_that_are_none_are_explained_in_one_line(tmp_path):
    environment = os.environ | {"ATVG_WEIGHTS": str(tmp_path / "none")}
    command = [sys.executable, "app.py"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and re.fullmatch(r"error: [^\n]*none[^\n]*\n", done.stderr)


def test_the_calls_in_the_readme_run_as_printed(page, cache, astronaut, voice_path, tmp_path, monkeypatch):
    """And its client, unlike those of the other tests, downloads what was made."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    code = next(block for block in blocks if "gradio_client" in block).replace("http://127.0.0.1:7860", page.local_url)
    live = next(block for block in blocks if "/live_start" in block)
    Image.fromarray(astronaut).save(tmp_path / "photo.jpg")
    write_wav(tmp_path / "speech.wav", load_audio(voice_path)[:16_000])
    monkeypatch.chdir(tmp_path)
    made: dict[str, Any] = {}
    exec(code, made)
    second = (load_audio(voice_path)[:16_000] * 32767).astype(np.int16)
    spoken = made | {"microphone": [(16_000, piece) for piece in np.split(second, 5)]}
    exec(live, spoken)
    made["client"].close()
    assert spoken["made"]["start"] + len(spoken["made"]["frames"]) == 25, "the last frames are kept"
    video = made["video"] if isinstance(made["video"], str) else made["video"]["video"]
    assert cache not in Path(video).parents, "it is not downloaded"
    assert imageio_ffmpeg.count_frames_and_secs(video)[0] == 25 and np.abs(load_audio(video)).max() > 0.05


@pytest.mark.long
def test_on_zero_gpu_only_what_can_be_sent_to_another_process_crosses(photo, voice, tmp_path):
    """`spaces.GPU` runs the work elsewhere: here its stand-in pickles whatever goes in and comes out."""
    (tmp_path / "spaces.py").write_text(
        "import pickle, sys\n"
        "assert 'torch' not in sys.modules\n"
        "crossed = []\n"
        "def GPU(work):\n"
        "    def elsewhere(*arguments):\n"
        "        crossed.append(len(arguments))\n"
        "        for result in work(*pickle.loads(pickle.dumps(arguments))):\n"
        "            yield pickle.loads(pickle.dumps(result))\n"
        "    return elsewhere\n"
    )
    code = (
        "import app, os, spaces\n"
        "from atvg.studio.examples import FREE\n"
        "from atvg.studio.studio import Studio\n"
        "from atvg.studio.talk import Talk\n"
        "from atvg import Animator\n"
        "photo, voice = ({'path': str(p), 'meta': {'_type': 'gradio.FileData'}} for p in (FREE[0], FREE[-1]))\n"
        "*_, last = Talk(Studio(Animator.from_pretrained())).animate(photo, voice)\n"
        "assert spaces.crossed == [7] and os.path.isfile(last[0])\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}", "GRADIO_TEMP_DIR": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=ROOT, timeout=300)
