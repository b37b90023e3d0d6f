#!/usr/bin/env bash
# Builds the guests in Rust and puts them into conformance/guests/prebuilt, with a list of what they were built from. With
# `--check`, compares instead: fails when a source has changed since, and, where a toolchain is there, when the bytes differ.
#
# The target wasm32-unknown-unknown comes from rustup where it has it. Elsewhere Debian's rustc-web, cargo-web, rust-web-src
# and lld-22 do: the standard library is built from source then.
set -euo pipefail
cd "$(dirname "$0")/.."
here=conformance/guests
out=$here/prebuilt
check=false
[ "${1:-}" = --check ] && check=true

sources() {
  find $here/aggregates $here/real wit -type f \
    \( -name '*.rs' -o -name '*.toml' -o -name '*.lock' -o -name '*.wit' \) -not -path '*/target/*' | LC_ALL=C sort | xargs sha256sum
}

if $check && ! diff <(sources) $out/SOURCES; then
  echo "a source has changed since the guests were built: run scripts/build-guests.sh" >&2
  exit 1
fi

target=wasm32-unknown-unknown
flags=()
run=(cargo)
if ! rustc --print target-libdir --target $target 2>/dev/null | xargs -I{} test -d {}; then
  if [ ! -x /usr/bin/cargo ] || ! command -v wasm-ld-22 >/dev/null; then
    if $check; then
      echo "the sources match; no toolchain for $target here, so the bytes were not compared"
      exit 0
    fi
    echo "no toolchain for $target: rustup target add $target, or on Debian apt-get install rustc-web cargo-web rust-web-src lld-22" >&2
    exit 1
  fi
  export RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-22
  flags=(-Zbuild-std=std,panic_abort)
  run=(env PATH="/usr/bin:$PATH" cargo)
fi
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
cargo build --quiet -p conformance --example componentize
# No path of this machine in the bytes.
remap="--remap-path-prefix=$PWD=/witgate --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
guest() { # NAME PACKAGE FEATURES
  RUSTFLAGS=$remap "${run[@]}" build --quiet --locked --release --manifest-path $here/real/Cargo.toml --target $target "${flags[@]}" -p "$2" ${3:+--features "$3"}
  target/debug/examples/componentize "$here/real/target/$target/release/${2//-/_}.wasm" "$built/$1.wasm"
}
guest aggregates-lawful plugin-aggregates ""
guest aggregates-unlawful plugin-aggregates unlawful
guest scalars-honest plugin-scalars ""
guest scalars-dishonest plugin-scalars unlawful
guest procedures real-procedures ""
guest inferlet real-inferlet ""
guest agent real-agent ""
guest instance real-instance ""
guest workload real-workload ""

if $check; then
  for guest in "$built"/*.wasm; do
    cmp "$guest" "$out/$(basename "$guest")" || { echo "built by another toolchain, or changed by hand: $(basename "$guest")" >&2; exit 1; }
  done
  echo "the guests are what their sources make"
else
  mkdir -p $out
  cp "$built"/*.wasm $out/
  sources >$out/SOURCES
  ls -l $out
fi
