#!/usr/bin/env bash
# How fast `seaway measure` is, beside git on the same repository in the same run.
#
#   scripts/bench.sh pairs REPO             the pairs below on one repository
#   scripts/bench.sh growth [COMMITS...]    made-up histories (default: 500000 1000000 2000000),
#                                           each with 1,000 deployments, and the first of them
#                                           with 10 and with 100,000
#   scripts/bench.sh made COMMITS DEPLOYMENTS   the pairs on a made-up history
#
# ROUNDS (7) and SIZE_ROUNDS (3) say how often each pair is run, SEAWAY which program (default: the
# release build), BENCH_FOLDER where histories are made (default: a temporary folder; whatever is
# made there is kept and used again only if you name it), FILES how many files a made-up history
# has (0: empty trees; sizes are then not compared).
#
# The two commands of a pair take turns after one run of each that does not count, so both find
# the files of the repository in memory. Medians of wall time are shown, and the ratio of medians.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
rounds=${ROUNDS:-7}
size_rounds=${SIZE_ROUNDS:-3}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export SEAWAY_CACHE="$scratch/cache"
folder=${BENCH_FOLDER:-$scratch}
files=${FILES:-0}

if [[ -z ${SEAWAY:-} ]]; then
    cargo build --quiet --release --manifest-path "$here/../Cargo.toml"
    SEAWAY="${CARGO_TARGET_DIR:-$here/../target}/release/seaway"
fi

# Microseconds that a command takes.
clock() {
    local start=${EPOCHREALTIME/./}
    "$@" >/dev/null
    echo $((${EPOCHREALTIME/./} - start))
}

median() {
    sort -n "$1" | awk '{ v[NR] = $1 }
        END { m = int((NR + 1) / 2); print (NR % 2 ? v[m] : (v[m] + v[m + 1]) / 2) / 1e6 }'
}

# pair NAME BUDGET ROUNDS OURS THEIRS: two functions in turn.
pair() {
    local name=$1 budget=$2 n=$3 ours=$4 theirs=$5
    "$ours" >/dev/null
    "$theirs" >/dev/null
    : >"$scratch/ours"
    : >"$scratch/theirs"
    for ((round = 0; round < n; round++)); do
        clock "$theirs" >>"$scratch/theirs"
        clock "$ours" >>"$scratch/ours"
    done
    awk -v name="$name" -v budget="$budget" -v n="$n" \
        -v ours="$(median "$scratch/ours")" -v theirs="$(median "$scratch/theirs")" 'BEGIN {
            printf "%-28s %9.3f s %9.3f s %7.2f   <= %-5s %s\n", name, ours, theirs, ours / theirs,
                budget, "n = " n }'
}

list() { git -C "$repo" --no-pager log --all --format='%H %P %at %ct'; }
numstat() { git -C "$repo" --no-pager log --numstat --no-merges --all; }
cold() { "$SEAWAY" measure "$repo" --no-sizes --no-cache; }
warm() { "$SEAWAY" measure "$repo" --no-sizes; }
sizes() { "$SEAWAY" measure "$repo" --no-cache; }
warm_sizes() { "$SEAWAY" measure "$repo"; }

# One more commit with a deployment on top of a copy that shares the objects of the repository.
deploy() {
    local tip
    deployed=$((${deployed:-0} + 1))
    tip=$(git -C "$repo" -c user.name=Bench -c user.email=bench@example.com \
        commit-tree 'HEAD^{tree}' -p HEAD -m "Change $deployed")
    git -C "$repo" update-ref HEAD "$tip"
    git -C "$repo" tag "v99999.$deployed" "$tip"
}

# Time of a warm measure after each new deployment.
one_more() {
    local original=$1 repo="$scratch/copy.git"
    git clone --quiet --bare --shared "$original" "$repo"
    warm >/dev/null
    : >"$scratch/ours"
    for ((round = 0; round < rounds; round++)); do
        deploy
        clock warm >>"$scratch/ours"
    done
    printf '%-28s %9.3f s\n' "warm, a deployment more" "$(median "$scratch/ours")"
    rm -rf "$repo"
}

# peak OPTIONS...: mebibytes of memory that a measure takes at the most.
peak() {
    if [[ ! -x /usr/bin/time ]]; then
        echo "not known (install GNU time)"
        return
    fi
    /usr/bin/time -f '%M' -o "$scratch/peak" "$SEAWAY" measure "$repo" --no-cache "$@" >/dev/null
    awk '{ printf "%.0f MiB", $1 / 1024 }' "$scratch/peak"
}

describe() {
    local commits tags
    commits=$(git -C "$1" rev-list --all --count)
    tags=$(git -C "$1" for-each-ref refs/tags | wc -l)
    printf '%s: %s commits, %s tags\n' "$(basename "$1")" "$commits" "$tags"
}

pairs() {
    repo=$1
    describe "$repo"
    printf '%-28s %11s %11s %7s\n' "" seaway git ratio
    pair "cold, without sizes" 1.0 "$rounds" cold list
    pair "warm, without sizes" 0.25 "$rounds" warm list
    one_more "$repo"
    printf '%-28s %11s\n' "peak memory, without sizes" "$(peak --no-sizes)"
    if [[ -n $(git -C "$repo" ls-tree HEAD) ]]; then
        pair "cold, with sizes" 0.5 "$size_rounds" sizes numstat
        pair "warm, with sizes" 0.5 "$size_rounds" warm_sizes numstat
        printf '%-28s %11s\n' "peak memory, with sizes" "$(peak)"
    fi
}

# made_history COMMITS DEPLOYMENTS: prints the folder of the repository.
made_history() {
    local repo="$folder/history-$1-$2-$files.git"
    if [[ ! -d $repo ]]; then
        git init --quiet --bare --initial-branch main "$repo.part"
        "$here/make_history.py" --commits "$1" --deployments "$2" --files "$files" |
            git -C "$repo.part" fast-import --quiet --done
        git -C "$repo.part" pack-refs --all
        git -C "$repo.part" repack -adfq
        mv "$repo.part" "$repo"
    fi
    echo "$repo"
}

# grow COMMITS DEPLOYMENTS: one line on a made-up history.
grow() {
    repo=$(made_history "$1" "$2")
    cold >/dev/null
    : >"$scratch/ours"
    for ((round = 0; round < rounds; round++)); do
        clock cold >>"$scratch/ours"
    done
    awk -v commits="$1" -v deployments="$2" -v seconds="$(median "$scratch/ours")" \
        -v peak="$(peak --no-sizes)" 'BEGIN {
            printf "%9d commits %7d deployments %9.3f s %7.2f us a commit   peak %s\n",
                commits, deployments, seconds, seconds * 1e6 / commits, peak }'
}

growth() {
    local sizes=("$@")
    ((${#sizes[@]})) || sizes=(500000 1000000 2000000)
    echo "cold, without sizes; medians of $rounds"
    for commits in "${sizes[@]}"; do
        grow "$commits" 1000
    done
    grow "${sizes[0]}" 10
    grow "${sizes[0]}" 100000
}

case "${1:-}" in
pairs) pairs "${2:?name a repository}" ;;
made) pairs "$(made_history "${2:?how many commits}" "${3:?how many deployments}")" ;;
growth) growth "${@:2}" ;;
*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
