#!/bin/sh
# Builds the adapter of the published uni-db host and runs the suite's uni:plugin cases on it. Arguments go to
# `witgate run`, for example `./run.sh --verbose --jobs 2`.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cargo build --locked --manifest-path "$here/Cargo.toml" --target-dir "$here/target"
cd "$here/../../.."
mkdir -p docs/results
page=docs/results/uni-plugin-wasm.md
status=0
cargo witgate run --contract uni --markdown "$page" "$@" \
    -- conformance/adapters/uni-plugin-wasm/target/debug/uni-plugin-wasm-adapter || status=$?
# A panic of the host names its source with a path of this machine.
sed -i 's#/[^ `]*/registry/src/[^/]*/##g' "$page"
exit "$status"
