"""The decoder under atheris: inputs that grow towards every branch of it.

atheris has wheels for some platforms alone, so it runs where it is installed (`make fuzz` tries); it ends its process
itself, so it has one of its own: `python -m tools.fuzz.decoder [libFuzzer's options]`.
"""

import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tools.fuzz.messages import Messages

SEEDS = 500


def check(data: bytes) -> None:
    """Hold the decoder to what it says: an answer or `InvalidMessageError`, and no frame longer than its bytes."""
    # Where atheris can see into them.
    from serving.frames import whole_text_frame  # noqa: PLC0415
    from signaling.protocol.decoding import Malformed, decode, decode_in_steps, named_in  # noqa: PLC0415
    from signaling.protocol.errors import InvalidMessageError  # noqa: PLC0415

    frame = whole_text_frame(data)
    if frame is not None and frame[1] > len(data):
        raise AssertionError(f"a frame of {len(data)} bytes ends at {frame[1]}")
    # A server's text has no surrogates, but a test's may.
    text = data.decode(errors="surrogateescape")
    named_in(text)
    found = []
    for way in (decode, decode_in_steps):
        try:
            message = way(text)
            found.append(message.error.sentence if isinstance(message, Malformed) else message)
        except InvalidMessageError as error:
            found.append(error.sentence)
    if "" in found or found[0] != found[1]:
        raise AssertionError("a refusal without a sentence, or one pass and two differ")


def fuzz(count: int, seed: int) -> list[str]:
    """Run atheris for `count` inputs; returns what was wrong."""
    if importlib.util.find_spec("atheris") is None:
        print("decoder: left out, as atheris is not installed: pip install -r requirements-fuzz.txt\n")
        return []
    with tempfile.TemporaryDirectory() as name:
        messages = Messages(Random(seed), "fuzzer", "peer", ("call-of-the-fuzzer",))
        for number in range(SEEDS):
            Path(name, str(number)).write_bytes(messages.text()[:4096])
        began = time.monotonic()
        command = [sys.executable, "-m", "tools.fuzz.decoder", name, f"-runs={count}", f"-seed={seed}", "-max_len=4096"]
        run = subprocess.run(  # noqa: S603 -- its own
            [*command, "-timeout=1"], capture_output=True, text=True, check=False
        )
    done = re.search(r"Done (\d+) runs", run.stderr)
    print(f"decoder: {int(done[1]) if done else 0:,} inputs of atheris in {time.monotonic() - began:,.0f} s\n")
    return [] if run.returncode == 0 and done else [f"the decoder failed:\n{run.stdout[-3000:]}\n{run.stderr[-3000:]}"]


def main(arguments: list[str]) -> None:
    """Let atheris take over."""
    import atheris  # noqa: PLC0415 -- it is optional

    with atheris.instrument_imports(include=["signaling", "serving"]):
        import serving.wire  # noqa: F401, PLC0415
        import signaling.protocol.decoding  # noqa: F401, PLC0415
    atheris.Setup(["tools.fuzz.decoder", *arguments], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
