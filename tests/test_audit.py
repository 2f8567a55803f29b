"""The audit of dependencies: what is vulnerable fails, what could not be looked up is never taken for sound."""

import importlib.util
import json
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

PATH = Path(__file__).parent.parent / ".ci" / "audit.py"
FLAW = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.0"], "description": "many\nlines"}
SOUND = {"name": "sound", "version": "1.0", "vulns": []}
WORSE = {"name": "worse", "version": "1.0", "vulns": [FLAW]}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI and could not be audited: unknown (1.0)"}


@pytest.fixture
def audit(monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("audit", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "IGNORED", tmp_path / "ignored.txt")
    module.IGNORED.write_text("# nothing\n")
    monkeypatch.setattr(module, "KEPT", tmp_path / "advisories.json")
    return module


@pytest.fixture
def tool(tmp_path):
    """A stand-in for pip-audit that answers, for each service, with what it is told."""

    def make(**answers: list | None) -> str:
        path = tmp_path / "pip-audit"
        lines = [
            f"{name}) printf %s '{json.dumps({'dependencies': answer})}';;"
            for name, answer in answers.items()
            if answer is not None
        ]
        path.write_text("#!/bin/sh\ncase $2 in\n" + "\n".join(lines) + "\n*) exit 1;;\nesac\n")
        path.chmod(0o755)
        return str(path)

    return make


def test_a_known_vulnerability_fails_and_is_named(audit, tool, capsys):
    assert audit.main(tool(pypi=[SOUND, WORSE])) == 1
    said = capsys.readouterr().out
    assert "VULNERABLE: worse 1.0: PYSEC-1 = CVE-1; fixed in: 2.0" in said and "2 packages looked up" in said


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-1"])
def test_it_passes_if_a_reason_is_written_down(audit, tool, capsys, name):
    audit.IGNORED.write_text(f"{name} only its command line is affected\n")
    assert audit.main(tool(pypi=[SOUND, WORSE])) == 0
    assert "only its command line is affected" in capsys.readouterr().out


def test_but_not_without_a_reason(audit, tool):
    audit.IGNORED.write_text("PYSEC-1\n")
    with pytest.raises(SystemExit, match="has no reason"):
        audit.main(tool(pypi=[WORSE]))


def test_what_could_not_be_looked_up_is_said(audit, tool, capsys):
    assert audit.main(tool(pypi=[SOUND, UNKNOWN])) == 0
    assert "not in the database: unknown" in capsys.readouterr().out


@pytest.mark.parametrize("answers", [{}, {"pypi": [UNKNOWN]}, {"pypi": [UNKNOWN], "osv": [UNKNOWN]}, {"pypi": []}])
def test_an_index_that_knows_nothing_is_no_audit(audit, tool, capsys, answers):
    assert audit.main(tool(**answers)) == 0
    assert "NOT DONE" in capsys.readouterr().out


def test_the_second_database_is_asked_if_the_first_does_not_answer(audit, tool):
    assert audit.main(tool(pypi=[UNKNOWN], osv=[WORSE])) == 1


def test_without_pip_audit_it_is_not_done(audit, capsys):
    assert audit.main("/nowhere/pip-audit") == 0
    assert "NOT DONE" in capsys.readouterr().out


def test_the_real_list_has_reasons(audit):
    assert isinstance(audit.read_ignored(PATH.with_name("audit-ignored.txt").read_text()), dict)


def kept(audit, *packages: dict, days: int = 3) -> None:
    made = (date.today() - timedelta(days=days)).isoformat()
    audit.KEPT.write_text(json.dumps({"made": made, "source": "pypi", "dependencies": packages}))


def test_without_a_database_what_is_kept_is_read_and_its_age_is_told(audit, tool, capsys):
    kept(audit, {"name": "NumPy", "version": version("numpy"), "vulns": [FLAW]})
    assert audit.main(tool()) == 1
    said = capsys.readouterr().out
    assert "NOT DONE" in said and "3 days old" in said and "it knows 1 of " in said
    assert "VULNERABLE: NumPy" in said


def test_what_is_kept_of_another_version_says_nothing_of_the_installed_one(audit, tool, capsys):
    kept(audit, {"name": "numpy", "version": "0.1", "vulns": [FLAW]})
    assert audit.main(tool()) == 0
    assert "it knows 0 of " in capsys.readouterr().out


def test_a_database_that_answers_comes_first(audit, tool, capsys):
    kept(audit, {"name": "numpy", "version": version("numpy"), "vulns": [FLAW]})
    assert audit.main(tool(pypi=[SOUND])) == 0
    assert "days old" not in capsys.readouterr().out


def test_what_a_database_says_can_be_kept(audit, tool):
    numpy = {"name": "numpy", "version": version("numpy"), "vulns": [FLAW]}
    assert audit.main(tool(pypi=[numpy, UNKNOWN]), "--keep") == 1
    made = json.loads(audit.KEPT.read_text())
    assert made["made"] == date.today().isoformat() and made["source"] == "pypi"
    (package,) = made["dependencies"]
    assert package["name"] == "numpy" and "description" not in package["vulns"][0]
    assert audit.main(tool()) == 1


def test_what_the_repository_keeps_can_be_read():
    folder = PATH.parent
    made = json.loads((folder / "advisories.json").read_text())
    assert date.fromisoformat(made["made"]) and made["source"]
    assert all({"name", "version", "vulns"} <= set(package) for package in made["dependencies"])
