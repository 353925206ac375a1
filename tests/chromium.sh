#!/usr/bin/env bash
# Installs the browser that the tests of the report open pages in, where that is possible: Debian, as root, if none is there.
# Without one those tests say that they are skipped; RECLRA_REQUIRE_TOOLS=1 makes them fail instead.
set -uo pipefail
for name in chromium chromium-browser google-chrome; do
    command -v "$name" > /dev/null && exit 0
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "no browser is installed: the tests of the report's pages will be skipped" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q && apt-get install -y -q --no-install-recommends chromium fonts-dejavu-core \
    || echo "the browser could not be installed: the tests of the report's pages will be skipped" >&2
exit 0
