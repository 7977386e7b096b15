"""The proxy before the server: what a request through it looks like, and whether clients can invent their address."""

from collections.abc import Callable, Iterator
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
# What brings the host that clients open to the server.
HOST_AS_IT_CAME = (
    "let it pass Host on as it came (nginx: proxy_set_header Host $http_host; HAProxy: without http-request set-header "
    "Host; Caddy: without header_up Host)"
)


def examine(
    url: str | None, seconds: float, header: str, is_signature_taken: Callable[[str, str], bool]
) -> Iterator[Finding]:
    """Ask for a request's report through the proxy at `url`, if one is given; `header` is the one that is believed.

    `is_signature_taken` returns whether an owner of a client ID may sign for a host that he opened, when another Host
    arrives at the server.
    """
    networks = ", ".join(map(str, settings.TRUSTED_PROXIES)) or "nobody"
    if url is None:
        yield ok(
            SUBJECT,
            f"is believed in {header or 'no header'}, from {networks}; --url wss://HOST/signal shows what a request "
            "through it looks like",
        )
        return
    try:
        seen, host = seen_through(url, seconds, header), urlsplit(url).netloc
        yield from judge(seen)
        yield from judge_host(seen, host, is_signature_taken)
    except StatusError as error:
        yield failed(
            SUBJECT,
            f"{url} answered HTTP {error.status} for {PATH}: is it this server, of this version and SECRET_KEY, does "
            f"the proxy pass every path on, and is its Host in ALLOWED_HOSTS? If it changes that, {HOST_AS_IT_CAME}",
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


def judge(seen: Seen) -> Iterator[Finding]:
    """Show a request, and say what is wrong with it."""
    shown = "; ".join(f"{name}: {value}" for name, value in seen.headers)
    yield ok(SUBJECT, f"a request through it comes from {seen.peer}, counts for {seen.counts_for}, and has {shown}")
    yield from _judge_address(seen)
    if not (seen.is_secure or settings.DEBUG):
        yield warning(SUBJECT, "does not say X-Forwarded-Proto: https, without which the admin redirects for ever")


def judge_host(seen: Seen, host: str, is_signature_taken: Callable[[str, str], bool]) -> Iterator[Finding]:
    """Say what is wrong with the Host of a request to `host`, for which owners of client IDs sign."""
    hosts = [value for name, value in seen.headers if name == "host"]
    arrived = ", ".join(hosts) or "none"
    directory = settings.DIRECTORY_NAME
    are_owners_lost = bool(directory) and not is_signature_taken(host, arrived)
    if host not in hosts:
        lost = f"owners of client IDs cannot register here, only by {directory}, and " if are_owners_lost else ""
        yield (failed if are_owners_lost else warning)(
            SUBJECT,
            f"changes the Host header to {arrived}, so that {lost}ALLOWED_HOSTS must have that one, and "
            f"ALLOWED_ORIGINS each page's: {HOST_AS_IT_CAME}; {PAGE}",
        )
    elif are_owners_lost:
        yield failed(
            SUBJECT,
            f"is opened as {host}, which is neither {directory} nor in ALLOWED_HOSTS in full, so that owners of client "
            "IDs cannot register here: add it there (* and .example.org name nobody)",
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
