"""The index of a pack, ``pack.json``."""

import json
from typing import Any

from hypothesis import strategies as st

from atvg.data.pack import FORMAT, shards
from tests.fuzz.harness import laid, own
from tests.fuzz.structured import JSONS, noise, reading

SECONDS, EXAMPLES = 5, 50
WHOLE = {"name": "shard.tar", "split": "train", "clips": 1, "sha256": "0" * 64}
NAMES = st.sampled_from(("shard.tar", "other.tar", "../own/shard.tar", ".", "..", "", "\0", "pack.json", "a" * 5000))
CHANGES = st.fixed_dictionaries(
    {}, optional={"name": NAMES | JSONS, "split": JSONS, "clips": JSONS, "sha256": JSONS, "more": JSONS}
)
SHARDS = st.lists(st.one_of(CHANGES.map(lambda changes: WHOLE | changes), JSONS), min_size=1, max_size=3) | JSONS
INDEXES = st.fixed_dictionaries({"format": st.just(FORMAT) | JSONS, "shards": SHARDS}) | JSONS


def _take(index: Any) -> None:
    laid("shard.tar", b"")
    laid("pack.json", index if isinstance(index, bytes) else json.dumps(index).encode())
    for shard in shards(own(), "train"):
        assert shard.path.parent == own() and shard.path.is_file()
        assert type(shard.clips) is int and shard.clips >= 0
        assert shard.sha256 is None or type(shard.sha256) is str


one = reading(st.one_of(INDEXES, st.binary()), _take)
seeds = noise
