"""The doctor's judgement of requests that no real proxy of the tests brings about."""

import msgspec
import pytest
from pytest_django import Settings

from diagnostics import request_report
from diagnostics.doctor import proxy
from diagnostics.doctor.proxy import INVENTED
from diagnostics.outcome import Outcome
from diagnostics.request_report import Seen

HOST = "call.example.com"
GOOD = Seen(
    peer="10.0.0.2",
    is_trusted=True,
    header="x-forwarded-for",
    counts_for="203.0.113.9",
    is_secure=True,
    headers=[("host", HOST), ("x-forwarded-for", f"{INVENTED}, 203.0.113.9"), ("x-real-ip", INVENTED)],
)
JUDGED = {
    "a good one": ({}, None, ""),
    "a header that is passed on": (
        {"header": "x-real-ip", "counts_for": INVENTED},
        Outcome.FAILED,
        "passes x-real-ip on as clients send it",
    ),
    "no header": ({"header": "", "counts_for": "10.0.0.2"}, Outcome.FAILED, "no single address in any header that is"),
    "a header that comes twice": (
        {"header": "x-real-ip", "counts_for": "10.0.0.2"},
        Outcome.FAILED,
        "sets no single address in x-real-ip, so that all of its clients count as one",
    ),
    "a proxy that nobody trusts": (
        {"is_trusted": False, "counts_for": "10.0.0.2"},
        Outcome.FAILED,
        "connects from 10.0.0.2, which is not in TRUSTED_PROXIES",
    ),
    "a trusted operator": ({"counts_for": INVENTED}, Outcome.WARNING, "run this from elsewhere"),
    "plain HTTP": ({"is_secure": False}, Outcome.WARNING, "does not say X-Forwarded-Proto: https"),
}
# The Host that arrives, whether signatures for the opened one are taken then, whether IDs can have owners at all.
HOSTS = {
    "a good one": (HOST, True, True, None, ""),
    "another": ("10.0.0.9:8000", True, True, Outcome.WARNING, "to 10.0.0.9:8000, so that ALLOWED_HOSTS must have"),
    "another, for owners": (
        "10.0.0.9",
        False,
        True,
        Outcome.FAILED,
        "owners of client IDs cannot register here, only by",
    ),
    "another, without owners": ("10.0.0.9", False, False, Outcome.WARNING, "let it pass Host on as it came (nginx"),
    "one that a pattern names": (HOST, False, True, Outcome.FAILED, "nor in ALLOWED_HOSTS in full"),
    "the same, without owners": (HOST, False, False, None, ""),
}


@pytest.mark.parametrize(("changes", "outcome", "says"), JUDGED.values(), ids=JUDGED)
def test_request_is_judged(settings: Settings, changes: dict[str, object], outcome: Outcome | None, says: str) -> None:
    settings.DEBUG = False
    shown, *found = proxy.judge(msgspec.structs.replace(GOOD, **changes))
    assert shown.outcome is Outcome.OK
    assert [finding.outcome for finding in found] == ([] if outcome is None else [outcome])
    assert all(says in finding.sentence for finding in found)


@pytest.mark.parametrize("case", HOSTS.values(), ids=HOSTS)
def test_host_is_judged_by_what_owners_sign(
    settings: Settings, case: tuple[str, bool, bool, Outcome | None, str]
) -> None:
    arrives, is_taken, has_owners, outcome, says = case
    settings.DIRECTORY_NAME = "calls.example.org" if has_owners else ""
    seen = msgspec.structs.replace(GOOD, headers=[("host", arrives)])
    found = list(proxy.judge_host(seen, HOST, lambda *hosts: is_taken and hosts == (HOST, arrives)))
    assert [finding.outcome for finding in found] == ([] if outcome is None else [outcome])
    assert all(says in finding.sentence for finding in found)


def test_client_without_a_proxy_is_no_fault() -> None:
    seen = msgspec.structs.replace(
        GOOD, peer="203.0.113.9", is_trusted=False, headers=[("host", HOST), ("x-real-ip", INVENTED)]
    )
    assert [finding.outcome for finding in proxy.judge(seen)] == [Outcome.OK]


def test_doctor_says_what_is_believed() -> None:
    (finding,) = proxy.examine(None, 1, "x-real-ip", lambda *_: True)
    assert "is believed in x-real-ip, from 100.64.0.0/10; --url wss://HOST/signal shows" in finding.sentence


def test_token_is_good_with_the_same_key_alone(settings: Settings) -> None:
    token = request_report.make_token()
    assert request_report.is_good(token)
    assert not request_report.is_good(f"{token}x")
    settings.SECRET_KEY = "another"
    assert not request_report.is_good(token)
