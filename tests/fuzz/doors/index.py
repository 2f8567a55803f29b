"""The index of a pack, ``pack.json``."""

import json

from atvg.data.pack import FORMAT, shards
from tests.fuzz.harness import laid, own

SECONDS, EXAMPLES = 5, 50
DICTIONARY = [
    b"Infinity", b"NaN", b"1e999", b"null", b"true", b"[]", b"{}", b'""', b'"', b"-1", b'"train"', b'"shard.tar"',
    b'"name": ', b'"split": ', b'"clips": ', b'"sha256": ', b'"format": 3', b'"shards": ', b'"\\u0000"', b'"\\ud800"',
]  # fmt: skip


def seeds() -> list[bytes]:
    """Indexes of one shard and of two splits, and values that JSON allows and hardly anybody expects."""
    plain = {"name": "shard.tar", "split": "train", "clips": 1, "frames": 2, "sha256": "0" * 64}
    others = ({"clips": 1e3}, {"clips": "7"}, {"sha256": None}, {"split": ["train"]}, {"name": "../shard.tar"})
    indexes = [{"format": FORMAT, "shards": [plain, plain | {"split": "val"}], "totals": {}}]
    indexes += [{"format": FORMAT, "shards": [plain | other, plain]} for other in others]
    return [json.dumps(index).encode() for index in indexes] + [b"[Infinity, -Infinity, NaN, 1e999, null, true]"]


def one(data: bytes) -> None:
    """Lists the shards of a split."""
    laid("shard.tar", b"")
    laid("pack.json", data)
    for shard in shards(own(), "train"):
        assert shard.path.parent == own() and shard.path.is_file() and type(shard.clips) is int
        assert shard.sha256 is None or type(shard.sha256) is str, shard.sha256
