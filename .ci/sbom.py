"""What is installed and shipped, as CycloneDX 1.6: ``python .ci/sbom.py sbom.json``.

Packages are those of this interpreter's environment, with their licences and the package URLs that databases of
vulnerabilities know them by; weights have their SHA-256, and binaries within wheels, which no database finds by the
wheel, their own version. No network is needed.
"""

import ctypes
import json
import platform
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from atvg.config import VERSION  # noqa: E402  (of this clone, whatever else is installed)
from atvg.shipped import shipped  # noqa: E402
from atvg.sums import sum_of  # noqa: E402

# The card says what they learnt from, and on what terms; the ear is OpenAI's, whose code and weights are MIT.
LICENCES = {"ear.safetensors": "MIT"}
CARD = "see checkpoints/README.md"


def components() -> list[dict[str, Any]]:
    """Packages by name, then weights, then what lies within wheels."""
    packages = {_plain(found.metadata["Name"]): _package(found) for found in distributions() if found.metadata["Name"]}
    packages.pop("atvg", None)  # it is what the list is of
    return [*(packages[name] for name in sorted(packages)), *_weights(shipped("checkpoints")), *_within_wheels()]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _package(found: Distribution) -> dict[str, Any]:
    name, version = _plain(found.metadata["Name"]), found.version
    purl = f"pkg:pypi/{name}@{version.replace('+', '%2B')}"
    made = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    return made | ({"licenses": licences} if (licences := _licences(found)) else {})


def _licences(found: Distribution) -> list[dict[str, Any]]:
    """An SPDX expression where the package gives one; else the name that it gives, or those of its classifiers."""
    if expression := found.metadata["License-Expression"]:
        return [{"expression": expression}]
    named = [said for said in found.metadata.get_all("Classifier") or [] if said.startswith("License ::")]
    short = (found.metadata["License"] or "").strip()
    names = [said.split(" :: ")[-1] for said in named] or ([short] if short and len(short.splitlines()) == 1 else [])
    return [{"license": {"name": name}} for name in dict.fromkeys(names)]


def _weights(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.rglob("*.safetensors")):
        name, total = path.relative_to(folder).as_posix(), sum_of(path)
        licence = {"id": LICENCES[name]} if name in LICENCES else {"name": CARD}
        yield {
            "type": "machine-learning-model", "bom-ref": f"weights:{name}", "name": name, "version": total[:12],
            "hashes": [{"alg": "SHA-256", "content": total}], "licenses": [{"license": licence}],
        }  # fmt: skip


def _within_wheels() -> Iterator[dict[str, Any]]:
    """The programs and libraries that decode what strangers bring, where they tell their version."""
    for name, version, wheel in (
        ("ffmpeg", _ffmpeg(), "imageio-ffmpeg"),
        ("eSpeak NG", _espeak(), "espeakng-loader"),
        *((codec, version, "pi-heif") for codec, version in _heif().items()),
        *((codec, version, "pillow") for codec, version in _pillow().items()),
        *((codec, version, "opencv-contrib-python") for codec, version in _opencv().items()),
    ):  # fmt: skip
        if version:
            yield {
                "type": "library", "bom-ref": f"within:{wheel}:{name}", "name": name, "version": version,
                "description": f"comes in the wheel of {wheel}",
            }  # fmt: skip


def _ffmpeg() -> str | None:
    import imageio_ffmpeg

    said = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-version"], capture_output=True, text=True).stdout
    found = re.match(r"ffmpeg version (\S+)", said)
    return found[1] if found else None


def _espeak() -> str | None:
    import espeakng_loader

    info = ctypes.CDLL(espeakng_loader.get_library_path()).espeak_Info
    info.argtypes, info.restype = [ctypes.c_void_p], ctypes.c_char_p
    return (info(None) or b"").decode().split(" ")[0] or None


def _heif() -> dict[str, str | None]:
    import pi_heif

    made = pi_heif.libheif_info()
    hevc = re.search(r"version ([0-9.]+)", made["decoders"].get("libde265", ""))
    return {"libheif": made["libheif"], "libde265": hevc[1] if hevc else None}


def _pillow() -> dict[str, str | None]:
    from PIL import features

    modules = {"webp": "libwebp", "avif": "libavif", "freetype2": "freetype", "littlecms2": "lcms2"}
    codecs = {"jpg_2000": "openjpeg", "zlib": "zlib", "libtiff": "libtiff"}
    found = {name: features.version_module(key) for key, name in modules.items() if features.check_module(key)}
    found |= {name: features.version_codec(key) for key, name in codecs.items() if features.check_codec(key)}
    return found | {"libjpeg-turbo": features.version_feature("libjpeg_turbo")}


def _opencv() -> dict[str, str]:
    """Of the parts that could decode a file; `atvg prepare` alone lets them."""
    import cv2

    named = r"^ +(avcodec|avformat|JPEG|PNG|TIFF|JPEG 2000): .*?([0-9.]+)(?:-[0-9]+)?\)$"
    return {f"{name} of OpenCV": version for name, version in re.findall(named, cv2.getBuildInformation(), re.M)}


def bom() -> dict[str, Any]:
    """The document, as JSON can hold it."""
    found = components()
    own = f"pkg:generic/atvg@{VERSION}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "component": {
                "type": "application", "bom-ref": own, "name": "atvg", "version": VERSION,
                "licenses": [{"license": {"id": "MIT"}}],
            },
            "properties": [
                {"name": "atvg:python", "value": platform.python_version()},
                {"name": "atvg:platform", "value": f"{platform.system()} {platform.machine()}"},
            ],
        },
        "components": found,
        "dependencies": [{"ref": own, "dependsOn": [one["bom-ref"] for one in found]}],
    }  # fmt: skip


def main(path: str) -> int:
    made = bom()
    Path(path).write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"sbom: {len(made['components'])} components in {path}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("which file? python .ci/sbom.py sbom.json")
    sys.exit(main(sys.argv[1]))
