"""The QR code of a safety number, read by a decoder that is not ours."""

import secrets
from typing import Any

import pytest
import zxingcpp

from webclient.tests.library.conftest import OpenClient

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODULES = "import('/static/webclient/demo/qr.js').then(({ qrModules }) => qrModules(%s))"
QUIET_ZONE, SCALE = 4, 8


def read(modules: list[list[bool]]) -> list[str]:
    """Return what a reader sees in it: text, format, version, level of error correction."""
    size = (len(modules) + 2 * QUIET_ZONE) * SCALE
    pixels = bytearray(b"\xff" * size * size)
    image = memoryview(pixels).cast("B", (size, size))
    for y, row in enumerate(with_quiet_zone(modules)):
        for x, is_dark in enumerate(row):
            for dy in range(SCALE if is_dark else 0):
                start = (y * SCALE + dy) * size + x * SCALE
                pixels[start : start + SCALE] = bytes(SCALE)
    (barcode,) = zxingcpp.read_barcodes(image)
    extra: Any = barcode.extra
    return [barcode.text, barcode.format.name, extra["Version"], barcode.ec_level]


def with_quiet_zone(modules: list[list[bool]]) -> list[list[bool]]:
    margin = [False] * QUIET_ZONE
    empty = [[False] * (len(modules) + 2 * QUIET_ZONE)] * QUIET_ZONE
    return [*empty, *(margin + row + margin for row in modules), *empty]


async def test_qr_code_is_read_by_a_decoder(open_client: OpenClient) -> None:
    alice = await open_client("alice", connected=False)
    numbers = ["0" * 60, "9" * 60, "0123456789" * 6]
    numbers += [f"{secrets.randbelow(10**60):060d}" for _ in range(20)]
    for digits in numbers:
        assert read(await alice.does(MODULES % f"'{digits}'")) == [digits, "QRCode", "2", "M"]


async def test_qr_code_of_a_link_is_read_by_a_decoder(open_client: OpenClient) -> None:
    """The longest and the shortest of each version: blocks, alignment and the version itself are another each time."""
    alice = await open_client("alice", connected=False)
    most = [14, 26, 42, 62, 84, 106, 122, 152, 180]
    modules_of = "(link) => import('/static/webclient/demo/qr.js').then(({ qrModulesOfLink }) => qrModulesOfLink(link))"
    for version, (shortest, longest) in enumerate(zip([8, *most], most, strict=False), start=1):
        for length in {shortest + 1, longest}:
            link = "https://host/".ljust(length, "x")[:length]
            assert read(await alice.does(modules_of, link)) == [link, "QRCode", str(version), "M"]
    assert await alice.does(f"({modules_of})('x'.repeat(181)).catch(({{ name }}) => name)") == "RangeError"


async def test_qr_code_survives_dirt(open_client: OpenClient) -> None:
    alice = await open_client("alice", connected=False)
    digits = f"{secrets.randbelow(10**60):060d}"
    modules = await alice.does(MODULES % f"'{digits}'")
    # A few of 44 codewords: level M takes 8 that are wrong.
    for y in range(20, 24):
        for x in range(21, 25):
            modules[y][x] = not modules[y][x]
    assert read(modules) == [digits, "QRCode", "2", "M"]


async def test_path_draws_the_modules(open_client: OpenClient) -> None:
    alice = await open_client("alice", connected=False)
    digits = f"{secrets.randbelow(10**60):060d}"
    modules = await alice.does(MODULES % f"'{digits}'")
    drawn = await alice.does(
        """async (digits) => {
      const { qrPath } = await import("/static/webclient/demo/qr.js");
      const canvas = new OffscreenCanvas(33, 33).getContext("2d");
      canvas.fill(new Path2D(qrPath(digits)));
      const { data } = canvas.getImageData(0, 0, 33, 33);
      return Array.from({ length: 33 }, (_, y) => Array.from({ length: 33 }, (_, x) => data[(y * 33 + x) * 4 + 3] > 0));
    }""",
        digits,
    )
    assert drawn == with_quiet_zone(modules)


async def test_anything_but_sixty_digits_is_refused(open_client: OpenClient) -> None:
    alice = await open_client("alice", connected=False)
    for wrong in ("'1'", "'x'.repeat(60)", "''"):
        refusal = MODULES % wrong + ".catch(({ name, message }) => `${name}: ${message}`)"
        assert await alice.does(refusal) == "RangeError: A safety number has 60 digits."
