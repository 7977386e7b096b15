import pytest

from signaling.admission.host import host_of

ALLOWED = ["calls.example.org", "LocalHost", "[::1]", "*", ".example.net"]
HOSTS = {
    "calls.example.org": "calls.example.org",
    "CALLS.Example.ORG": "calls.example.org",
    "calls.example.org:443": "calls.example.org",
    "calls.example.org:80": "calls.example.org",
    "calls.example.org:8443": "calls.example.org:8443",
    "localhost:8000": "localhost:8000",
    "[::1]": "[::1]",
    "[::1]:8000": "[::1]:8000",
    # `*` and `.example.net` name nobody.
    "calls.example.net": "",
    "example.net": "",
    "evil.example.com": "",
    "calls.example.org.evil.example.com": "",
    "*": "",
    ".example.net": "",
    "": "",
}


@pytest.mark.parametrize(("sent", "host"), HOSTS.items(), ids=HOSTS)
def test_host_is_one_that_is_allowed_in_full(sent: str, host: str) -> None:
    assert host_of({"headers": [(b"host", sent.encode())]}, ALLOWED) == host


def test_no_host_and_two_hosts_are_none() -> None:
    assert host_of({"headers": []}, ALLOWED) == ""
    assert host_of({"headers": [(b"host", b"localhost"), (b"host", b"localhost")]}, ALLOWED) == ""
