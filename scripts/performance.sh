#!/bin/sh
# Runs every benchmark and writes docs/performance.md with its pictures. One command, about five minutes after the build;
# run it on a quiet machine.
#
#     scripts/performance.sh            # benchmarks, instruction counts (where valgrind is installed), page
#     scripts/performance.sh --page     # the page alone, from what the last runs left in target/
#
# The published uni-db host is measured too where its program is built:
#
#     scripts/performance.sh --uni-db   # builds it first: its dependencies take ten minutes the first time
set -eu
cd "$(dirname -- "$0")/.."
uni=conformance/adapters/uni-plugin-wasm

case ${1:-} in
--page) ;;
--uni-db)
    # The host's own crates and its engine are optimised; its other 400 dependencies are not, see the page.
    cargo build --locked --manifest-path "$uni/Cargo.toml" --target-dir "$uni/target" --bin arrow-path \
        --config 'profile.dev.package.wasmtime.opt-level=3' \
        --config 'profile.dev.package.uni-plugin-wasm.opt-level=3' \
        --config 'profile.dev.package.uni-plugin-wasm-rt.opt-level=3'
    ;;
'') ;;
*)
    sed -n '5,10p' "$0" >&2
    exit 64
    ;;
esac
if [ "${1:-}" != --page ]; then
    cargo bench --locked -p benches
    if command -v valgrind >/dev/null; then
        scripts/instructions.sh --show
    fi
fi
exec python3 scripts/performance.py
