#!/usr/bin/env bash
# Runs every fuzz target, or those that are named, for so many seconds each (60 unless told), and says how many inputs it tried.
#
#     fuzz/run.sh [seconds [target...]]
#
# Wants cargo-fuzz (cargo install cargo-fuzz) and a C++ compiler. A stable toolchain will do: the switches of the sanitizers are
# unlocked by RUSTC_BOOTSTRAP. What breaks a target is left in fuzz/artifacts; new inputs are kept in fuzz/found, not in the corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTC_BOOTSTRAP=1
# Inputs are laid out as files; in memory that is a thousand times faster.
[ -d /dev/shm ] && export TMPDIR=/dev/shm
seconds=${1:-60}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <(cd fuzz/targets && ls *.rs | sed 's/\.rs$//')
fi
echo "| target | seconds | inputs tried | parts of the code reached | found |"
echo "|---|---|---|---|---|"
status=0
for target in "${targets[@]}"; do
    mkdir -p "fuzz/found/$target"
    log=$(mktemp)
    found=nothing
    cargo fuzz run --fuzz-dir fuzz "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- -max_total_time="$seconds" \
        -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 > "$log" 2>&1 || { found="see $log"; status=1; }
    tried=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    reached=$(grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
    echo "| $target | $seconds | ${tried:-0} | ${reached:-0} | $found |"
done
exit $status
