"""What a network's JSON says of its sizes, and a training's settings, as they may be typed."""

import json
from dataclasses import asdict, is_dataclass
from typing import Any

from hypothesis import strategies as st

from atvg import config as configs
from atvg.config import with_overrides
from atvg.errors import ATVGError
from tests.fuzz.doors import weights
from tests.fuzz.structured import JSONS, noise, reading

SECONDS, EXAMPLES = 15, 50
ALL = [value for value in vars(configs).values() if is_dataclass(value) and value.__name__.endswith("Config")]
NUMBERS = st.one_of(st.integers(), st.floats(), st.booleans()).map(str)
TEXTS = st.one_of(st.text(), NUMBERS, st.lists(NUMBERS, max_size=5).map(",".join))
SMALL = {"at_net": weights.AT_SMALL, "vg_net": weights.VG_SMALL}
WRITTEN = st.sampled_from([(name, key) for name, small in SMALL.items() for key in asdict(small)])
TYPED = st.sampled_from([(kind, key) for kind in ALL for key in asdict(kind())])


def _take(value: tuple[Any, ...]) -> None:
    (name, key), said, beta, (kind, typed), text = value
    try:
        assert type(with_overrides(kind(), {typed: text})) is kind
    except ATVGError as error:
        assert str(error).isprintable()
    weights.seeds()
    about = {"config": asdict(SMALL[name]) | {key: said}, "notes": {"beta": beta}}
    number = weights.FILES.index(f"{name}.json")
    weights.one(bytes([number]) + json.dumps(about).encode())


one = reading(st.tuples(WRITTEN, JSONS, JSONS, TYPED, TEXTS), _take)
seeds = noise
