"""Which weights the page opens when it starts: those that run, and none that are only compared with."""

from pathlib import Path

import safetensors

from atvg import Animator, tensors
from atvg.checkpoint import COMPARED, locate
from atvg.evaluation.baselines import load_baseline
from atvg.studio.page import build


def test_comparisons_are_opened_only_when_they_are_asked_for(cache, monkeypatch):
    opened = []

    def opens(path, **how):
        opened.append(Path(path).relative_to(locate()))
        return safetensors.safe_open(path, **how)

    monkeypatch.setattr(tensors, "safe_open", opens)
    build(Animator.from_pretrained()).warm_up()
    assert Path("vg_net.safetensors") in opened and Path("ear.safetensors") in opened
    assert not [path for path in opened if COMPARED in path.parts]
    load_baseline("chung")
    assert opened[-1] == Path(COMPARED, "chung.safetensors")
