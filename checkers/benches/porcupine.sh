#!/bin/sh
# Compares `cargo bench -p duress-checkers` with Porcupine, on the same machine and histories.
#
#   checkers/benches/porcupine.sh <Porcupine's source>
#
# Needs Go (Debian: golang) and a checkout of https://github.com/anishathalye/porcupine, which is
# not part of this repository. With DURESS_CORPUS set, the published histories are compared, too.
# Prints for each measurement our median, Porcupine's and the ratio, in milliseconds. A history on
# which Porcupine runs out of its 30 s is marked, and the ratio is then at least what is printed.
# Our figures include proofs and explanations; Porcupine's are its verdict alone.
set -eu

[ $# -eq 1 ] || { sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2; }
porcupine=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
command -v go >/dev/null || { echo "Go is not installed (Debian: apt install golang)"; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/histories" "$work/go"

DURESS_BENCH_HISTORIES=$work/histories cargo bench --manifest-path "$here/../Cargo.toml" --bench linear \
    | tee "$work/ours.txt"

cp "$here/porcupine.go" "$work/go/main.go"
cat >"$work/go/go.mod" <<MOD
module compare
go 1.18
require github.com/anishathalye/porcupine v0.0.0
replace github.com/anishathalye/porcupine => $porcupine
MOD
# GOFLAGS: nothing is fetched from anywhere.
(cd "$work/go" && GOFLAGS=-mod=mod GOPROXY=off go build -o compare .)
"$work/go/compare" "$work/histories" >"$work/theirs.txt"

awk -F'\t' '
    NR == FNR {
        if (match($0, /: median [0-9.]+ ms/)) {
            name = substr($0, 1, RSTART - 1); sub(/^ +/, "", name); gsub(/ /, "-", name)
            ours[name] = substr($0, RSTART + 9, RLENGTH - 12)
        }
        next
    }
    $1 in ours {
        ratio = ($2 == "-" || ours[$1] + 0 == 0) ? "-" : sprintf("%.1f", $2 / ours[$1])
        printf "%-60s ours %10s ms   Porcupine %10s ms   ratio %8s   %s\n", $1, ours[$1], $2, ratio, $3
    }
' "$work/ours.txt" "$work/theirs.txt"
