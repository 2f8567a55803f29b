"""Portraits and voices that anybody may use: from wheels that are installed anyway, and from the assets."""

import importlib.util
from pathlib import Path

from atvg.studio.settings import ASSETS, PAGE


def _wheel(package: str, *parts: str) -> Path:
    found = importlib.util.find_spec(package)
    assert found is not None and found.origin is not None, f"{package} is in requirements.txt"
    return Path(found.origin).parent.joinpath(*parts)


_PLACES = [  # where an example may lie
    ASSETS / "examples", _wheel("skimage", "data"), _wheel("matplotlib", "mpl-data", "sample_data"),
    _wheel("gradio", "media_assets", "audio"),
]  # fmt: skip


def _example(name: str) -> Path:
    return next(place / name for place in _PLACES if (place / name).is_file())


PORTRAITS = [_example(name) for name in PAGE["portraits"]]
VOICES_AT_HAND = [_example(name) for name in PAGE["voices"]]
PAIRS = [[str(_example(name)), str(_example(about["voice"]))] for name, about in PAGE["portraits"].items()]
FREE = [*PORTRAITS, *VOICES_AT_HAND]  # to use without anybody's consent
STRANGER = {"path": str(_example("grace_hopper.jpg"))}  # whose landmarks are used where nobody else's are given
