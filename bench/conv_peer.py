#!/usr/bin/env python3
"""reclra's convolutions against PyTorch's, interleaved, as a Markdown table.

Run `bench/setup.sh` and `cargo build --release -p reclra-compute --example convolutions` once, then
`bench/env/bin/python bench/conv_peer.py`. Each round times one phase of PyTorch (channels last, its fastest layout on a CPU),
then ours, so that whatever else the machine does falls on both. Ratios are PyTorch's time over ours, of the least times and
of the medians over all rounds.
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
except ModuleNotFoundError:
    sys.exit("error: PyTorch is not in this Python; run bench/setup.sh, then bench/env/bin/python bench/conv_peer.py")

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHAPES = [(64, 32, 10), (16, 32, 32), (32, 16, 32), (64, 8, 32), (16, 32, 64), (32, 16, 64), (64, 8, 64)]
PHASES = ["forward", "update", "back"]


def phases(channels, side, batch):
    """The three phases of a 3x3 convolution, as functions."""
    def tensor(*shape):
        return torch.randn(*shape).to(memory_format=torch.channels_last)

    x, e = tensor(batch, channels, side, side), tensor(batch, channels, side, side)
    w = tensor(channels, channels, 3, 3)

    def back(z, u):
        return torch.ops.aten.convolution_backward(e, x, w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [z, u, False])

    return {
        "forward": lambda: torch.nn.functional.conv2d(x, w, padding=1),
        "update": lambda: back(False, True),
        "back": lambda: back(True, False),
    }


def times(call, seconds):
    """Least and median time of a call, in microseconds."""
    call()
    call()
    all_, end = [], time.perf_counter() + seconds
    while len(all_) < 5 or time.perf_counter() < end:
        begun = time.perf_counter()
        call()
        all_.append((time.perf_counter() - begun) * 1e6)
    return min(all_), statistics.median(all_)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=str(ROOT / "target/release/examples/convolutions"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.2, help="time of each phase in a round")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rows", type=int, nargs="*", help="numbers of the rows, from 0")
    parser.add_argument("--out", help="also write the table here")
    args = parser.parse_args()
    if not pathlib.Path(args.binary).exists():
        sys.exit(f"error: {args.binary}: no such file; run cargo build --release -p reclra-compute --example convolutions")
    peer = subprocess.Popen([args.binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    rows = []
    for channels, side, batch in [SHAPES[i] for i in args.rows or range(len(SHAPES))]:
        calls = phases(channels, side, batch)
        for threads in args.threads:
            torch.set_num_threads(threads)
            theirs, ours = {p: [] for p in PHASES}, {}
            with torch.no_grad():
                for _ in range(args.rounds):
                    for phase in PHASES:
                        theirs[phase].append(times(calls[phase], args.seconds))
                    print(threads, channels, channels, side, batch, 3, args.seconds, file=peer.stdin, flush=True)
                    for name, pair in json.loads(peer.stdout.readline()).items():
                        ours.setdefault(name, []).append(pair)
            least = lambda pairs: min(p[0] for p in pairs)
            middle = lambda pairs: statistics.median(p[1] for p in pairs)
            sums = [sum(f(of[p]) for p in PHASES) for f in (least, middle) for of in (theirs, ours)]
            noise = least(ours["noise_forward"]) + least(ours["noise_update"])
            row = [f"{channels}x{side}x{side}, batch {batch}", threads]
            row += [f"{least(ours[p]):.0f} ({least(theirs[p]) / least(ours[p]):.2f})" for p in PHASES]
            row += [f"{sums[1]:.0f}", f"{sums[0] / sums[1]:.2f}", f"{sums[2] / sums[3]:.2f}",
                    f"{(least(ours['forward']) + least(ours['update'])) / noise:.2f}"]
            rows.append(row)
            print(" | ".join(map(str, row)), file=sys.stderr, flush=True)
    head = ["3x3 convolution", "threads", "forward us (ratio)", "update us (ratio)", "back us (ratio)", "all us",
            "PyTorch / ours, least", "PyTorch / ours, medians", "3x3 / noise map, forward and update"]
    text = "\n".join("| " + " | ".join(map(str, r)) + " |" for r in [head, ["---"] * len(head), *rows])
    text += f"\n\nPyTorch {torch.__version__}; {args.rounds} interleaved rounds.\n"
    print(text)
    if args.out:
        pathlib.Path(args.out).write_text(text)
    peer.stdin.close()
    peer.wait()


if __name__ == "__main__":
    main()
