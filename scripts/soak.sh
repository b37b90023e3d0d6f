#!/usr/bin/env bash
# Runs the whole suite on the reference host N times in a row (50 when not given), in shuffled order, with 4 jobs. Stops at the
# first run that is not green and shows it.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-50}
witgate=${WITGATE:-target/debug/witgate}
[ -x "$witgate" ] || cargo build --quiet -p conformance --bins
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for seed in $(seq 1 "$runs"); do
  if ! "$witgate" --root . run --jobs 4 --shuffle "$seed" >"$log" 2>&1; then
    cat "$log"
    echo "run $seed of $runs is not green; again: $witgate run --jobs 4 --shuffle $seed"
    exit 1
  fi
  echo "$seed/$runs $(tail -n 1 "$log")"
done
echo "$runs runs, all green, in $SECONDS s"
