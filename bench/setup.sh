#!/bin/sh
# Makes bench/env: a Python environment of its own with PyTorch, for the comparisons in this folder.
set -eu
cd "$(dirname "$0")"
python3 -m venv env
env/bin/pip install --quiet --upgrade pip
env/bin/pip install --quiet torch==2.15.0 torchvision==0.29.2 numpy
env/bin/python -c 'import torch; print("PyTorch", torch.__version__, torch.__config__.parallel_info().splitlines()[1].strip())'
