"""What hearing live costs is said beside what hearing the whole sound gives."""

from atvg.checkpoint import locate
from atvg.evaluation.hearing import measure_live
from atvg.evaluation.report import _live


def test_live_and_whole_are_compared_with_each_other_and_with_the_truth(tiny_pack):
    found = measure_live(tiny_pack, "val", locate())
    assert found["before"] == 1.6 and found["after"] == 0.2
    assert 0.8 < found["agreement"] < 1  # of a single second, of which all but the end is heard alike
    assert set(found["r"]) == {"all", "made"} and found["r"]["all"] == found["r"]["made"]
    assert -1 <= found["r"]["all"]["live"] <= 1 and found["r"]["all"]["live"] != found["r"]["all"]["whole"]
    assert "1.6 s before a frame and 0.2 s after" in _live(found)


def test_weights_without_the_ear_have_nothing_to_compare(tiny_pack, tmp_path):
    for path in locate().glob("*.*"):
        if path.suffix in (".json", ".safetensors") and path.stem != "at_net":
            name = path.name.replace("at_net_none", "at_net")
            (tmp_path / name).symlink_to(path)
    assert measure_live(tiny_pack, "val", tmp_path) is None
