#!/usr/bin/env bash
# A subclass of a frozen msgspec Struct is frozen at run time; mypy refuses the program.
#
# One would guess: options of a Struct are inherited (msgspec's documentation says so), so one frozen base makes a
# family of immutable messages, and a type checker that knows msgspec's `dataclass_transform` agrees.
# Versions: msgspec 0.22.0, mypy 2.4.1.
# Actual behaviour: at run time the subclass is frozen. mypy reports "Non-frozen dataclass cannot inherit from a frozen
# dataclass" for it, as PEP 681 has no inherited `frozen`: the option has to be repeated in every subclass.
# Why it matters here: the messages of securecall_client are a family of Structs under two bases; under strict mypy they
# are frozen one by one or not at all.
#
# Exits with 1 if either side behaves otherwise.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check msgspec==0.22.0 mypy==2.4.1
cat >"$folder/program.py" <<'PROGRAM'
from msgspec import Struct


class Message(Struct, frozen=True):
    """A base without fields."""


class CallEnd(Message):
    call_id: str


try:
    CallEnd("one").call_id = "two"
except AttributeError as error:
    print("run time:", error)
PROGRAM
cd "$folder"
at_run_time=$("$folder/venv/bin/python" program.py)
by_mypy=$("$folder/venv/bin/mypy" --strict --cache-dir "$folder/cache" program.py || true)
printf '%s\n%s\n' "$at_run_time" "$by_mypy"
[[ $at_run_time == "run time: immutable type"* ]]
[[ $by_mypy == *"Non-frozen dataclass cannot inherit from a frozen dataclass"* ]]
