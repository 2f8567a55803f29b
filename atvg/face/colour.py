"""The colours of a picture as its embedded ICC profile means them, in sRGB."""

import contextlib
import io

import numpy as np
from PIL import Image, ImageCms

_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}  # of profiles that fit a picture's mode


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A picture without alpha → RGB; a profile that is damaged, or of another kind of picture, counts as none."""
    if image.mode == "LAB":
        return _applied(_transform(ImageCms.createProfile("LAB"), "LAB"), image)
    if profile and image.mode in _SPACES:
        with contextlib.suppress(OSError, ImageCms.PyCMSError):
            meant = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if meant.profile.xcolor_space == _SPACES[image.mode]:
                transform = _transform(meant, image.mode)
                if image.mode != "RGB" or _changes(transform):
                    return _applied(transform, image)
    return image.convert("RGB")


def _transform(profile: ImageCms.ImageCmsProfile | ImageCms.core.CmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    """As photo editors convert by default: what both spaces hold stays as it is, and black is black."""
    return ImageCms.buildTransform(
        profile, ImageCms.createProfile("sRGB"), mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )  # fmt: skip


def _applied(transform: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # only what is changed in place is not returned
    return converted


def _changes(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether any colour becomes another one; most profiles are sRGB's, and a large picture takes a second."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    after = np.asarray(_applied(transform, Image.fromarray(cube)))
    return bool((np.abs(after.astype(int) - cube) > 2).any())
