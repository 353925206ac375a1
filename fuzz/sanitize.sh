#!/usr/bin/env bash
# Runs the tests of the room with `unsafe` under a sanitizer: address (reads and writes out of bounds, after free) or thread (data
# races). Without a name, both.
#
#     fuzz/sanitize.sh [address|thread]
#
# One test at a time, so that the harness has no threads of its own. (Loom, which the model of the pool runs under, changes stacks by hand: that is not for sanitizers.)
# A stable toolchain will do: the switch is unlocked by RUSTC_BOOTSTRAP. The standard library is not instrumented.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTC_BOOTSTRAP=1
export TSAN_OPTIONS="suppressions=$PWD/fuzz/thread.supp"
host=$(rustc -vV | sed -n 's/^host: //p')
for which in ${1:-address thread}; do
    flags="-Zsanitizer=$which"
    # The two kinds of code differ in how they call; that of the standard library has no races of ours.
    [ "$which" = thread ] && flags="$flags -Cunsafe-allow-abi-mismatch=sanitizer"
    RUSTFLAGS="$flags" cargo test -p reclra-compute --lib --test kernels --test maps --test signals --test update \
        --target "$host" --target-dir "fuzz/target/$which" -- --test-threads 1
done
