"""ATVG: one face photo + speech → a video of that face saying it, with every inner step visible.

A modern re-implementation of *Hierarchical Cross-Modal Talking Face Generation with Dynamic Pixel-Wise Loss*
(Chen, Maddox, Duan, Xu; CVPR 2019).
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from atvg.config import VERSION as __version__

if TYPE_CHECKING:
    from atvg.animate.live import Live
    from atvg.animator import Animator, Result
    from atvg.dub.dub import Dub
    from atvg.motion.pose import Pose

__all__ = ["Animator", "Dub", "Live", "Pose", "Result", "__version__"]

# imageio-ffmpeg would run Python between fork and exec, to keep Ctrl-C from ffmpeg. In a process of many threads that
# has waited for ever, for a lock that another thread held.
os.environ.setdefault("IMAGEIO_FFMPEG_NO_PREVENT_SIGINT", "1")

# Lazily: inference needs torch and audio libraries that, say, `atvg --help` or a decoder in a box can do without.
_LAZY = {
    "Animator": "atvg.animator", "Result": "atvg.animator", "Live": "atvg.animate.live", "Dub": "atvg.dub.dub",
    "Pose": "atvg.motion.pose",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'atvg' has no attribute {name!r}")
