import pytest

from signaling.admission.host import host_of, is_signature_taken

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


TAKEN = {
    "the host that arrives": ("calls.example.org:443", "CALLS.example.org", True),
    "the directory, whatever arrives": ("Directory.example.org:443", "10.0.0.7:8000", True),
    "another than arrives": ("calls.example.org", "10.0.0.7:8000", False),
    "one that a pattern names": ("calls.example.net", "calls.example.net", False),
    "none": ("", "", False),
}


@pytest.mark.parametrize(("opened", "arrived", "is_taken"), TAKEN.values(), ids=TAKEN)
def test_signature_is_taken_for_what_arrives_or_the_directory(opened: str, arrived: str, *, is_taken: bool) -> None:
    assert is_signature_taken(opened, arrived, ALLOWED, "directory.example.org") is is_taken
    assert not is_signature_taken("", arrived, ALLOWED, "")
