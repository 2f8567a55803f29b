"""The Dockerfile fits what it copies and opens. No image is built here; `make lint` reads it with hadolint."""

import re
import shlex

import pytest

from tests.server import ROOT

LINES = re.sub(r"\\\n\s*|^#.*\n", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
STEPS = [tuple(line.split(maxsplit=1)) for line in LINES.splitlines() if line.strip()]
ALLOWED = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]


def of(kind: str) -> list[str]:
    return [rest for name, rest in STEPS if name == kind]


def copied() -> list[str]:
    return [path for step in of("COPY") if "--from" not in step for path in step.split()[:-1]]


@pytest.mark.parametrize("path", copied())
def test_what_is_copied_exists_and_reaches_the_builder(path):
    assert (ROOT / path).exists() and path in ALLOWED


def test_nothing_else_reaches_the_builder():
    assert sorted(ALLOWED) == sorted(copied())


def test_the_wheel_gets_all_that_it_is_made_of():
    wheel = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.hatch.build.targets.wheel]")[2]
    made_of = re.findall(r'"/(\w+)"', wheel.partition("exclude")[0])
    assert {"atvg", "assets", "checkpoints"} <= set(made_of) <= set(copied())


def test_it_runs_as_nobody_special_from_a_pinned_base():
    bases = {step.split()[0] for step in of("FROM")}
    assert len(bases) == 1 and re.fullmatch(r"python:3\.1[012]-slim-\w+", bases.pop())
    (user,) = of("USER")  # as a number, which hosts that refuse root can judge
    assert user != "0" and any(re.search(rf"useradd .*--uid {user}\b", step) for step in of("RUN"))
    assert [name for name, _ in STEPS].index("USER") < [name for name, _ in STEPS].index("CMD")


def test_one_port_is_opened_served_and_asked():
    settings = dict(pair.split("=", 1) for step in of("ENV") for pair in shlex.split(step))
    port = settings["GRADIO_SERVER_PORT"]
    assert of("EXPOSE") == [port] and f":{port}/" in of("HEALTHCHECK")[0]
    assert settings["GRADIO_SERVER_NAME"] == "0.0.0.0", "nobody outside the container could come"


def test_its_torch_is_the_one_that_is_pinned():
    pattern = re.search(r"grep -oE '([^']+)' requirements.txt", of("RUN")[1])[1]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [match[0] for line in lines if (match := re.match(pattern, line))] == [lines[2].split()[0]]
