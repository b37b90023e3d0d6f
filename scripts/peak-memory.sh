#!/usr/bin/env bash
# Peak resident memory of one whole run on the reference host, in process; fails above 1 GiB.
set -euo pipefail
cd "$(dirname "$0")/.."
witgate=${WITGATE:-target/debug/witgate}
[ -x "$witgate" ] || cargo build --quiet -p conformance --bins
python3 - "$witgate" <<'PY'
import resource
import subprocess
import sys

done = subprocess.run([sys.argv[1], "--root", ".", "run"], stdout=subprocess.PIPE, text=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
print(f"{done.stdout.strip().splitlines()[-1]}; peak resident memory {peak} MiB")
sys.exit(done.returncode or (1 if peak > 1024 else 0))
PY
