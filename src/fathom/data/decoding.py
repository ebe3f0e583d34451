"""From a picture's file to its pixels: any of the usual formats, any mode, turned as its EXIF says."""

import os
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from fathom.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".avif", ".jp2")

warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # what is too large is refused by an error

FORMATS = ("PNG", "JPEG", "MPO", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000")
"""Whatever the suffix says, a file is read as one of these. pillow knows more: for EPS, it would run Ghostscript."""


def read_image(path: str | os.PathLike[str], size: tuple[int, int], channels: int) -> Tensor:
    """One picture as `(channels, height, width)` float in 0–1, decoded as training decodes it.

    Args:
        path: of one of `FORMATS`. It is turned as its EXIF says; of an animation the first frame is taken;
            transparent parts become white; 16-bit greys keep their brightness.
        size: (height, width) in pixels; the picture is scaled to it, whatever its proportions.
        channels: 1 for grey, 3 for red, green, blue.

    Raises:
        DataError: there is no such file, or it can't be decoded.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: expected a picture, but there is no such file; check the path")
    try:
        return torch.from_numpy(decode(path, size, channels)) / 255
    except ValueError as error:
        raise DataError(f"{path}: could not be decoded as a picture ({error}); give a PNG or JPEG file") from error


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """The pictures anywhere below `folder`, by name, hidden files and folders left out."""
    folder = Path(folder)
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_picture(path: str | os.PathLike[str]) -> Image.Image:
    """The file as one of `FORMATS`, its pixels not decoded yet; pillow raises almost anything if it is damaged."""
    Image.init()  # does something the first time only
    return Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN])


def decode(path: Path, size: tuple[int, int], channels: int) -> np.ndarray:
    """The picture as `(channels, height, width)` of uint8; see `read_image`. ValueError if that can't be done."""
    height, width = size
    try:
        with open_picture(path) as opened:
            largest, mode = max(size), "L" if channels == 1 else "RGB"
            opened.draft(mode, (2 * largest, 2 * largest))  # JPEG: decode no more than needed
            image = in_8_bits(ImageOps.exif_transpose(opened)).convert(mode)
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BILINEAR)
            pixels = np.array(image)
    except Exception as error:  # pillow's decoders raise almost anything on damaged files
        raise ValueError(reason(error)) from error
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def in_8_bits(image: Image.Image) -> Image.Image:
    """The picture in 8 bits a channel, laid on white if parts of it are transparent."""
    if image.mode.startswith("I"):  # 16 bits, also in pillow's 32-bit mode
        return Image.fromarray((np.asarray(image).astype(np.float64).clip(0, 65535) / 257).round().astype(np.uint8))
    if image.mode == "F":  # taken as 0–255
        return Image.fromarray(np.nan_to_num(np.asarray(image)).clip(0, 255).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def reason(error: Exception) -> str:
    """What pillow's error says, for a message."""
    return "in none of the formats that are read" if isinstance(error, Image.UnidentifiedImageError) else str(error)
