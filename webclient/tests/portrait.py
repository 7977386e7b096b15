"""A camera's picture for screenshots, where Chromium's own test picture would be all that one sees."""

from pathlib import Path

WIDTH, HEIGHT = 640, 480

Colour = tuple[int, int, int]
# Centre, radii and colour of ellipses, in the order in which they are painted.
Ellipse = tuple[int, int, int, int, Colour]
WALL: Colour = (214, 182, 150)
FIGURE: tuple[Ellipse, ...] = (
    (150, 130, 64, 64, (236, 214, 188)),
    (320, 520, 206, 170, (24, 78, 84)),
    (320, 236, 98, 112, (58, 38, 32)),
    (320, 346, 38, 62, (206, 150, 118)),
    (320, 256, 76, 94, (224, 172, 138)),
    (320, 172, 84, 48, (58, 38, 32)),
    (290, 258, 7, 9, (58, 38, 32)),
    (350, 258, 7, 9, (58, 38, 32)),
    (320, 302, 24, 14, (168, 84, 76)),
    (320, 295, 26, 13, (224, 172, 138)),
)


def write_portrait(path: Path) -> Path:
    """Write one frame in the YUV4MPEG2 format, which Chromium's fake camera shows over and over."""
    pixels = [[_yuv(_colour(x, y)) for x in range(WIDTH)] for y in range(HEIGHT)]
    luma = bytes(pixel[0] for row in pixels for pixel in row)
    chroma = (bytes(pixel[plane] for row in pixels[::2] for pixel in row[::2]) for plane in (1, 2))
    header = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 Ip A1:1 C420jpeg\nFRAME\n".encode()
    path.write_bytes(header + luma + b"".join(chroma))
    return path


def _colour(x: int, y: int) -> Colour:
    colour = WALL
    for centre_x, centre_y, radius_x, radius_y, above in FIGURE:
        distance = ((x - centre_x) / radius_x) ** 2 + ((y - centre_y) / radius_y) ** 2
        # An edge is about a pixel wide.
        share = min(max((1 - distance) * min(radius_x, radius_y) / 2, 0), 1)
        colour = _mixed(colour, above, share)
    return colour


def _mixed(below: Colour, above: Colour, share: float) -> Colour:
    if share in {0, 1}:
        return above if share else below
    red, green, blue = (round(low + (high - low) * share) for low, high in zip(below, above, strict=True))
    return red, green, blue


def _yuv(colour: Colour) -> Colour:
    """BT.601, video range."""
    red, green, blue = colour
    return (
        round(16 + 0.257 * red + 0.504 * green + 0.098 * blue),
        round(128 - 0.148 * red - 0.291 * green + 0.439 * blue),
        round(128 + 0.439 * red - 0.368 * green - 0.071 * blue),
    )
