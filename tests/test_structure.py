"""What may import what, and what may not be used at all."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(importlib.util.find_spec("atvg").origin).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path, everywhere: bool = True) -> set[str]:
    """Modules a file imports; with ``everywhere=False`` only those it needs in order to be imported itself."""
    tree = ast.parse(path.read_text())
    found = set()
    nodes = ast.walk(tree) if everywhere else tree.body
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def test_there_is_something_to_check():
    assert len(FILES) > 25


@pytest.mark.parametrize("path", FILES, ids=name_of)
class TestEveryFile:
    def test_gradio_is_for_the_app_alone(self, path):
        assert not any(within(module, "gradio", "gradio_client") for module in imports_of(path))

    def test_nothing_is_ever_unpickled(self, path):
        unsafe = ("pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal")
        assert not any(within(module, *unsafe) for module in imports_of(path))
        calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert not {"torch.load", "torch.save", "eval", "exec"} & set(calls)
        assert "allow_pickle=True" not in path.read_text()

    def test_no_text_is_ever_run(self, path):
        assert_no_text_is_run(path)

    def test_only_the_checkpoint_module_touches_weights(self, path):
        if name_of(path) != "atvg.checkpoint":
            assert not any(within(module, "safetensors") for module in imports_of(path))

    def test_it_says_what_it_is(self, path):
        if path.name != "__init__.py" or path.stat().st_size:
            assert ast.get_docstring(ast.parse(path.read_text()))


def calls_of(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]


def assert_no_text_is_run(path: Path) -> None:
    """Not as Python, not by a shell, not by unpickling it."""
    forbidden = {
        "eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput", "pickle.load",
        "subprocess.getstatusoutput", "pickle.loads", "torch.load", "yaml.load", "yaml.unsafe_load",
    }  # fmt: skip
    for call in calls_of(path):
        assert ast.unparse(call.func) not in forbidden, f"{path}:{call.lineno}"
        for keyword in call.keywords:
            allowed = ast.unparse(keyword.value) == "False"
            assert keyword.arg not in ("shell", "allow_pickle", "executable") or allowed, f"{path}:{call.lineno}"


def test_the_app_runs_no_text_either():
    app = PACKAGE.parent / "app.py"
    assert_no_text_is_run(app)
    assert not {"pickle", "dill", "joblib"} & imports_of(app)


@pytest.mark.parametrize(
    "line", ["subprocess.run('ls', shell=True)", "np.load(f, allow_pickle=True)", "os.system('ls')"]
)
def test_what_runs_text_would_be_seen(line, tmp_path):
    (tmp_path / "a.py").write_text(line)
    with pytest.raises(AssertionError):
        assert_no_text_is_run(tmp_path / "a.py")


def ffmpeg_commands(tree: ast.AST) -> list[ast.List]:
    """The lists that begin with ffmpeg's own path."""
    lists = [node for node in ast.walk(tree) if isinstance(node, ast.List) and node.elts]
    return [found for found in lists if "get_ffmpeg_exe" in ast.unparse(found.elts[0])]


def test_ffmpeg_opens_foreign_files_through_one_fence_only():
    """Whatever names an input names what ATVG itself made, a pipe, or goes through `atvg.voice.audio.ffmpeg_input`."""
    fenced = 0
    for path in FILES:
        for command in ffmpeg_commands(ast.parse(path.read_text(encoding="utf-8"))):
            said = ast.unparse(command)
            fenced += "*ffmpeg_input(" in said or "*source" in said
            assert not re.search(r"'-i', (?!self\._folder / |'pipe:|'color=)", said), f"{path}: {said}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value == "-protocol_whitelist":
                assert name_of(path) == "atvg.voice.audio"
    assert fenced >= 2
    from atvg.voice.audio import ffmpeg_input

    options = ffmpeg_input("voice.wav", 9)
    before = options[: options.index("-i")]
    assert {"-protocol_whitelist", "-format_whitelist", "-nostdin", "-t"} <= set(before)
    assert before[before.index("-protocol_whitelist") + 1] == "file,pipe"
    lists = {"concat", "hls", "dash", "imf", "sdp", "rtsp", "image2", "applehttp", "lavfi", "vobsub", "dvdvideo"}
    assert not lists & set(before[before.index("-format_whitelist") + 1].split(","))
    assert options[-1] == "file:voice.wav"


# Imports at the top of a file run down this list only.
LAYERS = [
    {"atvg.config", "atvg.errors", "atvg.scratch", "atvg.motion.warp", "atvg.film.ahead"},
    {
        "atvg.voice.audio",
        "atvg.voice.speak",
        "atvg.voice",
        "atvg.face",
        "atvg.motion.pose",
        "atvg.motion.shape",
        "atvg.motion.idle",
        "atvg.motion",
        "atvg.nets",
    },
    {"atvg.train.losses", "atvg.checkpoint", "atvg.animate.engine", "atvg.animate.ear_engine", "atvg.animate.listener"},
    {"atvg.animator", "atvg.data"},
    {
        "atvg.animate.live",
        "atvg.studio.broadcast",
        "atvg.film.recording",
        "atvg.show.equations",
        "atvg.film.video",
        "atvg.film.panels",
        "atvg.show.plots",
        "atvg.show.sketch",
        "atvg.film.render",
        "atvg.film.provenance",
        "atvg.train",
        "atvg.evaluation",
    },
    {"atvg.lab"},
    {"atvg.paper"},
    {"atvg.bench", "atvg.cli", "atvg.__main__"},
]


def layer_of(module: str) -> int | None:
    return next((i for i, layer in enumerate(LAYERS) if within(module, *layer)), None)


@pytest.mark.parametrize("path", [path for path in FILES if name_of(path) != "atvg"], ids=name_of)
def test_imports_run_downwards(path):
    own = layer_of(name_of(path))
    assert own is not None, f"{name_of(path)} has no place in LAYERS"
    upwards = {m for m in imports_of(path, everywhere=False) if (layer_of(m) or 0) > own}
    assert upwards == set()


def test_the_warp_is_a_leaf():
    """Faces and networks share it, so it may know neither of them, nor anything else of ATVG."""
    users = {name_of(path) for path in FILES if "atvg.motion.warp" in imports_of(path)}
    assert {"atvg.motion.turn", "atvg.motion.carry", "atvg.motion.layers", "atvg.nets.vg_net"} <= users
    assert not any(within(module, "atvg") for module in imports_of(PACKAGE / "warp.py"))


@pytest.mark.parametrize("path", [path for path in FILES if within(name_of(path), "atvg.nets")], ids=name_of)
def test_networks_know_no_faces(path):
    ours = {module for module in imports_of(path) if within(module, "atvg")}
    known = ("atvg.config", "atvg.errors", "atvg.motion.warp", "atvg.motion", "atvg.nets")
    assert all(within(module, *known) for module in ours)


@pytest.mark.parametrize("path", [path for path in FILES if within(name_of(path), "atvg.motion")], ids=name_of)
def test_motion_knows_where_landmarks_lie_and_nothing_of_photos_or_networks(path):
    """So that networks may build on it, and faces be composed with it."""
    ours = {module for module in imports_of(path) if within(module, "atvg")}
    known = ("atvg.config", "atvg.errors", "atvg.motion.warp", "atvg.motion", "atvg.face.landmarks")
    assert all(within(module, *known) for module in ours)


def test_of_motion_faces_only_composing_knows():
    users = {name_of(path) for path in FILES if any(within(m, "atvg.motion") for m in imports_of(path))}
    assert {user for user in users if within(user, "atvg.face")} == {"atvg.film.paste"}


@pytest.mark.parametrize(
    "package, users",
    [
        ("atvg.train", ["atvg.cli"]),
        ("atvg.evaluation", ["atvg.cli", "atvg.lab", "atvg.paper", "atvg.train"]),
    ],
)
def test_training_and_evaluation_are_no_part_of_animating(package, users):
    outside = {name_of(path) for path in FILES if any(within(m, package) for m in imports_of(path))}
    assert all(within(user, package, *users) for user in outside)


def test_only_the_app_and_the_paper_use_the_laboratory():
    users = {name_of(path) for path in FILES if any(within(m, "atvg.lab") for m in imports_of(path))}
    assert users and all(within(user, "atvg.lab", "atvg.paper") for user in users)


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


BLOCKADE = """
import builtins, importlib, sys
for name in ("mediapipe", "face_alignment", "gradio"):
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
    """On a training machine neither MediaPipe nor librosa has to be installed once the pack is made."""
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
