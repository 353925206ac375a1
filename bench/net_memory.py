#!/usr/bin/env python3
"""Peak memory of training steps of image networks, ours and PyTorch's backprop, each in a process of its own, as a Markdown table.

Run `bench/setup.sh` once, then `bench/env/bin/python bench/net_memory.py`. Figures are the largest resident size in MB = 2^20 bytes,
program and libraries included; the last column is PyTorch's before it makes the network.
"""

import argparse
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
# model, width
NETS = [("resnet8", 16), ("noise-resnet18", 64)]
RULES = [["--rule", "backprop"], ["--wiring", "skip"], ["--wiring", "layer", "--inner", "rec-lra"]]
PEER = """
import resource, sys
import torch
import net_peer
size = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
torch.set_num_threads(1)
before = size()
net = net_peer.network(sys.argv[1], int(sys.argv[2])).to(memory_format=torch.channels_last)
net_peer.theirs(net, torch.optim.Adam(net.parameters(), 3e-3), int(sys.argv[3]), 0.3)
print(size(), before)
"""


def ours(command):
    child = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"error: {' '.join(command)} failed; build it with `cargo build --release`")
    return usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=str(HERE.parent / "target/release/reclra"))
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()
    print("| net, width | backprop MB | skip MB | layer, inner rec-LRA MB | PyTorch's backprop MB | of which PyTorch itself MB |")
    print("|---|---|---|---|---|---|")
    for model, width in NETS:
        step = [args.binary, "bench", "step", "--model", model, "--width", str(width), "--batch", str(args.batch), "--threads", "1",
                "--seconds", "0.3", "--quiet"]
        sizes = [ours(step + rule) for rule in RULES]
        peer = [sys.executable, "-c", PEER, model, str(width), str(args.batch)]
        sizes += map(float, subprocess.run(peer, check=True, capture_output=True, text=True, cwd=HERE).stdout.split())
        print(f"| {model}, {width} | " + " | ".join(f"{size:.0f}" for size in sizes) + " |", flush=True)


if __name__ == "__main__":
    main()
