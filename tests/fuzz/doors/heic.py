"""A HEIC, as the box hands it to libheif: the function that runs there, in this process."""

from functools import cache

import numpy as np
from PIL import Image

from atvg.face import heic as reading
from atvg.face import pixels
from tests import heic, icc
from tests.fuzz.harness import as_file

SECONDS, EXAMPLES, NATIVE = 15, 10, True


@cache
def seeds() -> list[bytes]:
    """A small picture plain, turned and with a profile, of ten bits, and with EXIF and a gain map."""
    y, x = np.mgrid[:64, :96]
    rgb = np.stack([2 * x, 3 * y, (x * y) % 256], axis=-1).astype(np.uint8)
    about = Image.Exif()
    about[0x0112] = 6
    gain = heic.picture(rgb, heic.auxiliary(heic.HDR_GAIN_MAP), refers=(b"auxl", 1), hidden=True)
    return [
        heic.heic([heic.picture(rgb)]),
        heic.heic([heic.picture(rgb, heic.turned(1), heic.coloured(icc.rgb(*icc.DISPLAY_P3)))]),
        heic.heic([heic.picture(rgb, bits=10)]),
        heic.heic([heic.picture(rgb), heic.exif(about.tobytes(), 1), gain]),
    ]


def one(data: bytes) -> None:
    """Decodes it."""
    with as_file(data) as file:
        if not reading.is_heic(file):
            return
        shape, strips = pixels.decode(file, "photo")
        picture = np.concatenate(list(strips))
        assert picture.dtype == np.uint8 and list(picture.shape) == shape and shape[2] == 3
