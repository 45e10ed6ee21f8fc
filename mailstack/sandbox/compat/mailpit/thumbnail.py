"""Thumbnails of pictures, made with Pillow if it is installed."""

from __future__ import annotations

from io import BytesIO

SIZE = (180, 120)
MAX_POINTS = 6_000_000
"""Maximum points of a decoded picture: a few octets may claim a thousand times as many."""
MAX_JPEG_POINTS = 24_000_000
"""Maximum points of a JPEG, which is decoded at an eighth of its size."""
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")


class NoPictures(Exception):
    """Pillow is not installed; str() says how to install it."""


def thumbnail(octets: bytes) -> bytes:
    """JPEG of SIZE: the picture, cut to shape or on white; white for other octets. Raises NoPictures."""
    try:
        from PIL import Image, ImageOps  # noqa: PLC0415 - optional
    except ImportError:
        raise NoPictures("Thumbnails need Pillow: pip install mailstack[pictures]") from None
    canvas = Image.new("RGB", SIZE, "white")
    try:
        picture = Image.open(BytesIO(octets), formats=FORMATS)
        if picture.width * picture.height <= (MAX_JPEG_POINTS if picture.format == "JPEG" else MAX_POINTS):
            picture.draft("RGB", (SIZE[0] * 2, SIZE[1] * 2))
            times = max(1, min(picture.width // SIZE[0], picture.height // SIZE[1]) // 2)
            seen = picture.reduce(times).convert("RGBA")
            small = seen.width < SIZE[0] or seen.height < SIZE[1]
            seen = ImageOps.contain(seen, SIZE) if small else ImageOps.fit(seen, SIZE)
            canvas.paste(seen, ((SIZE[0] - seen.width) // 2, (SIZE[1] - seen.height) // 2), seen)
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, OverflowError, Image.DecompressionBombError):
        canvas = Image.new("RGB", SIZE, "white")
    made = BytesIO()
    canvas.save(made, "JPEG", quality=70)
    return made.getvalue()
