"""ATVG: one face photo + speech → a video of that face saying it, with every inner step visible.

A modern re-implementation of *Hierarchical Cross-Modal Talking Face Generation with Dynamic Pixel-Wise Loss*
(Chen, Maddox, Duan, Xu; CVPR 2019).
"""

from typing import TYPE_CHECKING, Any

from atvg.motion.pose import Pose

if TYPE_CHECKING:
    from atvg.animator import Animator, Result

__version__ = "0.1.0"
__all__ = ["Animator", "Pose", "Result", "__version__"]


def __getattr__(name: str) -> Any:
    # Lazily: inference needs torch and audio libraries that, say, `atvg --help` can do without.
    if name in ("Animator", "Result"):
        from atvg import animator

        return getattr(animator, name)
    raise AttributeError(f"module 'atvg' has no attribute {name!r}")
