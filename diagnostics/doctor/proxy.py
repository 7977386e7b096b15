"""The proxy before the server: what a request through it looks like, and whether clients can invent their address."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec
from django.conf import settings

from diagnostics.doctor.finding import Finding, failed, ok, warning
from diagnostics.failures import ProbeError
from diagnostics.plain_http import StatusError, beside, get
from diagnostics.request_report import PATH, Seen, make_token

SUBJECT = "proxy"
# Nobody's (RFC 5737): what the examination says of itself.
INVENTED = "192.0.2.77"
SPOOFABLE = (
    "X-Forwarded-For",
    "X-Real-IP",
    "X-Client-IP",
    "CF-Connecting-IP",
    "True-Client-IP",
    "Fly-Client-IP",
)
PAGE = "see docs/proxies.md"


def examine(url: str | None, seconds: float, header: str) -> Iterator[Finding]:
    """Ask for a request's report through the proxy at `url`, if one is given; `header` is the one that is believed."""
    networks = ", ".join(map(str, settings.TRUSTED_PROXIES)) or "nobody"
    if url is None:
        yield ok(
            SUBJECT,
            f"is believed in {header or 'no header'}, from {networks}; --url wss://HOST/signal shows what a request "
            "through it looks like",
        )
        return
    try:
        yield from judge(seen_through(url, seconds, header), urlsplit(url).netloc)
    except StatusError as error:
        yield failed(
            SUBJECT,
            f"{url} answered HTTP {error.status} for {PATH}: is it this server, of this version and SECRET_KEY, and "
            "does the proxy pass every path on?",
        )
    except (ProbeError, msgspec.MsgspecError) as error:
        yield failed(SUBJECT, f"{url} could not be asked: {error}")


def seen_through(url: str, seconds: float, header: str) -> Seen:
    """Send a request that invents its address in every header; return how the server saw it."""
    return msgspec.json.decode(get(beside(url, PATH), url, seconds, inventing(header)), type=Seen)


def inventing(header: str) -> dict[str, str]:
    """Return the headers of a request for a report that invents its address, in `header` too."""
    names = (*SPOOFABLE, *([header] if header else []))
    return {
        "Authorization": f"Bearer {make_token()}",
        "Forwarded": f"for={INVENTED}",
        **dict.fromkeys({name.lower() for name in names}, INVENTED),
    }


def judge(seen: Seen, host: str) -> Iterator[Finding]:
    """Show a request, and say what is wrong with it."""
    shown = "; ".join(f"{name}: {value}" for name, value in seen.headers)
    yield ok(SUBJECT, f"a request through it comes from {seen.peer}, counts for {seen.counts_for}, and has {shown}")
    yield from _judge_address(seen)
    if not (seen.is_secure or settings.DEBUG):
        yield warning(SUBJECT, "does not say X-Forwarded-Proto: https, without which the admin redirects for ever")
    if host not in (hosts := [value for name, value in seen.headers if name == "host"]):
        yield warning(
            SUBJECT,
            f"changes the Host header to {', '.join(hosts) or 'none'}: ALLOWED_HOSTS must have that one, and "
            "ALLOWED_ORIGINS each page's",
        )


def _judge_address(seen: Seen) -> Iterator[Finding]:
    values = [value for name, value in seen.headers if name == seen.header]
    if seen.counts_for == INVENTED and values != [INVENTED]:
        yield warning(
            SUBJECT,
            "was asked from a network of TRUSTED_PROXIES, which may say what it likes: run this from elsewhere, or "
            "name fewer networks",
        )
    elif seen.counts_for == INVENTED:
        yield failed(
            SUBJECT,
            f"passes {seen.header} on as clients send it, so that they choose the address they count for: let it set "
            f"that header, or name another in CLIENT_ADDRESS_HEADER ({PAGE})",
        )
    elif seen.is_trusted and seen.counts_for == seen.peer:
        yield failed(
            SUBJECT,
            f"sets no single address in {seen.header or 'any header that is believed'}, so that all of its clients "
            f"count as one: name the header that it sets in CLIENT_ADDRESS_HEADER ({PAGE})",
        )
    elif not seen.is_trusted and any(_is_added(name, value) for name, value in seen.headers):
        yield failed(
            SUBJECT,
            f"connects from {seen.peer}, which is not in TRUSTED_PROXIES, so that all of its clients count as one: add "
            f"its network ({PAGE})",
        )


def _is_added(name: str, value: str) -> bool:
    """Return whether a proxy said this of the client, which had said something else."""
    return name in {spoofable.lower() for spoofable in SPOOFABLE} and value != INVENTED
