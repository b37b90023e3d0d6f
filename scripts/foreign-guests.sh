#!/usr/bin/env bash
# Runs the cases of real guests on guests in other languages: an agent in Python (componentize-py) for Akshi, a plugin in
# JavaScript (componentize-js) for Yoi. Both are built on demand, into target/foreign-guests. Arguments go to `witgate run`,
# as in `scripts/foreign-guests.sh --verbose` or `scripts/foreign-guests.sh -- my-adapter`. Needs Python 3.10 and Node 20.
#
# What the host has to show is what it has to show with the guests in Rust, word for word: the cases are made of
# conformance/cases/*/real.case. Only what the weight of an interpreter asks for differs, and stands below.
set -euo pipefail
cd "$(dirname "$0")/.."
sources=conformance/guests/foreign
work=$PWD/target/foreign-guests
root=$work/root
mkdir -p "$work"

# A fresh tree for `witgate --root`, so that no case or guest of an earlier run stays.
rm -rf "$root"
mkdir -p "$root"
cp -r wit "$root/wit"
tree() { # CONTRACT LANGUAGE: cases and contract, under ids that tell the language.
  local cases=$root/conformance/cases/$1
  mkdir -p "$cases/guests"
  cp -r "conformance/cases/$1/contract.toml" "conformance/cases/$1/schemas" "$cases/"
  # Compiling megabytes of code takes longer than the 30 s a case has.
  sed -e "s/^group $1\.real\$/group $1.$2/" -e 's/^case .*/& limit 10m/' "conformance/cases/$1/real.case" >"$cases/$2.case"
}

tree akshi python
python=$work/python
[ -x "$python/bin/python" ] || python3 -m venv "$python"
"$python/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r $sources/python/requirements.txt
"$python/bin/componentize-py" --quiet --wit-path wit/akshi --world agent componentize agent \
  --python-path $sources/python --stub-wasi --output "$root/conformance/cases/akshi/guests/real.wasm"

tree yoi javascript
# The figures of the profile `yoi` are for plugins of native languages; an engine for JavaScript needs more room.
room="some({memory-bytes: 67108864, table-elements: 65536, compute-ms: 0, envelope-bytes: 0, queue-capacity: 0, component-bytes: some(33554432)})"
sed -i.old -e "s/^\(environment = .*\)limits: none/\1limits: $room/" "$root/conformance/cases/yoi/contract.toml"
javascript=$work/javascript
mkdir -p "$javascript"
cp $sources/javascript/{package.json,package-lock.json,build.mjs} "$javascript/"
(cd "$javascript" && npm ci --loglevel error --ignore-scripts --no-audit --no-fund >/dev/null)
# componentize-js imports all that the world imports, used or not, and a host refuses imports that come with a grant the plugin
# has not got. So this plugin's world is without files and WebSockets.
rm -rf "$javascript/wit"
cp -r wit/yoi "$javascript/wit"
sed -i.old -e '/^import yoi:host\/websocket@/d' -e '/^import yoi:host\/fs@/d' "$javascript/wit/plugin.wit"
node "$javascript/build.mjs" $sources/javascript/instance.js "$javascript/wit" instance \
  "$root/conformance/cases/yoi/guests/real.wasm"

# Fewer cases than there are would be red, unless some were chosen.
[ $# -gt 0 ] || set -- --at-least "$(cat "$root"/conformance/cases/*/*.case | grep -c '^case ')"
# One job: a component is compiled once in a process, and cases that need it at the same time would compile it each.
cargo witgate --root "$root" run --jobs 1 "$@"
