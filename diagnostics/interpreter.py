"""The Python that runs this, and how it was built; `python -m diagnostics.interpreter` warns of one that is slow.

An interpreter that was configured without `--enable-optimizations`, as pyenv does unless it is told, takes a third more
CPU for the same. Distributions may build with optimisation and remove every word of it from `sysconfig`; Debian does.
"""

import platform
import sys
import sysconfig
from collections.abc import Mapping
from enum import Enum
from typing import Any

WARNING = (
    "This Python was built without optimisation and needs a third more CPU: in production use your distribution's, or "
    "one that was configured with --enable-optimizations.\n"
)
# What GCC and Clang are told to use of a profile.
PROFILE_FLAGS = ("-fprofile-use", "-fprofile-instr-use")


class Build(Enum):
    """The ways of building a Python, in words."""

    OPTIMIZED = "built with optimisation"
    PLAIN = "built without optimisation"
    UNKNOWN = "whose build says nothing of optimisation"


def build_of(variables: Mapping[str, Any]) -> Build:
    """Return how an interpreter with these variables of `sysconfig` was built."""
    configured, compiled = variables.get("CONFIG_ARGS"), variables.get("PY_CFLAGS_NODIST") or ""
    if "--enable-optimizations" in (configured or "") or any(flag in compiled for flag in PROFILE_FLAGS):
        return Build.OPTIMIZED
    # CPython's own makefile has the second, used or not: where it is gone, somebody took such flags out.
    if not configured or not variables.get("PGO_PROF_USE_FLAG"):
        return Build.UNKNOWN
    return Build.PLAIN


def describe() -> str:
    """Describe the running interpreter: its implementation, its compiler and its build."""
    build = build_of(sysconfig.get_config_vars())
    return f"{platform.python_implementation()}, {platform.python_compiler()}, {build.value}"


def main() -> None:
    """Print a warning where the running interpreter is a slow one."""
    if build_of(sysconfig.get_config_vars()) is Build.PLAIN:
        sys.stdout.write(WARNING)


if __name__ == "__main__":
    main()
