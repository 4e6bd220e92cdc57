#!/bin/sh
# What a script does with lanpost: set two instances up on one folder, send, read, answer, acknowledge, trace.
# No daemon runs here: each command makes one pass over the share by itself. Needs `lanpost` on the PATH.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir "$place/share"

office() { lanpost --config "$place/office.toml" "$@"; }
lab() { lanpost --config "$place/lab.toml" "$@"; }

office init --share "$place/share" --instance office --state "$place/office.state"
lab init --share "$place/share" --instance lab --state "$place/lab.state"

# --id makes a second send of the same message a no-op: safe to retry.
office send lab "is the build green?" --id build-42
office send lab "is the build green?" --id build-42

lab inbox
lab read build-42
lab reply build-42 "yes, since noon"
lab ack build-42

# The answer, and the receipts that came with it.
office wait --timeout 10s
office trace build-42

# Scripts read JSON and exit codes. The first "state" is the message's, others are those of its steps and its answers;
# where there is jq, `jq -r .state` says the same.
state=$(office trace build-42 --json | tr ',{' '\n\n' | sed -n 's/^"state": *"\([a-z]*\)".*/\1/p' | head -n 1)
test "$(office inbox --json | grep -c 'since noon')" -eq 1
office send nobody hello 2>/dev/null && exit 1 || test $? -eq 3
echo "done: build-42 is $state"
