#!/usr/bin/env bash
# Runs every fuzz target for some seconds (10 if none are given): scripts/fuzz.sh [SECONDS] [TARGET]…
#
# Needs a C++ compiler and, the first time, a registry to install cargo-fuzz from. Stable Rust is
# enough: what fuzzing asks of the compiler beyond it is unlocked for these builds alone. What a run
# finds worth keeping goes to a folder below the build folder and helps the next run; what broke a
# promise goes to fuzz/artifacts. With SEAWAY_SHARED_DATA, real events are among what it starts from.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds="${1:-10}"
shift || true
build="$(realpath -m "${CARGO_TARGET_DIR:-target}")/fuzz"
mkdir -p "$build"

# The version that this script was written for; kept with the build, as it takes minutes to make.
version=0.13.2
tools="$build/cargo-fuzz-$version"
if [[ ! -x "$tools/bin/cargo-fuzz" ]]; then
    cargo install cargo-fuzz --version "$version" --locked --root "$tools" \
        --target-dir "$build/tools"
    rm -rf "$build/tools"
fi
export PATH="$tools/bin:$PATH"

# The lock file is the one that is committed, or this fails.
cargo metadata --manifest-path fuzz/Cargo.toml --format-version 1 --locked >/dev/null

# Addresses need no sanitizer: there is no unsafe code here, and its check doubles the time.
export RUSTC_BOOTSTRAP=1
options=(--sanitizer none --codegen-units 16 --target-dir "$build")
cargo fuzz build "${options[@]}"

# Real bodies, in the form that the targets of webhooks take.
shared="${SEAWAY_SHARED_DATA:-../shared/data}"
real() {
    local folder="$build/corpus-shared/$1" file name
    mkdir -p "$folder"
    case "$1" in
    github | gitlab)
        [[ -d "$shared/$1" ]] || return 0
        while IFS= read -r file; do
            name="${file#"$shared/$1/"}"
            { printf '%s\n' "${name%%[/.]*}" && cat "$file"; } >"$folder/${name//\//_}"
        done < <(find "$shared/$1" -name '*.json')
        ;;
    cloudevents)
        [[ -d "$shared/cdevents" ]] || return 0
        while IFS= read -r file; do
            name="${file#"$shared/"}"
            { printf 'content-type: application/json\n\n' && cat "$file"; } \
                >"$folder/${name//\//_}"
        done < <(find "$shared/cdevents" -path '*conformance*' -name '*.json')
        ;;
    flags)
        [[ -d "$shared/flagd" ]] || return 0
        for file in "$shared"/flagd/evaluator/flags/*.json; do
            { printf '{"targetingKey":"u1","email":"ada@example.com"}\n\n' && cat "$file"; } \
                >"$folder/${file##*/}"
        done
        ;;
    catalog)
        [[ -d "$shared/backstage" ]] || return 0
        cp "$shared"/backstage/*.yaml "$folder/"
        ;;
    esac
}

targets=("$@")
if ((${#targets[@]} == 0)); then
    mapfile -t targets < <(cargo fuzz list)
fi
failed=()
for target in "${targets[@]}"; do
    printf -- '--- %s\n' "$target"
    found="$build/corpus/$target"
    mkdir -p "$found"
    real "$target"
    log="$build/$target.log"
    # -max_len bounds what is made up; the seeds show the sizes that matter.
    if cargo fuzz run "${options[@]}" "$target" \
        "$found" "fuzz/corpus/$target" "$build/corpus-shared/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=16384 \
        -dict=fuzz/words.dict -print_final_stats=1 >"$log" 2>&1; then
        grep -E '^stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)' "$log"
        grep -E '^#[0-9]+.*DONE' "$log" || true
    else
        failed+=("$target")
        tail -n 40 "$log"
    fi
done
if ((${#failed[@]})); then
    printf 'promises are broken: %s; what breaks them is in fuzz/artifacts\n' "${failed[*]}" >&2
    exit 1
fi
