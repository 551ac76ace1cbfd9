# What the benchmarks of the server share; they source it. Sets SEAWAY (default: the release build),
# and scratch, a folder that goes away in the end, as the server does.

scripts="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
scratch=$(mktemp -d "${BENCH_FOLDER:-${TMPDIR:-/tmp}}/bench.XXXXXX")
server=
stop() {
    [[ -z $server ]] || { kill "$server" && wait "$server"; } 2>/dev/null || true
    server=
}
trap 'stop; rm -rf "$scratch"' EXIT

if [[ -z ${SEAWAY:-} ]]; then
    cargo build --quiet --release --manifest-path "$scripts/../Cargo.toml"
    SEAWAY="${CARGO_TARGET_DIR:-$scripts/../target}/release/seaway"
fi

# start FOLDER [ARGUMENT…]: serves it; sets server and address.
start() {
    local folder=$1 tries
    shift
    # What the one before has said is not to be taken for what this one says.
    : >"$scratch/said"
    SEAWAY_LOG=warn "$SEAWAY" serve --data "$folder" --listen 127.0.0.1:0 "$@" >"$scratch/said" &
    server=$!
    for ((tries = 0; tries < 600; tries++)); do
        address=$(sed -n 's,^listening on http://,,p' "$scratch/said")
        [[ -n $address ]] && return
        sleep 0.1
    done
    echo "the server does not start" >&2
    exit 1
}
