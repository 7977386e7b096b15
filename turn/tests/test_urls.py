import pytest

from turn.urls import BAD_PORTS, ServerUrl, fatal, unused


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("stun:stun.example.com", ServerUrl("stun", "stun.example.com", 3478, "udp")),
        ("stuns:192.0.2.1", ServerUrl("stuns", "192.0.2.1", 5349, "tcp")),
        ("turn:turn.example.com", ServerUrl("turn", "turn.example.com", 3478, "udp")),
        ("turns:turn.example.com", ServerUrl("turns", "turn.example.com", 5349, "tcp")),
        ("turn:192.0.2.1:443?transport=tcp", ServerUrl("turn", "192.0.2.1", 443, "tcp")),
        ("turns:[2001:db8::1]:443", ServerUrl("turns", "2001:db8::1", 443, "tcp")),
    ],
)
def test_url_has_the_defaults_of_its_scheme(text: str, url: ServerUrl) -> None:
    assert ServerUrl.parse(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "turn.example.com:3478",
        "turn://turn.example.com",
        "turn:turn.example.com:0",
        "turn:turn.example.com:65536",
        "turn:turn.example.com?transport=sctp",
        "stun:stun.example.com?transport=udp",
        "turn:user@turn.example.com",
        # At these Firefox throws, as at every other host that ends in a number and is no address.
        "turn:256.1.1.1",
        "turn:1.2.3.4.5",
        "turn:1.2.3",
        "turn:example.0x10",
        "turn:[1.2.3.4]",
        "turn:[:::]",
    ],
)
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        ServerUrl.parse(text)


@pytest.mark.parametrize(
    "text",
    ["stuns:stun.example.com", "stun:stun.example.com:6000", "turn:turn.example.com:587", "turns:turn.example.com:993"],
)
def test_url_at_which_firefox_throws_is_fatal(text: str) -> None:
    objection = fatal(ServerUrl.parse(text))

    assert objection is not None
    assert "ends every call of Firefox" in objection.sentence


def test_every_bad_port_but_that_of_dns_is_fatal() -> None:
    ports = {port for port in range(1, 65536) if fatal(ServerUrl("turn", "turn.example.com", port, "udp"))}

    assert ports == BAD_PORTS - {53}


@pytest.mark.parametrize(
    ("text", "browser"),
    [
        ("stun:stun.example.com:53", "Chromium"),
        ("turn:turn.example.com:53", "Chromium"),
        ("turn:turn.example.com:853?transport=tcp", "Chromium"),
        ("turns:turn.example.com:81", "Chromium"),
        ("turns:192.0.2.1", "Firefox"),
        ("turns:[2001:db8::1]:443?transport=tcp", "Firefox"),
    ],
)
def test_url_that_a_browser_leaves_out_is_unused(text: str, browser: str) -> None:
    objection = unused(ServerUrl.parse(text))

    assert objection is not None
    assert browser in objection.sentence


@pytest.mark.parametrize(
    "text",
    [
        "stun:stun.example.com",
        "stun:192.0.2.1:81",
        "turn:192.0.2.1:443?transport=tcp",
        "turn:[2001:db8::1]:80",
        "turns:turn.example.com:443?transport=tcp",
        "turn:turn.example.com:1024",
        "turn:turn.example.com:65535",
    ],
)
def test_url_that_browsers_use_is_good(text: str) -> None:
    url = ServerUrl.parse(text)

    assert fatal(url) is None
    assert unused(url) is None
