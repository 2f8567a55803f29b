"""The same pack from two machines of a Ray cluster as from this one, whatever happens to a process."""

import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from atvg.cli import main
from atvg.data import cluster
from atvg.data import prepare as prepare_module
from atvg.data.cluster import connected, work_on_cluster
from atvg.data.prepare import prepare
from atvg.data.workers import Lost
from atvg.errors import BadSettingError, PackError
from tests.data import faulty
from tests.marks import quick

LONG = 300.0  # a limit that is never reached


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of two machines, so to speak: two Ray nodes of one CPU each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # or whatever else this machine does comes first
        patch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
        node = {"num_cpus": 1, "object_store_memory": 80 << 20}
        machines = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        machines.add_node(**node)
        yield machines.address
        machines.shutdown()


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def work(items: list[str], address: str, **options) -> dict:
    with connected(address):
        return dict(work_on_cluster(faulty.work, items, lambda item: 2.0 if item == "hang" else LONG, **options))


@pytest.mark.long
class TestPack:
    def test_every_byte_is_that_of_the_local_pool(self, address, tiny_clips, tiny_pack, tmp_path):
        report = prepare(tiny_clips, tmp_path / "pack", progress=False, ray=address)
        assert report["kept"] == 3
        assert files_of(tmp_path / "pack") == files_of(tiny_pack)
        assert not ray.is_initialized()

    @pytest.mark.long
    def test_an_interrupted_run_goes_on(self, address, tiny_clips, tiny_pack, tmp_path):
        pack = shutil.copytree(tiny_pack, tmp_path / "pack")
        (pack / ".parts/astronaut__b.tar").unlink()
        (pack / "pack.json").unlink()
        kept = pack / ".parts/astronaut__a.tar"
        before = kept.stat().st_mtime_ns
        assert main(["prepare", str(tiny_clips), "-o", str(pack), "--ray", address]) == 0
        assert files_of(pack) == files_of(tiny_pack)
        assert kept.stat().st_mtime_ns == before

    @pytest.mark.long
    def test_what_breaks_a_process_costs_one_clip_and_is_reported_in_the_same_words(
        self, address, tiny_clips, tmp_path, monkeypatch
    ):
        clips = tmp_path / "clips"
        (clips / "a").mkdir(parents=True)
        for name in ("first", "kill", "last"):
            shutil.copy(tiny_clips / "hopper/a.mp4", clips / f"a/{name}.mp4")
        monkeypatch.setattr(prepare_module, "_make_part", faulty.make_part)
        report = prepare(clips, tmp_path / "pack", progress=False, ray=address)
        assert report["kept"] == 2
        assert report["dropped"] == {"a__kill": "the process that worked on it died (signal 9)"}


@pytest.mark.long
class TestWork:
    def test_both_machines_work_and_whatever_one_process_does_the_others_go_on(self, address):
        items = ["who:1", "who:2", "who:3", "kill", "hang", "a", "crash", "b"]
        found = work(items, address)
        assert set(found) == set(items) and (found["a"], found["b"]) == ("A", "B")
        assert len({found[f"who:{i}"] for i in (1, 2, 3)}) == 2
        assert all(isinstance(found[item], Lost) for item in ("kill", "hang", "crash"))
        assert "longer than 2 s" in str(found["hang"]) and "signal 11" in str(found["crash"])

    def test_of_a_worker_of_rays_that_is_lost_its_item_is(self, address):
        found = work(["parent", "a"], address, workers=1)
        assert "was lost" in str(found["parent"]) and found["a"] == "A"

    def test_what_no_item_can_do_without_stops_everything(self, address):
        with pytest.raises(ModuleNotFoundError) as caught:
            work(["raise", "a", "b"], address)
        assert caught.value.name == "library"
        assert not ray.is_initialized()

    def test_machines_without_atvg_are_one_line(self, address, refuses):
        def not_there(seconds):
            raise ModuleNotFoundError("No module named 'atvg'")

        with refuses(BadSettingError, "every machine needs this ATVG"), connected(address):
            list(work_on_cluster(faulty.work, ["hang"], not_there))


class TestAddress:
    def test_without_ray_the_error_says_how_to_install_it(self, tiny_clips, tmp_path, monkeypatch, refuses):
        monkeypatch.setitem(sys.modules, "ray", None)
        with refuses(BadSettingError, "pip install -e '.[scale]'"):
            prepare(tiny_clips, tmp_path / "pack", ray="auto")

    @pytest.mark.parametrize("address", quick(["127.0.0.1:1", "nohost.invalid:6379", "6379", "a:b"], "127.0.0.1:1"))
    def test_where_there_is_no_cluster_that_is_one_line(self, address, tiny_clips, tmp_path, capfd):
        assert main(["prepare", str(tiny_clips), "-o", str(tmp_path / "pack"), "--ray", address]) == 2
        said = capfd.readouterr()
        assert said.out == "" and said.err.startswith(f"error: no Ray cluster at '{address}'")
        assert said.err.count("\n") == 1 and not (tmp_path / "pack").exists()

    @pytest.mark.long
    def test_where_something_else_answers_that_is_one_line_too(self, monkeypatch, refuses):
        monkeypatch.setattr(cluster, "_PATIENCE_WITH_RAY", 5.0)
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            with refuses(BadSettingError, "what answers there is no Ray"), connected(address):
                pass


def test_parts_that_this_machine_does_not_see_are_not_forgotten(tiny_clips, tmp_path, monkeypatch, refuses):
    monkeypatch.setattr(prepare_module, "_make_part", faulty.make_nothing)
    with refuses(PackError, "must be a folder that all machines share"):
        prepare(tiny_clips, tmp_path / "pack", workers=1, progress=False)
