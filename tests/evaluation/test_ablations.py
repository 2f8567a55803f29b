"""The ablations: that those shipped load as what they are named, and what is said where there are none."""

import shutil

import pytest

from atvg.checkpoint import compared_file, locate, save_net
from atvg.config import VGNetConfig, with_overrides
from atvg.errors import BadSettingError, CheckpointError
from atvg.evaluation.ablations import ABLATIONS, ORACLE, REFERENCE, ablation_rows, trained, training_notes
from atvg.nets.vg_net import VGNet

SHIPPED = trained(locate())


def test_those_shipped_have_their_rows():
    assert {REFERENCE, "no_attention", "static_attention", "direct", "layers", "one_sheet"} <= set(SHIPPED)
    names = [row.name for row in ablation_rows(locate(), SHIPPED)]
    titles = [ABLATIONS[name].title for name in SHIPPED]
    assert [name for name in names if not name.endswith(ORACLE)] == titles
    assert len(names) == 2 * len(titles) - 1  # the direct one hears, and is told no landmarks


@pytest.mark.parametrize("name", SHIPPED)
def test_their_notes_tell_of_the_change(name):
    notes = training_notes(name, locate())
    changes = dict(change.split("=") for change in ABLATIONS[name].change if not change.startswith("net."))
    assert {key: f"{notes['settings'][key]:g}" for key in changes if key != "loss"} == {
        key: f"{float(value):g}" for key, value in changes.items() if key != "loss"
    }
    assert notes["settings"]["loss"] == changes.get("loss", "dynamic")


def test_what_a_training_leaves_is_read_as_it_is(tmp_path):
    for path in locate().glob("at_net*"):
        (tmp_path / path.name).symlink_to(path)
    save_net(tmp_path / "run", "vg_net", VGNet(VGNetConfig(hidden=16)), {"step": 3})
    target = compared_file(tmp_path, ABLATIONS["beta0"].stored)
    target.parent.mkdir()
    shutil.copy(tmp_path / "run" / "vg_net.safetensors", target)
    assert [row.name for row in ablation_rows(tmp_path, ["beta0"])] == ["β = 0, oracle", "β = 0"]
    assert training_notes("beta0", tmp_path) == {"step": 3}


@pytest.mark.parametrize("name", ABLATIONS)
def test_each_can_be_trained_by_its_settings(name):
    from atvg.train.run import KINDS  # brings Lightning along, which takes seconds to load

    settings = dict(word.split("=", 1) for word in ABLATIONS[name].settings.split() if "=" in word)
    kind = KINDS["vg"]
    of_net = {key.removeprefix("net."): value for key, value in settings.items() if key.startswith("net.")}
    changed = with_overrides(kind.config, of_net)
    assert changed.hidden == 104 and changed != kind.config
    with_overrides(kind.settings, {key: value for key, value in settings.items() if not key.startswith("net.")})


def test_missing_and_unknown_ones(tmp_path, refuses):
    with refuses(CheckpointError, "no weights of the ablation 'full'"):
        training_notes("full", tmp_path)
    with refuses(BadSettingError, "unknown ablation 'other'"):
        training_notes("other", tmp_path)
