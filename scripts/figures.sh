#!/usr/bin/env bash
# Measures everything that docs/figures.md tells, and writes that page. One command, a few minutes; run it on a quiet machine.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet -p conformance --bins
witgate=target/debug/witgate

# Every guest is compiled in the run that is measured; the last figure is of a run that reads back what one before it compiled.
export WITGATE_CACHE=
run=$($witgate run --timings)
process=$($witgate run --timings -- target/debug/witgate-reference)
guests=$(cargo test --quiet -p conformance --test guests -- --nocapture 2>&1 | sed -n 's/^\.*\([0-9]* guests: median\)/\1/p')
memory=$(scripts/peak-memory.sh)
instances=$($witgate run --timings 'pie.core.lifecycle.instances-1000' | grep 'instances-1000' | tail -n 1)
compiled=$(mktemp -d)
trap 'rm -rf "$compiled"' EXIT
WITGATE_CACHE=$compiled $witgate run > /dev/null
again=$(WITGATE_CACHE=$compiled $witgate run | tail -n 1)
four=$(WITGATE_CACHE=$compiled $witgate run --jobs 4 | tail -n 1)

{
  cat <<PAGE
# Figures

Measured by \`scripts/figures.sh\`, which writes this page, with the development profile of this repository, on $(nproc) processors
($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)), $(uname -sm). Waits that a case itself demands are counted apart. The floor is the same run once more,
on the same host and with as many workers: the same guests compiled, instantiated and run (made different in one custom section, so that nothing is
taken from a cache), nothing planned, decoded or judged.

## The whole suite on the reference host, in process

\`\`\`text
$run
\`\`\`

## The same, through the adapter protocol

\`\`\`text
$process
\`\`\`

## The same in process, with the guests that an earlier run compiled; with two workers and with four

\`\`\`text
$again
$four
\`\`\`

## Guests

\`\`\`text
$guests
\`\`\`

## 1,000 concurrent instances blocked in \`receive\`, all served

\`\`\`text
$instances
\`\`\`

## Memory

\`\`\`text
$memory
\`\`\`
PAGE
} > docs/figures.md
