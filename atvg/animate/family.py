"""VG-nets by the β that they were trained with; from a disk they are loaded when they are asked for."""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Union
from weakref import WeakValueDictionary

from atvg.nets.blocks import channels_last
from atvg.nets.vg_net import VGNet

Nets = Mapping[float, Union[VGNet, Callable[[], VGNet]]]


class Family(Mapping[float, VGNet]):
    """The networks as they are drawn with, on a device; nobody changes them.

    Most videos are drawn with one β, and a network has 22 MB. Of those that have to be loaded only what somebody uses
    is kept, and everybody who asks for it meanwhile gets the same.

    Args:
        nets: a network by its β, or what loads it.
        device: where they shall be.
    """

    def __init__(self, nets: Nets, device: Any = "cpu"):
        self._device = device
        self._nets: dict[float, VGNet | Callable[[], VGNet]] = dict(nets._nets if isinstance(nets, Family) else nets)
        self._used: WeakValueDictionary[float, VGNet] = WeakValueDictionary()
        self._loading = threading.Lock()
        self.loaded = tuple(self._placed(net) for net in self._nets.values() if isinstance(net, VGNet))

    def __getitem__(self, beta: float) -> VGNet:
        """Raises:
        CheckpointError: its weights are damaged, or gone since the family was found.
        """
        net = self._nets[beta]
        if isinstance(net, VGNet):
            return net
        with self._loading:
            used = self._used.get(beta)
            if used is None:
                used = self._used[beta] = self._placed(net())
            return used

    def __iter__(self) -> Iterator[float]:
        return iter(self._nets)

    def __len__(self) -> int:
        return len(self._nets)

    def _placed(self, net: VGNet) -> VGNet:
        return channels_last(net.to(self._device))


def blend(nets: Mapping[float, VGNet], beta: float) -> VGNet:
    """The network for a β, 0..2: between the two nearest that were trained the weights are interpolated."""
    below = max((b for b in nets if b <= beta), default=min(nets))
    above = min((b for b in nets if b >= beta), default=max(nets))
    low, high = nets[below], nets[above]
    if low is high:
        return low
    weights, share = high.state_dict(), (beta - below) / (above - below)
    mixed = {k: v.lerp(weights[k], share) if v.is_floating_point() else v for k, v in low.state_dict().items()}
    if not all((net.input_ranges[:, 1] > 0).all() for net in (low, high)):
        mixed["input_ranges"].zero_()  # half of a range is none
    between = channels_last(VGNet(low.config).to(low.input_ranges.device))
    between.load_state_dict(mixed)
    return between.eval().requires_grad_(False)
