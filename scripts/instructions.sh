#!/bin/sh
# Counts the instructions of the hot paths at two commits and fails where one has grown by more than 5 %.
#
#     scripts/instructions.sh BASE [HEAD]     # HEAD: the working tree, unless named
#     scripts/instructions.sh --show          # the counts of the working tree alone
#
# Needs valgrind. Times on a shared machine are noise; counts are not: two runs of one program differ by less than 2 %, and that
# only where a hash table has a seed.
# Each commit is built in the bench profile in a target folder they share, so that only the crates of the tree are built
# twice. The limit in percent can be set as LIMIT, another profile as PROFILE.
set -eu
limit=${LIMIT:-5}
profile=${PROFILE:-bench}
case $profile in
bench | release) folder=release ;;
dev) folder=debug ;;
*) folder=$profile ;;
esac
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/instructions
mkdir -p "$work"

usage() {
    sed -n '4,5p' "$0" >&2
    exit 64
}

case ${1:-} in
'' | -h | --help) usage ;;
esac
command -v valgrind >/dev/null || {
    echo "valgrind is not installed" >&2
    exit 70
}

# Builds the program of a tree and puts it where the next build does not overwrite it.
build() { # tree, name
    (cd "$1" && CARGO_TARGET_DIR=$target cargo build --locked --profile "$profile" -p benches --bin hot-paths)
    cp "$target/$folder/hot-paths" "$work/$2"
}

# The program of a commit. Kept by its hash: a commit does not change.
commit() { # revision
    hash=$(git rev-parse --verify --quiet "$1^{commit}") || {
        echo "no commit '$1'" >&2
        exit 64
    }
    name=hot-paths-$profile-$hash
    if [ ! -x "$work/$name" ]; then
        tree=$work/tree-$hash
        git worktree add --quiet --force --detach "$tree" "$hash"
        trap 'git worktree remove --force "$tree"' EXIT
        [ -d "$tree/benches/callgrind" ] || {
            echo "commit '$1' has no hot paths to count" >&2
            exit 64
        }
        build "$tree" "$name" >&2
        git worktree remove --force "$tree"
        trap - EXIT
    fi
    echo "$work/$name"
}

# "NAME COUNT" for every path, the count of one turn.
count() { # program
    for path in $("$1"); do
        # Addresses decide where a hash table puts things, so they are the same in every run.
        log=$work/$path.log
        setarch "$(uname -m)" -R valgrind --tool=callgrind --callgrind-out-file=/dev/null \
            --collect-atstart=no --toggle-collect='hot_paths::measured' "$1" "$path" >/dev/null 2>"$log" || {
            cat "$log" >&2
            exit 70
        }
        collected=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$log")
        [ "${collected:-0}" -gt 0 ] || {
            echo "nothing was counted for '$path'" >&2
            exit 70
        }
        echo "$path $((collected / 20))"
    done
}

if [ "$1" = --show ]; then
    build "$root" hot-paths-tree >&2
    count "$work/hot-paths-tree" >"$work/head.txt"
    awk '{ printf "%-12s %14d\n", $1, $2 }' "$work/head.txt"
    exit 0
fi

base=$(commit "$1")
if [ -n "${2:-}" ]; then
    head=$(commit "$2")
else
    build "$root" hot-paths-tree >&2
    head=$work/hot-paths-tree
fi
count "$base" >"$work/base.txt"
count "$head" >"$work/head.txt"
awk -v limit="$limit" '
    NR == FNR { base[$1] = $2; next }
    FNR == 1 { printf "%-12s %14s %14s %9s\n", "path", "before", "after", "change" }
    {
        if (!($1 in base)) { printf "%-12s %14s %14d %9s\n", $1, "-", $2, "new"; next }
        change = 100 * ($2 - base[$1]) / base[$1]
        slower = change > limit
        failed = failed || slower
        printf "%-12s %14d %14d %+8.2f%%%s\n", $1, base[$1], $2, change, slower ? "  more than " limit " %" : ""
        delete base[$1]
    }
    END {
        for (gone in base) { printf "%-12s %14d %14s %9s\n", gone, base[gone], "-", "gone"; failed = 1 }
        exit failed
    }' "$work/base.txt" "$work/head.txt"
