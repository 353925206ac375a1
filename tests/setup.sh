#!/bin/sh
# Makes tests/env: a Python environment (3.11 or later) of its own with the programs that read our files, for the tests that
# hold exports against them. With RECLRA_REQUIRE_TOOLS=1 those tests fail, and are not left out, where it is missing.
set -eu
cd "$(dirname "$0")"
python3 -m venv env
env/bin/pip install --quiet --upgrade pip
env/bin/pip install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6 safetensors==0.8.0 tensorboard==2.21.0
env/bin/python -c 'import onnx, onnxruntime as o; print("ONNX Runtime", o.__version__, "ONNX", onnx.__version__)'
