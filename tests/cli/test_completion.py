"""``atvg completion``: what bash offers with the script that is printed."""

import shutil
import subprocess

import pytest

from atvg.cli import main
from atvg.cli.completion import SHELLS
from tests.marks import quick


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """That of bash, in a file."""
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main(["completion", "bash"]) == 0
    path = tmp_path_factory.mktemp("completion") / "atvg.bash"
    path.write_text(printed.getvalue())
    return path


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash on this machine")
@pytest.mark.parametrize(
    "typed, offered",
    [
        ("atvg do", {"doctor"}),
        ("atvg animate --eng", {"--engine"}),
        ("atvg animate --engine open", {"openvino", "openvino-int8"}),
        ("atvg bench --weights ", {"weights"}),
        ("atvg animate ph", {"photo.jpg"}),
    ],
)
def test_bash_offers(typed, offered, script, tmp_path):
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "weights").mkdir()
    words = typed.split(" ")
    code = f"source {script}; COMP_WORDS=({typed}{' ' + chr(39) * 2 if not words[-1] else ''}); "
    code += f'COMP_CWORD={len(words) - 1}; _shtab_atvg; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert set(done.stdout.split()) == offered, done.stderr


@pytest.mark.parametrize("shell", quick(SHELLS, "zsh"))
def test_every_shell_has_a_script(shell, capsys):
    assert main(["completion", shell]) == 0
    assert "doctor" in capsys.readouterr().out


def test_other_shells_are_refused(capsys):
    assert main(["completion", "csh"]) == 2
    assert "choose from" in capsys.readouterr().err
