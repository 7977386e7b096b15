import sysconfig
from typing import Any

import pytest

from diagnostics.interpreter import Build, build_of, describe

# What a makefile of CPython has, whether it is used or not.
PROFILED = {"PGO_PROF_USE_FLAG": "-fprofile-use -fprofile-correction"}


@pytest.mark.parametrize(
    ("variables", "build"),
    [
        (PROFILED | {"CONFIG_ARGS": "'--prefix=/usr/local' '--enable-optimizations'"}, Build.OPTIMIZED),
        # `make profile-opt`, without a word to configure.
        (
            PROFILED | {"CONFIG_ARGS": "'--prefix=/usr'", "PY_CFLAGS_NODIST": "-std=c11 -fprofile-use"},
            Build.OPTIMIZED,
        ),
        (PROFILED | {"CONFIG_ARGS": "'--prefix=/usr'", "PY_CFLAGS_NODIST": "-std=c11"}, Build.PLAIN),
        # Debian's.
        ({"CONFIG_ARGS": "'--prefix=/usr'", "PGO_PROF_USE_FLAG": ""}, Build.UNKNOWN),
        # Windows has none of them.
        ({}, Build.UNKNOWN),
    ],
    ids=["configured", "made", "plain", "debian", "windows"],
)
def test_build_is_told_from_what_the_interpreter_says_of_itself(variables: dict[str, Any], build: Build) -> None:
    assert build_of(variables) is build


def test_interpreter_is_described_with_its_build() -> None:
    assert describe().endswith(build_of(sysconfig.get_config_vars()).value)
