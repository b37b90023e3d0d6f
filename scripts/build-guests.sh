#!/usr/bin/env bash
# Builds the guests in Rust, puts each where it is used, and writes what they were built from to conformance/guests/SOURCES.
# With `--check`, compares instead: fails when a source or a component is not the one that was built and, where the toolchain
# of that build is there, when the sources make other bytes now. `--check sources` leaves the building out.
#
# The toolchain is Debian's: apt-get install rustc-web cargo-web rust-web-src lld-22. The standard library is built from its
# source, without what prints panics; that is half of the size. Without these packages rustup's does (rustup target add
# wasm32-unknown-unknown), and makes larger components.
set -euo pipefail
cd "$(dirname "$0")/.."
guests=conformance/guests
list=$guests/SOURCES
target=wasm32-unknown-unknown

# PACKAGE FEATURES PLACE
components="
real-inferlet     -        conformance/cases/pie/guests/real.wasm
real-agent        -        conformance/cases/akshi/guests/real.wasm
real-instance     -        conformance/cases/yoi/guests/real.wasm
real-workload     -        conformance/cases/actr/guests/real.wasm
plugin-aggregates -        conformance/cases/uni/guests/real-aggregates.wasm
plugin-scalars    -        conformance/cases/uni/guests/real-scalars.wasm
plugin-procedures -        conformance/cases/uni/guests/real-procedures.wasm
plugin-aggregates unlawful $guests/unlawful/aggregates.wasm
plugin-scalars    unlawful $guests/unlawful/scalars.wasm
plugin-procedures unlawful $guests/unlawful/procedures.wasm
"

sources() {
  find $guests/aggregates $guests/real wit scripts/build-guests.sh fixtures/src/bin -type f \
    \( -name '*.rs' -o -name '*.toml' -o -name '*.lock' -o -name '*.wit' -o -name '*.sh' \) \
    -not -path '*/target/*' -not -path 'wit/driver/*' | LC_ALL=C sort | xargs sha256sum
}
places() { awk 'NF { print $3 }' <<<"$components"; }

check=false
[ "${1:-}" = --check ] && check=true
if $check; then
  if ! diff <(grep -v '^#' $list) <(sources; places | xargs sha256sum); then
    echo "a source or a component of the guests has changed: run scripts/build-guests.sh" >&2
    exit 1
  fi
  if [ "${2:-}" = sources ]; then
    echo "the guests are those that were built from these sources"
    exit 0
  fi
fi

flags=() extra=()
if [ -x /usr/bin/cargo ] && [ -d /usr/lib/rustlib/src/rust/library ] && command -v wasm-ld-22 >/dev/null; then
  export PATH="/usr/bin:$PATH" RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-22
  flags=(-Zunstable-options -Cpanic=immediate-abort)
  extra=(-Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size)
elif [ ! -d "$(rustc --print target-libdir --target $target)" ]; then
  echo "no toolchain for $target: see the top of this script" >&2
  $check || exit 1
fi
toolchain="# $(rustc --version), ${flags[*]:-its own standard library}"
if $check && ! grep -qxF "$toolchain" $list; then
  echo "the sources match; the toolchain of the components is not here, so the bytes were not compared"
  exit 0
fi

# Not with the toolchain above: this is a tool of the suite, built as the suite is.
env -u RUSTC_BOOTSTRAP PATH="${HOME:-}/.cargo/bin:$PATH" cargo build --quiet -p fixtures --bin componentize
# No path of this machine in the bytes.
export RUSTFLAGS="--remap-path-prefix=$PWD=/witgate --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo ${flags[*]:-}"
output=${WITGATE_GUESTS_TARGET:-$PWD/$guests/real/target}
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
while read -r package features place; do
  [ -n "$package" ] || continue
  [ "$features" = - ] && features=
  cargo build --quiet --locked --release --manifest-path $guests/real/Cargo.toml --target $target --target-dir "$output" \
    "${extra[@]}" -p "$package" --features "$features"
  mkdir -p "$built/$(dirname "$place")"
  target/debug/componentize "$output/$target/release/${package//-/_}.wasm" "$built/$place"
done <<<"$components"

if $check; then
  for place in $(places); do
    cmp "$built/$place" "$place"
  done
  echo "the guests are what their sources make"
else
  for place in $(places); do
    mkdir -p "$(dirname "$place")"
    cp "$built/$place" "$place"
  done
  { echo "$toolchain"; sources; places | xargs sha256sum; } >$list
  places | xargs ls -l
fi
