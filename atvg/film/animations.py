"""Frames → what can be sent and shown where no video can: animated GIF and WebP."""

import math
from pathlib import Path

from PIL import Image

from atvg.film.label import label_layer
from atvg.film.video import COMMENT, VideoWriter

_FPS = 12.5  # every other frame; GIF counts hundredths of a second, and this one it can count
_LARGEST, _SMALLEST = 480, 96  # pixels of the longer side
_BUDGET = 8e6  # bytes: mail and messengers take no more
_BLOCK = 255  # bytes of a comment in a GIF


class _AnimationWriter(VideoWriter):
    """A `VideoWriter` whose film becomes an animation without sound, small enough to be sent.

    Give it frames without the label: it labels them itself, in their final size, which follows from their number.
    Memory does not grow with that, for they wait in a file until the last has come.
    """

    bytes_per_pixel = 1.0  # of a talking face, about
    hears = False

    def _join(self) -> int:
        width, height = self._shrunk()
        Image.fromarray(label_layer(height, width)).save(self._folder / "label.png")
        # Not bilinear, which blurs; and not through a scaled label, which nobody could read.
        drawn = f"[0]fps={_FPS},scale={width}:{height}:flags=lanczos[small];[small][1]overlay[signed]"
        failed = self._animate(["-i", self._folder / self.silent, "-i", self._folder / "label.png"], drawn)
        if not failed:
            self._finished.write_bytes(self._signed(self._finished.read_bytes()))
        return failed

    def _shrunk(self) -> tuple[int, int]:
        """Width and height, even, with which as many frames fit into the budget."""
        pixels = _BUDGET / self.bytes_per_pixel / max(1, float(self.frames_written * _FPS / self.fps))
        scale = min(1, _LARGEST / max(self.width, self.height), math.sqrt(pixels / (self.width * self.height)))
        scale = min(1, max(scale, _SMALLEST / max(self.width, self.height)))
        width, height = (max(2, round(side * scale / 2) * 2) for side in (self.width, self.height))
        return width, height

    def _animate(self, inputs: list[str | Path], drawn: str) -> int:
        raise NotImplementedError

    def _signed(self, data: bytes) -> bytes:
        raise NotImplementedError


class GifWriter(_AnimationWriter):
    """Writes a GIF that begins again when it has ended; its comment says that it is AI-generated."""

    ending = ".gif"
    bytes_per_pixel = 0.25

    def _animate(self, inputs: list[str | Path], drawn: str) -> int:
        colours = self._folder / "palette.png"  # of all frames: found in one pass and used in another, or memory grows
        return self._run(*inputs, "-filter_complex", f"{drawn};[signed]palettegen", to=colours) or self._run(
            *inputs, "-i", colours, "-loop", "0",
            "-filter_complex", f"{drawn};[signed][2]paletteuse=dither=bayer:bayer_scale=3:diff_mode=rectangle",
        )  # fmt: skip

    def _signed(self, data: bytes) -> bytes:
        """With a comment after the header and the colours of all frames."""
        said, colours = COMMENT.encode("ascii")[:_BLOCK], data[10]
        head = 13 + (3 * 2 ** ((colours & 7) + 1) if colours & 0x80 else 0)
        return data[:head] + b"\x21\xfe" + bytes([len(said)]) + said + b"\0" + data[head:]


class WebpWriter(_AnimationWriter):
    """Writes a WebP that begins again when it has ended; its XMP says that it is AI-generated."""

    ending = ".webp"
    bytes_per_pixel = 0.06

    def _animate(self, inputs: list[str | Path], drawn: str) -> int:
        coder = ("-c:v", "libwebp_anim", "-quality", "75", "-compression_level", "3", "-loop", "0")
        return self._run(*inputs, "-filter_complex", drawn, "-map", "[signed]", *coder)

    def _signed(self, data: bytes) -> bytes:
        """RIFF: a chunk more at the end, a flag at the front that tells of it, and the length of it all."""
        said = _XMP.format(COMMENT).encode()
        said += b" " * (len(said) % 2)
        body = bytearray(data[8:] + b"XMP " + len(said).to_bytes(4, "little") + said)
        assert body[4:8] == b"VP8X", "an animation has this chunk first"
        body[12] |= 0x04
        return b"RIFF" + len(body).to_bytes(4, "little") + body


_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt>'
    '<rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>'
)
