"""Portraits (public domain) and voices in wheels that are installed anyway, served from where they lie."""

import importlib.util
from pathlib import Path

from atvg.studio.settings import PAGE


def _wheel(package: str, *parts: str) -> Path:
    found = importlib.util.find_spec(package)
    assert found is not None and found.origin is not None, f"{package} is in requirements.txt"
    return Path(found.origin).parent.joinpath(*parts)


PORTRAITS = [
    _wheel("skimage", "data", "astronaut.png"), _wheel("matplotlib", "mpl-data", "sample_data", "grace_hopper.jpg")
]  # fmt: skip
VOICES_AT_HAND = [_wheel("gradio", "media_assets", "audio", name) for name in PAGE["voices"]]
FREE = [*PORTRAITS, *VOICES_AT_HAND]  # to use without anybody's consent
STRANGER = {"path": str(PORTRAITS[-1])}  # whose landmarks are used where nobody else's are given
