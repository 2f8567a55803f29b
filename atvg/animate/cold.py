"""Weights that a compiler has packed anew and reads again hardly ever: kept in a file, out of memory until then."""

import mmap
import tempfile

import torch
from torch import nn

_ALIGNED = 64  # bytes; compilers copy what is not


class Cold:
    """A network's parameters in a temporary file that is mapped into memory; the file is gone when nobody uses them.

    Args:
        net: on the CPU; its parameters become views of the file. Nobody may write to them.

    Raises:
        OSError: the file cannot be written, for instance because the disk is full; the network is as before.
    """

    def __init__(self, net: nn.Module):
        weights = {name: value.detach().contiguous() for name, value in net.named_parameters()}
        places, size = {}, 0
        for name, value in weights.items():
            places[name] = size
            size += -(-value.nbytes // _ALIGNED) * _ALIGNED
        with tempfile.TemporaryFile(prefix="atvg-") as file:
            file.truncate(size)
            for name, value in weights.items():
                file.seek(places[name])
                file.write(value.numpy().data)
            file.flush()
            self._map = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY)
        mapped = {
            name: torch.frombuffer(self._map, dtype=value.dtype, count=value.numel(), offset=places[name]).view_as(
                value
            )
            for name, value in weights.items()
        }
        net.load_state_dict(mapped, strict=False, assign=True)

    def forget(self) -> None:
        """Takes them out of this process's memory, where the system can; who reads them gets them from the file."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
