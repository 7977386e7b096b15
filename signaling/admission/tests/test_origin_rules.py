import pytest

from signaling.admission.origin_rules import (
    NULL,
    Origin,
    example_of,
    page_hosts,
    parse_origin,
    parse_rule,
    refused_hosts,
)

HTTPS = frozenset({"https"})


def test_origin_has_scheme_host_and_port() -> None:
    assert parse_origin("HTTPS://App.Example.com") == Origin("https", "app.example.com", 443)
    assert parse_origin("http://[2001:DB8:0::1]:8000") == Origin("http", "[2001:db8::1]", 8000)
    assert parse_origin("capacitor://localhost") == Origin("capacitor", "localhost", 0)
    assert parse_origin("file://") == Origin("file", "", 0)
    assert parse_origin("null") == NULL


def test_no_text_with_a_scheme_is_the_null_origin() -> None:
    assert parse_origin("null://") != NULL


@pytest.mark.parametrize(
    "text", ["", "://", "https://", "https://a:0", "https://a:65536", "https://a/", "x y://", "\u017f://x"]
)
def test_what_is_no_origin_is_none(text: str) -> None:
    assert parse_origin(text) is None


def test_rule_may_leave_the_port_open() -> None:
    assert parse_rule("http://localhost:*") == Origin("http", "localhost", None)


@pytest.mark.parametrize(
    "text", ["https://.example.com", "https://-", "https://a.:*", "file://:*", "*:*", "null:*", "https://a:80:*"]
)
def test_what_no_browser_sends_is_no_rule(text: str) -> None:
    assert parse_rule(text) is None


def test_pages_are_opened_under_names() -> None:
    hosts = ["App.example.com", ".example.org", "*", "localhost", "127.0.0.1", "192.0.2.1", "[::1]"]

    assert page_hosts(hosts) == ["app.example.com", ".example.org"]


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        ([], ["app.example.com", ".example.org"]),
        (["https://app.example.com"], [".example.org"]),
        (["https://app.example.com:8443", "https://example.org"], []),
        (["https://app.example.com:*", "https://a.b.example.org"], []),
        (["http://app.example.com", "capacitor://app.example.com", "null"], ["app.example.com", ".example.org"]),
        (["https://x.app.example.com", "https://xexample.org"], ["app.example.com", ".example.org"]),
        (["*"], []),
    ],
)
def test_host_is_refused_without_an_origin_of_it(allowed: list[str], refused: list[str]) -> None:
    assert refused_hosts(["app.example.com", ".example.org", "127.0.0.1"], allowed, HTTPS) == refused


def test_example_is_an_origin_of_the_host() -> None:
    assert example_of("app.example.com") == "https://app.example.com"
    assert example_of(".example.com") == "https://app.example.com"
