#!/bin/bash
# Whether `systemd-analyze verify` fails for a setting that systemd ignores.
#
# One would guess: a unit with a setting that does not exist, or a value that cannot be read, is not verified, and the
# exit status says so, as that of any linter; a build that runs `systemd-analyze verify FILE` stops.
# Seen with systemd 252, as Debian 12 has it: a line on standard error and status 0. Of a misspelled ProtectHome= the
# service starts without the protection. Only what keeps a unit from loading, such as a missing program, gives status 1.
# Why it matters: a check of the unit has to demand that nothing is printed. The test of deploy/securecall.service does.
#
# Needs systemd from apt; no systemd has to run.
set -euo pipefail
systemd-analyze --version | head -n 1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
changed=0

verify() { # NAME EXPECTED-STATUS LINE...
  local name=$1 expected=$2 status=0 said
  shift 2
  printf '%s\n' "[Service]" "$@" >"$folder/example.service"
  said=$(systemd-analyze verify --man=no "$folder/example.service" 2>&1) || status=$?
  echo "$name: status $status; $(sed "s#$folder/##" <<<"${said:-nothing is said}" | head -n 1)"
  [ "$status" = "$expected" ] || changed=1
}

verify "a good unit" 0 "ExecStart=/bin/true" "ProtectHome=yes"
verify "a misspelled setting" 0 "ExecStart=/bin/true" "ProtctHome=yes"
verify "a value that is none" 0 "ExecStart=/bin/true" "ProtectHome=perhaps"
verify "a program that is not there" 1 "ExecStart=/nowhere/at/all"
exit "$changed"
