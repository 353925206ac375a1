#!/usr/bin/env python3
"""reclra's step against PyTorch's, interleaved: median of the ratios over several rounds, as a Markdown table.

Run `bench/setup.sh` once, then `bench/env/bin/python bench/torch_ratio.py`. Each round measures ours and every PyTorch
variant one after the other, so that whatever else the machine does falls on all of them.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

try:
    import torch
except ModuleNotFoundError:
    sys.exit("error: PyTorch is not in this Python; run bench/setup.sh, then bench/env/bin/python bench/torch_ratio.py")

import peer

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHAPES = [
    ("784-5x256-10", 32, (2.4, 3.2), (2.0, 2.8)),
    ("784-3x1024-10", 32, (2.4, 2.8), (1.5, 2.0)),
    ("784-3x4096-10", 32, (2.0, 2.3), (1.1, 1.2)),
    ("784-8x256-10", 32, (2.4, 3.0), (2.0, 2.5)),
    ("784-5x256-10", 256, (1.2, 1.3), (1.1, 1.2)),
    ("784-5x256-10", 1, (3.0, 3.5), (2.4, 2.6)),
]


def ours(binary, arch, batch, rule, threads, seconds, extra=()):
    command = [binary, "bench", "step", "--arch", arch, "--batch", str(batch), "--rule", rule, "--json", "--quiet"]
    command += ["--threads", str(threads), "--seconds", str(seconds), *extra]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return next(o for o in map(json.loads, lines) if o["event"] == "step")


def extras(args):
    """Own rec-LRA over own backprop, two threads over one, and evaluation against PyTorch."""
    lines = []
    threads = max(args.threads)
    pair = {name: [] for name in ["backprop", "full", "gap"]}
    for _ in range(args.rounds):
        for name in pair:
            rule = "backprop" if name == "backprop" else "rec-lra"
            extra = [] if name == "backprop" else ["--wiring", name]
            pair[name].append(ours(args.binary, "784-8x256-10", 32, rule, threads, args.seconds, extra))
    for name, goal in [("full", 0.80), ("gap", 0.95)]:
        ratio = statistics.median(a["median_us"] / b["median_us"] for a, b in zip(pair[name], pair["backprop"]))
        flops = [sum(t[p]["flops"] for p in ("forward", "messages", "update")) for t in (pair[name][0], pair["backprop"][0])]
        lines.append(f"- rec-LRA, {name} wiring, over our backprop, 784-8x256-10, batch 32, {threads} threads: {ratio:.2f} of the "
                     f"time (goal {goal}), {flops[0] / flops[1]:.2f} of the operations of matrix products")
    if threads > 1:
        one = [ours(args.binary, "784-3x1024-10", 32, "rec-lra", 1, args.seconds)["median_us"] for _ in range(args.rounds)]
        all_ = [ours(args.binary, "784-3x1024-10", 32, "rec-lra", threads, args.seconds)["median_us"] for _ in range(args.rounds)]
        ratio = statistics.median(a / b for a, b in zip(one, all_))
        lines.append(f"- {threads} threads over one, 784-3x1024-10, batch 32: {ratio:.2f} times as fast (goal 1.7)")
    torch.set_num_threads(threads)
    ns = peer.widths("784-3x1024-10")
    step = peer.Evaluate(ns)
    batches = peer.data(ns[0], ns[-1], 256)
    ratios = []
    for _ in range(args.rounds):
        mine = ours(args.binary, "784-3x1024-10", 256, "rec-lra", threads, args.seconds)["evaluate_us"]
        ratios.append(peer.median_us(step, batches, args.seconds) / mine)
    lines.append(f"- Evaluation, 784-3x1024-10, batches of 256, {threads} threads: PyTorch takes "
                 f"{statistics.median(ratios):.2f} of our time (goal 1.0)")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=str(ROOT / "target/release/reclra"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rows", type=int, nargs="*", help="numbers of the rows, from 0")
    parser.add_argument("--compile", action="store_true", help="torch.compile variants as well (slow to start)")
    parser.add_argument("--out", help="also write the table here")
    args = parser.parse_args()
    if not pathlib.Path(args.binary).exists():
        sys.exit(f"error: {args.binary}: no such file; run cargo build --release, or name the program with --binary")
    rows = []
    for threads in args.threads:
        torch.set_num_threads(threads)
        for arch, batch, goal_lra, goal_bp in [SHAPES[i] for i in args.rows or range(len(SHAPES))]:
            ns = peer.widths(arch)
            batches = peer.data(ns[0], ns[-1], batch)
            wiring = "gap2" if len(ns) > 5 else "chain"  # reclra's defaults
            lra = {
                "E tied": peer.RecLra(ns, batch, wiring, tied=True),
                "E of its own": peer.RecLra(ns, batch, wiring, tied=False),
            }
            bp = {"autograd": peer.Backprop(ns, batch)}
            if args.compile:
                lra["compiled"] = peer.compiled(peer.RecLra(ns, batch, wiring, tied=True))
                bp["compiled"] = peer.compiled(peer.Backprop(ns, batch))
            theirs = {name: [] for name in [*lra, *bp]}
            mine, own_bp, floor = [], [], []
            for _ in range(args.rounds):
                t = ours(args.binary, arch, batch, "rec-lra", threads, args.seconds)
                mine.append(t["median_us"])
                floor.append(t["over_floor"])
                for name, step in {**lra, **bp}.items():
                    theirs[name].append(peer.median_us(step, batches, args.seconds))
                own_bp.append(ours(args.binary, arch, batch, "backprop", threads, args.seconds)["median_us"])
            def ratio(names, base):
                best = min(names, key=lambda n: statistics.median(theirs[n]))
                return statistics.median(t / m for t, m in zip(theirs[best], base)), best
            r_lra, which_lra = ratio(lra, mine)
            r_bp, which_bp = ratio(bp, mine)
            r_own, _ = ratio(bp, own_bp)
            goals = goal_lra[threads > 1], goal_bp[threads > 1]
            row = [f"{arch}, batch {batch}", threads, f"{statistics.median(mine):.0f}",
                   f"{statistics.median(own_bp):.0f}",
                   f"{statistics.median(theirs[which_lra]):.0f} ({which_lra})",
                   f"{statistics.median(theirs[which_bp]):.0f} ({which_bp})",
                   f"{r_lra:.2f} ({goals[0]})", f"{r_bp:.2f} ({goals[1]})", f"{r_own:.2f} (1.0)",
                   f"{statistics.median(floor):.2f}"]
            rows.append(row)
            print(" | ".join(map(str, row)), file=sys.stderr, flush=True)
    head = ["step", "threads", "rec-LRA us", "backprop us", "PyTorch rec-LRA us", "PyTorch backprop us",
            "PyTorch rec-LRA / rec-LRA (goal)", "PyTorch backprop / rec-LRA (goal)",
            "PyTorch backprop / backprop (goal)", "rec-LRA over floor"]
    table = ["| " + " | ".join(map(str, r)) + " |" for r in [head, ["---"] * len(head), *rows]]
    table += [""] + extras(args)
    text = "\n".join(table) + f"\n\nPyTorch {torch.__version__}; medians over {args.rounds} interleaved rounds.\n"
    print(text)
    if args.out:
        pathlib.Path(args.out).write_text(text)


if __name__ == "__main__":
    main()
