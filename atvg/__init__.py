"""ATVG: one face photo + speech → a video of that face saying it, with every inner step visible.

A modern re-implementation of *Hierarchical Cross-Modal Talking Face Generation with Dynamic Pixel-Wise Loss*
(Chen, Maddox, Duan, Xu; CVPR 2019).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from atvg.config import VERSION as __version__

if TYPE_CHECKING:
    from atvg.animate.live import Live
    from atvg.animator import Animator, Result
    from atvg.dub.dub import Dub
    from atvg.motion.pose import Pose

__all__ = ["Animator", "Dub", "Live", "Pose", "Result", "__version__"]

# Lazily: inference needs torch and audio libraries that, say, `atvg --help` or a decoder in a box can do without.
_LAZY = {
    "Animator": "atvg.animator", "Result": "atvg.animator", "Live": "atvg.animate.live", "Dub": "atvg.dub.dub",
    "Pose": "atvg.motion.pose",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'atvg' has no attribute {name!r}")
