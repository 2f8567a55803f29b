"""For which systems there is a wheel of everything in requirements.txt: ``python .ci/platforms.py > table.md``.

Asks pip, which reads the registry's metadata and downloads no wheel. A few minutes.
"""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.10", "3.11", "3.12")
GLIBC, MAC = ("2014", "_2_17", "_2_24", "_2_26", "_2_27", "_2_28"), range(11, 15)
PLATFORMS = {
    "Linux x86-64": [f"manylinux{glibc}_x86_64" for glibc in GLIBC],
    "Linux ARM": [f"manylinux{glibc}_aarch64" for glibc in GLIBC],
    "macOS Apple silicon": [f"macosx_{major}_0_arm64" for major in MAC],
    "macOS Intel": ["macosx_10_9_x86_64", *(f"macosx_{major}_0_x86_64" for major in MAC)],
    "Windows x86-64": ["win_amd64"],
    "Windows ARM": ["win_arm64"],
}
# Compiled packages that those bring along.
ALONG = [
    "jaxlib", "llvmlite", "opencv-contrib-python<4.12", "pandas", "pydantic-core", "scikit-image", "sentencepiece",
]  # fmt: skip


def requirements() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.partition("#")[0].strip() for line in lines if line.partition("#")[0].strip()]


def has_wheel(wish: str, python: str, tags: list[str]) -> bool:
    """Whether pip finds one, of the package itself."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps",
            "--only-binary=:all:", "--target", folder, "--python-version", python,
        ]  # fmt: skip
        command += [part for tag in tags for part in ("--platform", tag)]
        done = subprocess.run([*command, wish], capture_output=True, text=True)
    none = ("No matching distribution", "ResolutionImpossible")  # the latter where pip has a file of constraints
    if done.returncode and not any(words in done.stderr for words in none):
        raise SystemExit(done.stderr)
    return done.returncode == 0


def main() -> None:
    print("| package | " + " | ".join(PLATFORMS) + " |")
    print("|---|" + ":-:|" * len(PLATFORMS))
    with ThreadPoolExecutor(4) as pool:
        for wish in [*requirements(), *ALONG]:
            asked = [pool.submit(has_wheel, wish, python, tags) for tags in PLATFORMS.values() for python in PYTHONS]
            found = [asked[i : i + len(PYTHONS)] for i in range(0, len(asked), len(PYTHONS))]
            cells = [_cell([job.result() for job in jobs]) for jobs in found]
            print(f"| `{wish}` | " + " | ".join(cells) + " |", flush=True)


def _cell(found: list[bool]) -> str:
    if all(found):
        return "yes"
    return ", ".join(python for python, there in zip(PYTHONS, found, strict=True) if there) or "–"


if __name__ == "__main__":
    main()
