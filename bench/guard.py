#!/usr/bin/env python3
"""The step of one commit against that of another: is HEAD slower than BASE?

`python3 bench/guard.py BASE [HEAD]` builds both commits (what is not committed is left out), runs `reclra bench step` of
the two in turn, for some shapes and for one and all threads, and prints the median of the rounds' ratios HEAD/BASE as a
Markdown table. Neighbours in time share whatever else the machine does; who begins changes from round to round. The exit
code is 1 if a ratio lies above the limit, 2 if something could not be measured. Only the standard library is needed.
"""

import argparse
import json
import math
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
GUARD = ROOT / "target" / "guard"
SHAPES = ["784-5x256-10@32", "784-3x1024-10@32", "784-5x256-10@256", "784-5x256-10@1"]


class Failed(Exception):
    """What could not be done, in a line."""


def run(command, what, **options):
    """The standard output of a command that must succeed."""
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    except OSError as e:
        raise Failed(f"{what}: {command[0]}: {e.strerror}") from None
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        # The first error is the cause; what follows is its echo.
        first = next((line for line in said if line.startswith(("error", "fatal"))), said[-1] if said else "no reason given")
        raise Failed(f"{what}: {first}")
    return done.stdout


def git(*args, what):
    return run(["git", "-C", ROOT, *args], what).strip()


def commit(name):
    return git("rev-parse", "--verify", f"{name}^{{commit}}", what=f"{name} is no commit")


def cleared(folder):
    """Takes a worktree away, if it is there."""
    subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(folder)], capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["git", "-C", str(ROOT), "worktree", "prune"], capture_output=True)


def build(side, hash_):
    """The program of a commit, built in a worktree that is gone afterwards."""
    folder, program = GUARD / side, GUARD / f"reclra-{side}"
    cleared(folder)
    try:
        git("worktree", "add", "--detach", folder, hash_, what=f"{side} {hash_[:10]} cannot be checked out")
        # One build folder for both: dependencies are compiled once.
        env = {**os.environ, "CARGO_TARGET_DIR": str(GUARD / "build")}
        print(f"building {side} {hash_[:10]}", file=sys.stderr)
        command = ["cargo", "build", "--release", "--locked", "-p", "reclra-cli"]
        run(command, f"{side} {hash_[:10]} does not build", cwd=folder, env=env)
        name = "reclra.exe" if os.name == "nt" else "reclra"
        shutil.copy2(GUARD / "build" / "release" / name, program)
    finally:
        cleared(folder)
    return program


def median_us(program, shape, threads, seconds):
    arch, batch = shape
    command = [program, "bench", "step", "--json", "--quiet", "--arch", arch, "--batch", batch]
    command += ["--threads", threads, "--seconds", seconds]
    lines = run(command, f"{program.name}, {arch} at batch {batch}").splitlines()
    steps = [o for o in map(json.loads, lines) if o.get("event") == "step"]
    if not steps:
        raise Failed(f"{program.name} bench step --json printed no step")
    return steps[0]["median_us"]


def shape(text):
    arch, at, batch = text.partition("@")
    if not arch or (at and not (batch.isdigit() and int(batch) > 0)):
        raise argparse.ArgumentTypeError(f"{text} is not ARCH@BATCH, such as {SHAPES[0]}")
    return arch, batch or "32"


def number(kind, least):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= least):
            raise argparse.ArgumentTypeError(f"{text} is not a number of at least {least}")
        return value

    return parse


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"error: {message}\n")


def compare(args):
    base, head = commit(args.base), commit(args.head)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = args.threads or sorted({1, cores})
    GUARD.mkdir(parents=True, exist_ok=True)
    programs = [build("base", base), build("head", head)]
    print(f"{head[:10]} against {base[:10]}, {args.rounds} rounds of {args.seconds} s, limit {args.limit}\n")
    print("| network | batch | threads | base us | head us | head/base | lowest - highest | |")
    print("|---|---|---|---|---|---|---|---|")
    slower = 0
    for arch, batch in args.shapes:
        for count in threads:
            rounds = []
            for n in range(args.rounds):
                times = [0.0, 0.0]
                for which in (0, 1) if n % 2 == 0 else (1, 0):
                    times[which] = median_us(programs[which], (arch, batch), count, args.seconds)
                rounds.append(times)
            ratios = [h / b for b, h in rounds]
            ratio = statistics.median(ratios)
            b, h = (statistics.median(column) for column in zip(*rounds))
            slower += ratio > args.limit
            mark = "slower" if ratio > args.limit else ""
            spread = f"{min(ratios):.3f} - {max(ratios):.3f}"
            print(f"| {arch} | {batch} | {count} | {b:.1f} | {h:.1f} | {ratio:.3f} | {spread} | {mark} |", flush=True)
    return 1 if slower else 0


def main():
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("base", metavar="BASE", help="the commit that is the measure")
    parser.add_argument("head", metavar="HEAD", nargs="?", default="HEAD", help="the commit that is judged [HEAD]")
    parser.add_argument("--shapes", nargs="+", type=shape, default=[shape(s) for s in SHAPES], metavar="ARCH@BATCH")
    parser.add_argument("--threads", nargs="+", type=number(int, 1), metavar="N", help="[1 and all cores]")
    parser.add_argument("--rounds", type=number(int, 1), default=7, metavar="N", help="[7]")
    parser.add_argument("--seconds", type=number(float, 0.01), default=0.5, metavar="S", help="a measurement takes [0.5]")
    parser.add_argument("--limit", type=number(float, 0.0), default=1.05, metavar="R", help="highest ratio allowed [1.05]")
    args = parser.parse_args()
    # A request to end is an exception, so that worktrees go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return compare(args)
    except Failed as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
