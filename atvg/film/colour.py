"""How a film writes colours down, and the filters of ffmpeg that write RGB down in that way.

A film holds luma and chroma, and says, or does not say, by which matrix and in which range they were made. Read and
written by the same, pixels come back as they were; the other two, primaries and transfer, only tell a screen what RGB
means, so they are handed on as tags.
"""

from dataclasses import dataclass

# ffmpeg's names of the matrices that it can read and write → those of its filter that writes. All others, and films
# that say nothing, are read by that of BT.601, and so are they written.
_MATRICES = {
    "bt709": "bt709",
    "fcc": "fcc",
    "bt470bg": "bt601",
    "smpte170m": "bt601",
    "smpte240m": "smpte240m",
    "bt2020nc": "bt2020",
}


@dataclass(frozen=True)
class Colour:
    """By ffmpeg's names; "" is what the film does not say.

    Attributes:
        matrix: ``bt709``, ``smpte170m``, ``bt2020nc``, …
        primaries: ``bt709``, ``bt2020``, …
        transfer: ``bt709``, ``smpte2084``, ``arib-std-b67``, …
        range: ``tv`` (16..235) or ``pc`` (0..255); "" means ``tv`` too.
    """

    matrix: str = ""
    primaries: str = ""
    transfer: str = ""
    range: str = ""

    def readable(self) -> str:
        """ffmpeg's filter that leaves of a film's tags what turns it into RGB; for some others it would refuse to."""
        matrix = self.matrix if self.matrix in _MATRICES else "smpte170m"
        return f"setparams=colorspace={matrix}:color_primaries=bt709:color_trc=bt709"

    def filters(self) -> str:
        """ffmpeg's filters: pictures in RGB → yuv420p in this colour, tagged as it is."""
        matrix, scale = _MATRICES.get(self.matrix, "bt601"), self.range or "tv"
        return (
            f"scale=out_color_matrix={matrix}:out_range={scale},format=yuv420p,"
            f"setparams=range={self.range or 'unknown'}:colorspace={self.matrix or 'unknown'}"
            f":color_primaries={self.primaries or 'unknown'}:color_trc={self.transfer or 'unknown'}"
        )


# What photos are written in: the matrix of BT.601 is what OpenCV and old players assume; the tags keep the others from
# guessing BT.709.
OF_PHOTOS = Colour("smpte170m", "bt709", "bt709", "tv")
