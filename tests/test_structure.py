"""What may import what, how long a file may be, and what may not be used at all."""

import ast
import importlib.util
import re
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(importlib.util.find_spec("atvg").origin).parent
APP = PACKAGE.parent / "app.py"
FILES = sorted(PACKAGE.rglob("*.py"))

# Each station of the way from a photo and a voice to a film, and then what is built around it. A file may import from
# its own station and from those above it, wherever in the file the import stands.
STATIONS = [
    "errors", "scratch", "shipped", "config", "box",
    "voice", "face", "motion", "nets", "sums", "tensors", "checkpoint", "animate", "film", "dub", "animator",
    "data", "evaluation", "show", "lab", "train", "paper", "bench", "doctor", "cli", "studio",
]  # fmt: skip
LINES, CLASS_LINES = 300, 200
LONG = "Long, because"  # how the text at the top of a longer file begins to say why it is


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path) for path in FILES}


def imports_of(path: Path) -> set[str]:
    """Modules a file imports, at its top or anywhere in it; of ATVG's own the very file that holds what is imported."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {part if part in NAMES else node.module for part in parts}
    return found


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def users_of(*modules: str) -> set[str]:
    return {name_of(path) for path in FILES if any(within(module, *modules) for module in imports_of(path))}


def station_of(module: str) -> int | None:
    """Its place in `STATIONS`; None for ``atvg`` itself and for ``python -m atvg``, which are the doors."""
    parts = module.split(".")
    return STATIONS.index(parts[1]) if len(parts) > 1 and parts[1] != "__main__" else None


class TestOneWay:
    def test_every_file_has_a_station(self):
        assert len(FILES) > 100
        stations = {name.split(".")[1] for name in NAMES if "." in name} - {"__main__"}
        assert stations == set(STATIONS)

    def test_imports_run_down_the_way(self):
        upwards = [
            f"{name_of(path)} imports {module}"
            for path in FILES
            for module in imports_of(path)
            if within(module, "atvg") and station_of(name_of(path)) is not None
            if module == "atvg" or station_of(module) > station_of(name_of(path))
        ]
        assert not upwards

    def test_there_are_no_circles(self):
        assert_no_circle({name_of(path): imports_of(path) & NAMES for path in FILES})

    def test_a_circle_would_be_seen(self):
        with pytest.raises(AssertionError, match="a.*b"):
            assert_no_circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})

    def test_networks_know_no_photos_and_no_voices(self):
        for path in FILES:
            if within(name_of(path), "atvg.nets"):
                ours = {module for module in imports_of(path) if within(module, "atvg")}
                assert all(within(m, "atvg.config", "atvg.errors", "atvg.motion", "atvg.nets") for m in ours), path

    def test_the_warp_is_a_leaf(self):
        """Faces and networks share it, so it may know neither of them, nor anything else of ATVG."""
        assert {"atvg.motion.turn", "atvg.motion.layers", "atvg.nets.ground"} <= users_of("atvg.motion.warp")
        assert not any(within(module, "atvg") for module in imports_of(PACKAGE / "motion" / "warp.py"))

    @pytest.mark.parametrize(
        "station, users",
        [
            ("train", ["cli"]),
            ("evaluation", ["cli", "lab", "paper", "train"]),
            ("lab", ["paper", "studio"]),
            ("studio", []),
        ],
    )
    def test_what_animates_a_photo_needs_none_of(self, station, users):
        allowed = [f"atvg.{user}" for user in [station, *users]]
        assert all(within(user, *allowed) for user in users_of(f"atvg.{station}"))


def assert_no_circle(graph: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" → ".join(error.args[1])) from None


class TestShape:
    def test_the_root_is_read_at_a_glance(self):
        assert len(list(PACKAGE.glob("*.py"))) <= 10
        assert len(APP.read_text().splitlines()) <= 100

    @pytest.mark.parametrize("path", FILES, ids=name_of)
    def test_every_file_says_what_it_is_and_ends_soon(self, path):
        said = ast.get_docstring(tree_of(path)) or ""
        assert said or not path.stat().st_size
        assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES or LONG in said
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                lines = node.end_lineno - node.lineno + 1
                assert lines <= CLASS_LINES or LONG in (ast.get_docstring(node) or ""), f"{node.name}: {lines} lines"


class TestForbidden:
    """What no file of the package, nor the app, may do."""

    def test_gradio_is_for_the_studio_alone(self):
        users = users_of("gradio", "gradio_client")
        assert users and all(within(user, "atvg.studio") for user in users)

    def test_only_one_file_touches_weights(self):
        assert users_of("safetensors") == {"atvg.tensors"}

    def test_nothing_is_ever_unpickled(self):
        assert not users_of("pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal")
        for path in [*FILES, APP]:
            assert "allow_pickle=True" not in path.read_text(encoding="utf-8"), path

    def test_no_python_runs_between_fork_and_exec(self):
        """In a process of many threads it may wait for ever; the one user of what does so turns that off."""
        wanted = re.compile(r"preexec_fn|imageio_ffmpeg\.(?:read|write)_frames")
        users = {path.name for path in [*FILES, APP] if wanted.search(path.read_text(encoding="utf-8"))}
        assert users == {"pack.py"}

    def test_no_text_is_ever_run(self):
        for path in [*FILES, APP]:
            assert_no_text_is_run(path)

    @pytest.mark.parametrize(
        "line",
        ["subprocess.run('ls', shell=True)", "np.load(f, allow_pickle=True)", "os.system('ls')", "torch.load(f)"],
    )
    def test_what_runs_text_would_be_seen(self, line, tmp_path):
        (tmp_path / "a.py").write_text(line)
        with pytest.raises(AssertionError):
            assert_no_text_is_run(tmp_path / "a.py")


def assert_no_text_is_run(path: Path) -> None:
    """Not as Python, not by a shell, not by unpickling it."""
    forbidden = {
        "eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput", "pickle.load",
        "subprocess.getstatusoutput", "pickle.loads", "torch.load", "torch.save", "yaml.load", "yaml.unsafe_load",
    }  # fmt: skip
    for call in (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)):
        assert ast.unparse(call.func) not in forbidden, f"{path}:{call.lineno}"
        for keyword in call.keywords:
            allowed = ast.unparse(keyword.value) == "False"
            assert keyword.arg not in ("shell", "allow_pickle", "executable") or allowed, f"{path}:{call.lineno}"


def ffmpeg_commands(tree: ast.AST) -> list[ast.List]:
    """The lists that begin with ffmpeg's own path."""
    lists = [node for node in ast.walk(tree) if isinstance(node, ast.List) and node.elts]
    return [found for found in lists if "get_ffmpeg_exe" in ast.unparse(found.elts[0])]


def test_ffmpeg_opens_foreign_files_through_one_fence_only():
    """Whatever names an input names what ATVG itself made, a pipe, or goes through `ffmpeg_input`."""
    fenced = 0
    for path in FILES:
        for command in ffmpeg_commands(tree_of(path)):
            said = ast.unparse(command)
            fenced += "*ffmpeg_input(" in said or "*source" in said
            assert not re.search(r"'-i', (?!self\._folder / |'pipe:|'color=)", said), f"{path}: {said}"
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Constant) and node.value == "-protocol_whitelist":
                assert name_of(path) == "atvg.voice.decoding"
        text = path.read_text(encoding="utf-8")
        assert "ffmpeg_input(" not in text or "limited(" in text or "program.run(" in text, f"{path}: outside the box"
    assert fenced >= 2
    from atvg.voice.decoding import ffmpeg_input

    options = ffmpeg_input("voice.wav", 9)
    before = options[: options.index("-i")]
    assert {"-protocol_whitelist", "-format_whitelist", "-nostdin", "-t"} <= set(before)
    assert before[before.index("-protocol_whitelist") + 1] == "file,pipe"
    lists = {"concat", "hls", "dash", "imf", "sdp", "rtsp", "image2", "applehttp", "lavfi", "vobsub", "dvdvideo"}
    assert not lists & set(before[before.index("-format_whitelist") + 1].split(","))
    assert options[-1] == "file:voice.wav"


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


BLOCKADE = """
import builtins, importlib, sys
for name in ("mediapipe", "face_alignment", "gradio", "imageio_ffmpeg", "moviepy", "openvino", "pi_heif"):
    sys.modules[name] = None
# torchmetrics, which Lightning loads, imports librosa for itself wherever it is installed: only atvg may not.
real_import = builtins.__import__
def watched(name, globals=None, *rest):
    if name.split(".")[0] == "librosa" and (globals or {}).get("__name__", "").startswith("atvg"):
        raise ImportError(f"{globals['__name__']} imports {name}")
    return real_import(name, globals, *rest)
builtins.__import__ = watched
"""


def test_networks_data_and_training_need_no_face_or_audio_library():
    """On a training machine neither MediaPipe, librosa nor ffmpeg has to be installed once the pack is made."""
    modules = [name_of(p) for p in FILES if within(name_of(p), "atvg.nets", "atvg.data", "atvg.train")]
    assert len(modules) > 12
    run(f"{BLOCKADE}\nfor name in {modules!r}: importlib.import_module(name)")


def test_the_blockade_holds():
    for module in ("librosa", "mediapipe"):
        with pytest.raises(AssertionError, match=module):
            run(f"{BLOCKADE}\nexec('import {module}', {{'__name__': 'atvg.nets.example'}})")


def test_a_light_import_stays_light():
    """``atvg --help`` and a setting's error need no network library."""
    run("import sys; import atvg, atvg.motion.pose, atvg.config; assert 'torch' not in sys.modules")


LATE = (  # what the page needs for a job at most, or never; pandas and trio come with Gradio
    "matplotlib", "librosa", "numba", "moviepy", "mediapipe", "face_alignment", "skimage", "sklearn", "torchmetrics",
    "lightning", "tensorboard", "webdataset", "ray", "sympy", "jax", "scipy.signal", "scipy.stats", "scipy.optimize",
    "scipy.interpolate", "scipy.linalg", "scipy.sparse", "scipy.spatial", "scipy.io", "plotly.graph_objs._figure",
    "torch._dynamo", "soxr", "pi_heif",
)  # fmt: skip


def test_the_page_starts_without_what_it_needs_later_or_never():
    """Each costs tenths of a second of its start, and megabytes for as long as it runs."""
    code = f"import sys, atvg.studio.serve as s; s.built(); early = set({LATE!r}) & set(sys.modules)"
    run(f"{code}; assert not early, early")


def test_faces_are_found_without_pyplot():
    code = "import sys; from atvg.face.mediapipe import MediaPipeDetector as D; import numpy as np"
    code += "; D().detect(np.zeros((64, 64, 3), np.uint8)); assert 'mediapipe' in sys.modules"
    code += "; assert 'matplotlib.pyplot' not in sys.modules; import matplotlib.pyplot as plt; assert plt.figure"
    run(code)
