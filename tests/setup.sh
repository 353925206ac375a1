#!/bin/sh
# Makes tests/env: a Python environment (3.11 or later) of its own with the programs that read our files, for the tests that
# hold exports and event files against them. Fails where that cannot be. Without it `cargo test` says SKIPPED for these tests;
# RECLRA_REQUIRE_TOOLS=1 makes them fail instead.
set -eu
cd "$(dirname "$0")"
wanted="onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6 safetensors==0.8.0 tensorboard==2.21.0"
# What is there already needs no network.
if env/bin/python - $wanted 2> /dev/null << 'END'
import importlib.metadata, sys
sys.exit(any(importlib.metadata.version(name) != version for name, version in (w.split("==") for w in sys.argv[1:])))
END
then
    exit 0
fi
failed() {
    echo "error: tests/env could not be made: $1" >&2
    exit 1
}
python3 -m venv env || failed "Python 3.11 or later with venv is needed (on Debian: python3-venv)"
env/bin/pip install --quiet --upgrade pip $wanted || failed "pip could not install $wanted"
env/bin/python -c 'import onnx, onnxruntime as o; print("ONNX Runtime", o.__version__, "ONNX", onnx.__version__)'
