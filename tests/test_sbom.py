"""The list of what is installed and shipped: CycloneDX, with licences, hashes and what lies within wheels."""

import hashlib
import importlib.util
import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from atvg.shipped import shipped

PATH = Path(__file__).parent.parent / ".ci" / "sbom.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict:
    spec = importlib.util.spec_from_file_location("sbom", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = tmp_path_factory.mktemp("sbom") / "sbom.json"
    assert module.main(str(path)) == 0
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def components(made) -> dict[str, dict]:
    return {one["bom-ref"]: one for one in made["components"]}


def test_it_is_cyclonedx(made, components):
    """As https://cyclonedx.org/schema/bom-1.6.schema.json requires it; the schema itself is not at hand."""
    assert (made["bomFormat"], made["specVersion"], made["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made["serialNumber"])
    assert len(components) == len(made["components"]), "a bom-ref twice"
    for one in [*made["components"], made["metadata"]["component"]]:
        assert one["type"] in ("application", "library", "machine-learning-model")
        assert one["name"] and one["version"]
        for said in one.get("licenses", []):
            assert set(said) == {"expression"} or set(said["license"]) in ({"id"}, {"name"}), one
        assert len(one.get("licenses", [])) == 1 or not any("expression" in said for said in one.get("licenses", []))


def test_everything_is_what_the_app_depends_on(made, components):
    (edge,) = made["dependencies"]
    assert edge["ref"] == made["metadata"]["component"]["bom-ref"]
    assert set(edge["dependsOn"]) == set(components)


def test_packages_have_their_url_and_licence(components):
    numpy = components[f"pkg:pypi/numpy@{version('numpy')}"]
    assert numpy["purl"] == numpy["bom-ref"] and "BSD" in json.dumps(numpy["licenses"])
    torch = f"pkg:pypi/torch@{version('torch').replace('+', '%2B')}"
    assert torch in components and not any("/atvg@" in name for name in components)


def test_weights_have_their_hash_and_licence(components):
    folder = shipped("checkpoints")
    for path in folder.rglob("*.safetensors"):
        one = components[f"weights:{path.relative_to(folder).as_posix()}"]
        assert one["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]
        assert one["licenses"]
    assert components["weights:ear.safetensors"]["licenses"] == [{"license": {"id": "MIT"}}]


@pytest.mark.parametrize(
    "name", ["imageio-ffmpeg:ffmpeg", "pi-heif:libheif", "pillow:libwebp", "espeakng-loader:eSpeak NG"]
)
def test_what_lies_within_wheels_is_named(components, name):
    assert re.search(r"\d", components[f"within:{name}"]["version"])
