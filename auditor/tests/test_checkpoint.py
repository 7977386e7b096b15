"""Checkpoints and keys: those of the vectors are accepted, and nothing that looks like them."""

import base64
import stat
import time
from pathlib import Path

import pytest

from auditor import checkpoint as notes
from auditor import keys
from auditor.__main__ import Exit, main
from auditor.errors import FaultError
from tests.support.made_log import LOG_KEY, ORIGIN, VECTORS, MadeLog, key_id, serving, signed, vkey

NOTE: str = VECTORS["lookupAlice"]["proof"]["checkpoint"]
KEY = keys.read_vkey(VECTORS["vkey"], keys.NOTE)
ROOT_LINE = NOTE.split("\n")[2]


def test_checkpoint_of_the_vectors_is_read() -> None:
    checkpoint = notes.read(NOTE, KEY)
    assert (checkpoint.origin, checkpoint.size) == (VECTORS["origin"], 3)
    assert checkpoint.root.hex() == VECTORS["roots"][2]
    assert str(KEY) == VECTORS["vkey"]
    notes.check_time(checkpoint, checkpoint.signed_at + 3600)
    for seconds in (-3601, 3601):
        with pytest.raises(FaultError, match="late"):
            notes.check_time(checkpoint, checkpoint.signed_at + seconds)


def test_every_byte_of_a_checkpoint_flipped_or_missing_is_refused() -> None:
    data = NOTE.encode()
    refused = 0
    for position in range(0, 8 * len(data), 7):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        try:
            note = flipped.decode()
        except UnicodeDecodeError:
            continue
        with pytest.raises(FaultError):
            notes.read(note, KEY)
        refused += 1
    assert refused > len(NOTE) / 2
    for length in range(0, len(NOTE), 5):
        with pytest.raises(FaultError):
            notes.read(NOTE[:length], KEY)


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n03\n{ROOT_LINE}\n",
        f"{ORIGIN}\n+3\n{ROOT_LINE}\n",
        f"{ORIGIN}\n-3\n{ROOT_LINE}\n",
        f"{ORIGIN}\n٣\n{ROOT_LINE}\n",
        f"{ORIGIN}\n3\n{ROOT_LINE[:-1]}\n",
        f"{ORIGIN}\n3\n{ROOT_LINE[:-2]}1=\n",
        f"{ORIGIN}\n3\n{base64.b64encode(bytes(31)).decode()}\n",
        f"{ORIGIN}\n3\n{ROOT_LINE}\nan extension\n",
        f"{ORIGIN}\n3\n",
        f"another.example.org\n3\n{ROOT_LINE}\n",
        f"{ORIGIN}\r\n3\n{ROOT_LINE}\n",
        f"{ORIGIN}\n3\n\n",
    ],
    ids=lambda text: repr(text[: text.index("\n")][-4:] + text[text.index("\n") :][:4]),
)
def test_text_that_is_no_checkpoint_is_refused_signed_or_not(text: str) -> None:
    with pytest.raises(FaultError):
        notes.read(signed(text, 1_790_000_000), KEY)


def lines(*signatures: bytes) -> str:
    text = "\n".join(NOTE.split("\n")[:3])
    return f"{text}\n\n" + "".join(f"— {ORIGIN} {base64.b64encode(data).decode()}\n" for data in signatures)


def test_signature_lines_are_held_to_both_of_the_logs_keys() -> None:
    text = "\n".join(NOTE.split("\n")[:3]) + "\n"
    plain = key_id(1) + LOG_KEY.sign(text.encode())

    def timed(now: int, of: int) -> bytes:
        return key_id(4) + now.to_bytes(8, "big") + LOG_KEY.sign(f"cosignature/v1\ntime {of}\n{text}".encode())

    assert notes.read(lines(plain, timed(5, 5)), KEY).signed_at == 5
    assert notes.read(lines(b"another witness's line", timed(5, 5), plain), KEY).signed_at == 5
    for wrong in (
        lines(plain),
        lines(timed(5, 5)),
        lines(plain, timed(5, 6)),
        lines(plain, timed(0, 0)),
        lines(plain, plain, timed(5, 5)),
        lines(plain, timed(5, 5), timed(6, 6)),
        lines(plain, timed(5, 5), b"1234"),
        lines(plain, timed(5, 5)).replace("— ", "- "),
        lines(plain, timed(5, 5)) + "\n",
        lines(plain, timed(5, 5)) + "a line that is none\n",
        lines(plain, key_id(4) + plain[4:]),
    ):
        with pytest.raises(FaultError):
            notes.read(wrong, KEY)


@pytest.mark.parametrize(
    "text",
    [
        VECTORS["vkey"].replace("c94dbc7c", "c94dbc7d"),
        VECTORS["vkey"][:-1],
        VECTORS["vkey"].replace("+AUjg", "+BEjg"),
        str(KEY.cosigning()),
        VECTORS["vkey"].replace("/", " "),
        "+".join(VECTORS["vkey"].split("+")[:2]),
        "",
    ],
    ids=["id", "cut", "type", "cosigner", "blank", "two", "empty"],
)
def test_vkey_that_is_not_whole_is_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"vkey|NAME|base64"):
        keys.read_vkey(text, keys.NOTE)
    with pytest.raises(SystemExit) as ended:
        main(["https://calls.example.org/log", text, "--state", str(tmp_path / "state")])
    assert ended.value.code == Exit.USAGE
    assert "argument VKEY" in capsys.readouterr().err


def test_auditor_cosigns_what_is_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, state = tmp_path / "key", tmp_path / "state"
    assert main(["newkey", "auditor.example.net", "--key", str(key)]) is Exit.IN_ORDER
    own = keys.read_vkey(capsys.readouterr().out.strip(), keys.COSIGNATURE)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(SystemExit):
        main(["newkey", "auditor.example.net", "--key", str(key)])

    now = time.time()
    with serving(MadeLog().fill(3).published(now)) as url:
        assert main([url, vkey(), "--state", str(state), "--key", str(key)]) is Exit.IN_ORDER
    note = (tmp_path / "state.checkpoint").read_text()
    assert notes.read(note, KEY).size == 3
    name, line = note.splitlines()[-1].removeprefix("— ").split(" ")
    data = base64.b64decode(line)
    at = int.from_bytes(data[4:12], "big")
    text = note.partition("\n\n")[0]
    assert (name, data[:4]) == ("auditor.example.net", own.id)
    assert now - 1 <= at <= time.time()
    assert own.is_signature(data[12:], f"cosignature/v1\ntime {at}\n{text}\n".encode())


def test_key_file_that_is_damaged_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "key"
    written = str(keys.new_key("auditor.example.net"))
    assert str(keys.read_signing_key(written)) == written
    for text in (written[:-4], written.replace("PRIVATE", "PUBLIC"), written.replace("net", "org"), ""):
        path.write_text(text)
        with pytest.raises(SystemExit):
            main(["https://calls.example.org/log", vkey(), "--state", "state", "--key", str(path)])
    assert capsys.readouterr().err.count("error") == 4
