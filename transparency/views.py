"""The log over HTTP, for anybody (C2SP tlog-tiles; TRUST.md, "The log"): checkpoint, tiles, entries, and the vkey."""

import re
from collections.abc import Awaitable, Callable
from functools import partial

from asgiref.sync import async_to_sync
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, re_path
from django.views.decorators.http import require_safe

from transparency import tiles
from transparency.keys import LogKeys, current
from transparency.stored import StoppedError
from transparency.tiles import Tile

# A number in groups of three digits, of which all but the last begin with an x: x001/x234/067.
NUMBER = r"(?P<number>(?:x[0-9]{3}/){0,6}[0-9]{3})"
PART = r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
ENTRIES = re.compile(rf"tile/entries/{NUMBER}{PART}")
HASHES = re.compile(rf"tile/(?P<level>[0-9]|[1-5][0-9]|6[0-3])/{NUMBER}{PART}")
A_YEAR_SECONDS = 365 * 24 * 60 * 60
TEXT = "text/plain; charset=utf-8"
FOR_EVER = f"public, max-age={A_YEAR_SECONDS}, immutable"

Sign = Callable[[], Awaitable[str | None]]


def log_urls(sign: Sign) -> list[URLPattern]:
    """Return the paths of the log; `sign` returns its checkpoint or None, or raises `StoppedError`."""
    return [
        path("log/checkpoint", require_safe(partial(_checkpoint, sign)), name="log-checkpoint"),
        path("log/key", _key, name="log-key"),
        re_path(rf"^log/{HASHES.pattern}\Z", _tile, name="log-tile"),
        re_path(rf"^log/{ENTRIES.pattern}\Z", _tile, name="log-entries"),
    ]


def _checkpoint(sign: Sign, _request: HttpRequest) -> HttpResponse:
    try:
        note = async_to_sync(sign)()
    except StoppedError as error:
        return _public(
            HttpResponse(f"{error}\n", status=503, content_type=TEXT, headers={"Retry-After": "1"}), "no-store"
        )
    if note is None:
        raise Http404
    return _text(note)


@require_safe
def _key(_request: HttpRequest) -> HttpResponse:
    return _text(f"{_keys().vkey}\n")


@require_safe
def _tile(_request: HttpRequest, number: str, level: str | None = None, width: str | None = None) -> HttpResponse:
    """Answer with a tile; the first so many of one stay what they are, too."""
    place = int(number.replace("x", "").replace("/", ""))
    tile = Tile(_keys().vkey, None if level is None else int(level), place, int(width or tiles.WIDTH))
    # One spelling each: no zeros in front, and a whole tile is not a part.
    is_spelled = len(number) <= len("000") or not number.startswith("x000/")
    data = tiles.read(tile) if is_spelled and (width is None or tile.width < tiles.WIDTH) else None
    if data is None:
        raise Http404
    return _public(HttpResponse(data, content_type="application/octet-stream"), FOR_EVER)


def _keys() -> LogKeys:
    keys = current()
    if keys is None:
        raise Http404
    return keys


def _text(text: str) -> HttpResponse:
    return _public(HttpResponse(text, content_type=TEXT), "no-cache")


def _public(response: HttpResponse, lasts: str) -> HttpResponse:
    """Let pages of any origin read an answer, and caches keep it."""
    response["Access-Control-Allow-Origin"] = "*"
    response["Cache-Control"] = lasts
    return response
