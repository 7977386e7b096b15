"""Opening handshakes with something wrong about them, and those that never end."""

from random import Random

from tools.fuzz.wire import HANDSHAKE

ODD_LINES = (
    b"Upgrade: h2c",
    b"Connection: close",
    b"Sec-WebSocket-Key: ",
    b"Sec-WebSocket-Key: " + b"x" * 300,
    b"Sec-WebSocket-Key: \xff\xfe",
    b"Sec-WebSocket-Version: 99999999999999999999",
    b"Sec-WebSocket-Version: x",
    b"Sec-WebSocket-Protocol: \xc3\xa4, %zz, ,",
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99",
    b"Sec-WebSocket-Extensions: ;;;=",
    b"Origin: http://",
    b"Origin: \x00",
    b"Origin: http://[::1",
    b"Origin: null",
    b"Host: ",
    b"Host: a:b:c",
    b"Content-Length: 7",
    b"Content-Length: -1",
    b"Transfer-Encoding: chunked",
    b"Cookie: " + b"a=b; " * 500,
    b"X-Real-IP: not an address",
    b"X-Forwarded-For: ::::",
    b": no name",
    b"No colon",
    b" folded",
    b"\x00\xff: \x80",
)
ODD_TARGETS = (
    b"/signal?",
    b"/signal/",
    b"/signal/../signal",
    b"/%ff",
    b"/signal%00",
    b"//",
    b"*",
    b"\xff",
    b"",
    b"/signal?a=%zz&" * 50,
)


def opening(dice: Random) -> bytes:
    """Make a handshake that is damaged or cut short; one that ends has an empty line in it."""
    first, *lines = HANDSHAKE[:-4].split(b"\r\n")
    for _ in range(dice.randint(1, 3)):
        kind = dice.randrange(5)
        if kind == 0 and lines:
            del lines[dice.randrange(len(lines))]
        elif kind == 1:
            lines.insert(dice.randint(0, len(lines)), dice.choice(ODD_LINES))
        elif kind == 2 and lines:
            lines.append(dice.choice(lines))
        elif kind == 3:
            method, version = (
                dice.choice((b"GET", b"POST", b"get", b"", b"PRI")),
                dice.choice((b"1.0", b"1.1", b"2.0", b"")),
            )
            first = b"%s %s HTTP/%s" % (method, dice.choice((b"/signal", *ODD_TARGETS)), version)
        else:
            dice.shuffle(lines)
    data = b"\r\n".join((first, *lines)) + b"\r\n\r\n"
    if dice.random() < 0.3:
        return data[: dice.randint(0, len(data) - 1)]
    if dice.random() < 0.3:
        at = dice.randrange(len(data))
        return data[:at] + dice.randbytes(dice.randint(0, 3)) + data[at + 1 :]
    return data
