#!/usr/bin/env python3
"""A whole training step of image networks against PyTorch's backprop step of the same net, interleaved, as a Markdown table.

Run `bench/setup.sh` once, then `bench/env/bin/python bench/net_peer.py`. PyTorch runs eager, channels last, with its fused Adam
where it has one. Ratios are PyTorch's median over ours, the median over all rounds.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

try:
    import torch
    from torch import nn
except ModuleNotFoundError:
    sys.exit("error: PyTorch is not in this Python; run bench/setup.sh, then bench/env/bin/python bench/net_peer.py")

ROOT = pathlib.Path(__file__).resolve().parent.parent
# model, width, batch
NETS = [("resnet8", 16, 32), ("noise-resnet18", 64, 32)]
OURS = [("backprop", ["--rule", "backprop"]), ("skip", ["--wiring", "skip"]), ("layer, inner rec-LRA", ["--wiring", "layer", "--inner", "rec-lra"])]


class NoiseMap(nn.Module):
    def __init__(self, i, o, side):
        super().__init__()
        self.register_buffer("noise", 0.1 * torch.randn(1, i, side, side))
        self.norm, self.mix = nn.BatchNorm2d(i), nn.Conv2d(i, o, 1)

    def forward(self, x):
        return self.mix(self.norm(torch.relu(x + self.noise)))


class Block(nn.Module):
    def __init__(self, i, o, stride, side, noise):
        super().__init__()
        if noise:
            pool = [nn.MaxPool2d(stride)] if stride > 1 else []
            after = side // stride
            self.path = nn.Sequential(NoiseMap(i, o, side), *pool, nn.BatchNorm2d(o), nn.ReLU(), NoiseMap(o, o, after), nn.BatchNorm2d(o))
        else:
            self.path = nn.Sequential(
                nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(),
                nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o))
        same = stride == 1 and i == o
        self.shortcut = nn.Identity() if same else nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        return torch.relu(self.path(x) + self.shortcut(x))


def network(model, f):
    stages = [2, 2, 2, 2] if model.endswith("18") else [1, 1, 1]
    noise = model.startswith("noise")
    layers, channels, side = [nn.Conv2d(3, f, 3, 1, 1, bias=False), nn.BatchNorm2d(f), nn.ReLU()], f, 32
    for stage, count in enumerate(stages):
        for n in range(count):
            stride = 2 if stage and not n else 1
            layers.append(Block(channels, f << stage, stride, side, noise))
            channels, side = f << stage, side // stride
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def theirs(net, optim, batch, seconds):
    x = torch.randn(batch, 3, 32, 32).to(memory_format=torch.channels_last)
    y = torch.randint(10, (batch,))
    all_, end = [], time.perf_counter() + 1.25 * seconds
    while len(all_) < 5 or time.perf_counter() < end:
        begun = time.perf_counter()
        optim.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(net(x), y).backward()
        optim.step()
        all_.append((time.perf_counter() - begun) * 1e6)
    return statistics.median(all_[len(all_) // 5:])


def ours(binary, model, width, batch, flags, threads, seconds):
    command = [binary, "bench", "step", "--model", model, "--width", str(width), "--batch", str(batch), "--json", "--quiet",
               "--threads", str(threads), "--seconds", str(seconds), *flags]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return next(o for o in map(json.loads, lines) if o["event"] == "step")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=str(ROOT / "target/release/reclra"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--out", help="also write the table here")
    args = parser.parse_args()
    rows = ["| net, width, batch | threads | rule | ms a step | PyTorch's backprop / ours | our backprop / ours | GFLOP | MB moved |",
            "|---|---|---|---|---|---|---|---|"]
    for model, width, batch in NETS:
        torch.manual_seed(0)
        net = network(model, width).to(memory_format=torch.channels_last)
        try:
            optim = torch.optim.Adam(net.parameters(), 3e-3, fused=True)
        except RuntimeError:
            optim = torch.optim.Adam(net.parameters(), 3e-3)
        for threads in args.threads:
            torch.set_num_threads(threads)
            peer, own = [], {name: [] for name, _ in OURS}
            for _ in range(args.rounds):
                peer.append(theirs(net, optim, batch, args.seconds))
                for name, flags in OURS:
                    own[name].append(ours(args.binary, model, width, batch, flags, threads, args.seconds))
            for name, _ in OURS:
                us = [o["median_us"] for o in own[name]]
                ratio = statistics.median(a / b for a, b in zip(peer, us))
                against = statistics.median(a["median_us"] / b for a, b in zip(own["backprop"], us))
                work = own[name][0]
                flops = sum(work[p]["flops"] for p in ("forward", "messages", "update")) * 1e-9
                moved = sum(work[p]["bytes"] for p in ("forward", "messages", "update")) * 1e-6
                rows.append(f"| {model}, {width}, {batch} | {threads} | {name} | {statistics.median(us) / 1e3:.1f} | {ratio:.2f} | {against:.2f} | {flops:.2f} | {moved:.0f} |")
                print(rows[-1], file=sys.stderr, flush=True)
    text = "\n".join(rows) + f"\n\nPyTorch {torch.__version__}, reclra as in {pathlib.Path(args.binary).name}, {args.rounds} rounds of {args.seconds} s.\n"
    print(text)
    if args.out:
        pathlib.Path(args.out).write_text(text)


if __name__ == "__main__":
    main()
