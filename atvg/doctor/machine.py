"""What the machine and its Python are: read, without work."""

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from atvg.config import VERSION
from atvg.doctor.finding import Finding

_PYTHONS = ((3, 10), (3, 12))
_FLAGS = ("avx2", "avx512_f", "avx512_vnni", "avx_vnni", "amx_int8", "amx_bf16")  # that engines choose by
_PACKAGES = (
    "torch", "openvino", "mediapipe", "opencv-contrib-python", "opencv-contrib-python-headless",
    "opencv-python-headless", "numpy", "gradio", "soxr", "moviepy", "imageio-ffmpeg", "espeakng-loader",
    "face-alignment",
)  # fmt: skip
_NEEDED_MB, _NEEDED_DISK = 1600, 1 << 30  # memory, see docs/speed.md; a minute of what the app keeps, and uploads
_PORTS = range(7860, 7960)  # where Gradio looks


def atvg() -> Finding:
    """Version, commit and place."""
    place = Path(__file__).resolve().parents[1]
    return Finding("ATVG", f"{VERSION}, commit {_commit(place.parent) or 'unknown'}, in {place}")


def _commit(root: Path) -> str:
    """Of a clone by git, of a package that pip has made from a repository by its notes."""
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=5).stdout.strip()
        except (OSError, subprocess.TimeoutExpired):
            return ""
    try:
        notes = json.loads(distribution("atvg").read_text("direct_url.json") or "{}")
    except PackageNotFoundError:
        return ""
    return notes.get("vcs_info", {}).get("commit_id", "")[:12]


def python() -> Finding:
    said = f"{platform.python_version()} ({platform.python_implementation()})"
    if _PYTHONS[0] <= sys.version_info[:2] <= _PYTHONS[1]:
        return Finding("Python", said)
    return Finding("Python", said, "fail", "install Python 3.10, 3.11 or 3.12: MediaPipe has no wheels for others")


def system() -> Finding:
    return Finding("system", platform.platform())


def processor() -> Finding:
    import torch

    has = torch.cpu.get_capabilities()
    flags = [flag for flag in _FLAGS if has.get(flag)]
    name = has.get("cpu_name") or platform.processor() or "unknown"
    said = f"{name}, {platform.machine()}, {os.cpu_count()} cores, {' '.join(flags) or 'no AVX2'}"
    if has.get("avx2") or platform.machine().lower() in ("arm64", "aarch64"):
        return Finding("processor", said)
    return Finding("processor", said, "warn", "it works, several times slower than real time")


def memory() -> Finding:
    import psutil

    found = psutil.virtual_memory()
    said = f"{found.available / 1e9:.1f} of {found.total / 1e9:.1f} GB free"
    if found.available >= _NEEDED_MB * 1e6:
        return Finding("memory", said)
    return Finding("memory", said, "warn", f"close programs: making a video takes {_NEEDED_MB / 1000:.1f} GB")


def packages() -> Finding:
    """Versions of the main ones, and which packages are missing or not of the version that is asked for."""
    wrong = [*_wrong()]
    found = [f"{name} {number}" for name in _PACKAGES if (number := _version(name))]
    if not wrong:
        return Finding("packages", ", ".join(found))
    missing = any(said.endswith("is missing") for said in wrong)
    said = f"{', '.join(wrong)}; {', '.join(found)}"
    return Finding("packages", said, "fail" if missing else "warn", "run: pip install . (in a clone of ATVG)")


def _wrong() -> list[str]:
    from packaging.requirements import Requirement

    try:
        asked = distribution("atvg").requires or []
    except PackageNotFoundError:
        return []  # run from a clone that is not installed: nothing says what is asked for
    wrong = []
    for wish in map(Requirement, asked):
        if wish.marker is None or wish.marker.evaluate({"extra": ""}):
            number = _version(wish.name)
            if not number:
                wrong.append(f"{wish.name} is missing")
            elif not wish.specifier.contains(number, prereleases=True):
                wrong.append(f"{wish.name} {number} is not {wish.specifier}")
    return wrong


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def opencv() -> Finding:
    import cv2

    return Finding("OpenCV", cv2.__version__)


def how_to_mend_opencv() -> str:
    """Its desktop build wants libGL, which minimal systems lack; the headless one of the same version does not."""
    number = _version("opencv-contrib-python") or "4.11.0.86"
    return f"run: pip install --force-reinstall --no-deps opencv-python-headless=={number}"


def folder() -> Finding:
    """Where the app keeps uploads and results."""
    path = Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "atvg-app")
    there = next(part for part in (path, *path.parents) if part.is_dir())
    todo = "make room, or set GRADIO_TEMP_DIR to a folder that can be written"
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"x")
    except OSError as error:
        return Finding("folder", f"{path} cannot be written ({error.strerror})", "fail", todo)
    free = shutil.disk_usage(there).free
    said = f"{path}, {free / 1e9:.1f} GB free"
    return Finding("folder", said) if free >= _NEEDED_DISK else Finding("folder", said, "warn", todo)


def port() -> Finding:
    """Which one the app would take."""
    wish = os.environ.get("GRADIO_SERVER_PORT", "")
    for number in [int(wish)] if wish.isdigit() else _PORTS:
        with socket.socket() as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Gradio does
            try:
                door.bind(("127.0.0.1", number))
                return Finding("port", f"{number} is free")
            except (OSError, OverflowError):
                continue
    todo = "end what uses it, or give another: atvg app --port 8000"
    return Finding("port", f"{wish or f'{_PORTS[0]}–{_PORTS[-1]}'} in use", "warn", todo)
