#!/usr/bin/env bash
# Sees to it that there is a browser for the tests of the report's pages: installs one on Debian, as root, if none is there. Fails
# where that cannot be. Without a browser `cargo test` says SKIPPED for these tests; RECLRA_REQUIRE_TOOLS=1 makes them fail instead.
set -euo pipefail
for name in chromium chromium-browser google-chrome; do
    command -v "$name" > /dev/null && exit 0
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "error: no browser is on the PATH; install Chromium or Chrome" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -q && apt-get install -y -q --no-install-recommends chromium fonts-dejavu-core; } > /dev/null \
    || { echo "error: chromium could not be installed; install Chromium or Chrome" >&2; exit 1; }
