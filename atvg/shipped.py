"""What ATVG ships beside its code: ``checkpoints``, and ``assets`` with the page's texts, its styles and the teeth."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """A shipped folder: within the package where a wheel has installed it, at the root of a clone otherwise."""
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
