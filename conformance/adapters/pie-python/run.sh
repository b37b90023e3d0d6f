#!/bin/sh
# Runs the suite's Pie cases on the Python host and writes docs/results/pie-python.md. Arguments go to `witgate run`, for
# example `./run.sh --verbose`. `WASMTIME=50.0.1 ./run.sh` takes another engine than the pinned one, and writes no page.
set -eu
cd "$(dirname -- "$0")/../../.."
here=conformance/adapters/pie-python
pinned=$(sed -n 's/^wasmtime==//p' "$here/requirements.txt")
version=${WASMTIME:-$pinned}
venv=$here/.venv/$version
expectations=$here/expectations.txt
[ "$version" = "$pinned" ] || expectations=$here/expectations-wasmtime-$version.txt

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "wasmtime==$version"

if [ -f "$expectations" ]; then
    set -- --expectations "$expectations" "$@"
fi
if [ "$version" = "$pinned" ]; then
    mkdir -p docs/results
    set -- --markdown docs/results/pie-python.md "$@"
fi
exec cargo witgate run --contract pie --jobs 2 "$@" -- "$venv/bin/python" "$here/adapter.py"
