#!/usr/bin/env python3
"""Are results the same to the bit? Hashes of the runs in `bench/bits.toml`, recorded and compared.

`bench/bits.py record --binary PATH --out bench/bits.json` trains every run with that program and writes, for each
instruction set, SHA-256 hashes of three things: the tensors of the model, those of its checkpoint (moments, averages, states),
and the figures of each epoch without times. `bench/bits.py check --binary PATH` trains them again and prints what differs;
the exit code is 1 on a difference, 2 if a run failed. Runs use one and two threads, which must agree, and the best
instruction set of the machine and AVX2. Only the standard library is needed.
"""

import argparse
import csv
import hashlib
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
# Environment and threads of a run: the machine's own instruction set twice, then AVX2.
WAYS = [({}, 1), ({}, 2), ({"RECLRA_SIMD": "avx2"}, 2)]
TIMES = ("seconds", "samples_per_second")


class Failed(Exception):
    """A run that failed, in a line."""


def tensors(path):
    """A hash of a safetensors file's names, types, shapes and bytes, in the order of the names; its metadata is left out."""
    data = path.read_bytes()
    start = 8 + struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    digest = hashlib.sha256()
    for name, tensor in sorted(header.items()):
        begin, end = tensor["data_offsets"]
        digest.update(json.dumps([name, tensor["dtype"], tensor["shape"], end - begin]).encode())
        digest.update(data[start + begin : start + end])
    return digest.hexdigest()


def figures(run):
    """A hash of the figures of all epochs and of the errors on the test part."""
    with open(run / "metrics.csv", newline="") as file:
        rows = [[value for key, value in row.items() if key not in TIMES] for row in csv.DictReader(file)]
    result = json.loads((run / "result.json").read_text())
    return hashlib.sha256(json.dumps([rows, result["test"]]).encode()).hexdigest()


def train(binary, flags, way, folder):
    """(instruction set, hashes) of one run; of a set that this processor lacks, none."""
    extra, threads = way
    run = folder / "run"
    command = [str(binary), "train", "--quiet", "--overwrite", "--out", "run", "--threads", str(threads)]
    command += flags.split() if "--epochs" in flags else [*flags.split(), "--epochs", "1"]
    env = {key: value for key, value in os.environ.items() if not key.startswith("RECLRA_")} | extra
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    if extra and "this processor has" in done.stderr:
        return None, None
    if done.returncode:
        raise Failed(done.stderr.strip().replace("\n", "; ") or f"exit code {done.returncode}")
    environment = json.loads((run / "environment.json").read_text())
    # The newest, which may be the best one besides.
    state = max(run.glob("checkpoints/*/state.safetensors"), key=lambda path: path.parent.name.split("-")[-1])
    hashes = {"model": tensors(run / "model.safetensors"), "state": tensors(state), "figures": figures(run)}
    return environment["features"], hashes


def trained(binary):
    """The hashes of every run, {run: {instruction set: {thing: hash}}}, and the runs that failed."""
    listed = tomllib.loads((HERE / "bits.toml").read_text())
    found, failed = {}, []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "own.toml").write_text(listed["model"])
        for name, flags in listed["runs"].items():
            found[name] = {}
            for way in WAYS:
                try:
                    level, hashes = train(binary, flags, way, folder)
                    if level and found[name].setdefault(level, hashes) != hashes:
                        failed.append(f"{name}: {way[1]} threads with {level} give other bits than one thread")
                except (Failed, OSError, ValueError) as e:
                    failed.append(f"{name}: {way[1]} threads {way[0] or ''}: {e}")
    return found, failed


def differences(recorded, found):
    """Lines about what is not as recorded, and the number of runs that could be compared."""
    lines, compared = [], 0
    for name in sorted(recorded.keys() | found.keys()):
        if name not in recorded or name not in found:
            lines.append(f"{name}: is only {'in the list' if name in found else 'recorded'}; record again")
            continue
        for level in recorded[name].keys() & found[name].keys():
            compared += 1
            was, now = recorded[name][level], found[name][level]
            lines += [f"{name}: {thing} differs with {level}" for thing in was if was[thing] != now.get(thing)]
    return lines, compared


def levels(runs):
    return sorted({level for by_level in runs.values() for level in by_level})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["record", "check"])
    parser.add_argument("--binary", required=True, type=pathlib.Path, metavar="PATH", help="the program reclra")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "bits.json", help="the recorded hashes [bench/bits.json]")
    args = parser.parse_args()
    binary = args.binary.resolve()
    found, failed = trained(binary)
    for line in failed:
        print(line)
    if failed:
        return 2
    if args.what == "record":
        version = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=True).stdout.strip()
        args.out.write_text(json.dumps({"version": version, "levels": levels(found), "runs": found}, indent=1) + "\n")
        print(f"{len(found)} runs recorded")
        return 0
    recorded = json.loads(args.out.read_text())
    others = sorted(set(recorded["levels"]) ^ set(levels(found)))
    if others:
        here, there = ", ".join(levels(found)), ", ".join(recorded["levels"])
        print(f"another class of machine: {there} recorded, {here} here; {', '.join(others)} not compared")
    lines, compared = differences(recorded["runs"], found)
    print("\n".join([*lines, f"{compared} hashes of {len(found)} runs compared with {recorded['version']}"]))
    return 1 if lines or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
