#!/usr/bin/env python3
"""How many photographs a second are decoded, cut at random to 224 x 224, mirrored and normalised: ours against torchvision's, interleaved.

Run `bench/setup.sh` once and `cargo build --release -p reclra-train --example photographs`, then
`bench/env/bin/python bench/decode_peer.py FOLDER`, FOLDER with train/CLASS/*. torchvision runs in a data loader, in the process
itself for one thread and in so many workers for more. The ratio is our rate over torchvision's, the median over all rounds.
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

try:
    import torch
    from PIL import Image
    from torchvision import datasets, transforms
except ModuleNotFoundError:
    sys.exit("error: torchvision is not in this Python; run bench/setup.sh, then bench/env/bin/python bench/decode_peer.py")

ROOT = pathlib.Path(__file__).resolve().parent.parent


def theirs(folder, threads, batch, timed):
    steps = [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
             transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
    data = datasets.ImageFolder(str(pathlib.Path(folder) / "train"), transforms.Compose(steps))
    workers = 0 if threads == 1 else threads
    loader = torch.utils.data.DataLoader(data, batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    for _ in loader:  # workers are there, files are in the cache
        break
    done, begun = 0, time.perf_counter()
    while done < timed:
        for x, _ in loader:
            done += len(x)
            if done >= timed:
                break
    return done / (time.perf_counter() - begun)


def ours(binary, folder, threads, batch):
    out = subprocess.run([binary, folder, "224", str(batch)], check=True, capture_output=True, text=True,
                         env={**os.environ, "RAYON_NUM_THREADS": str(threads)}).stdout
    return float(re.search(r"([\d.]+) (?:photographs )?a second", out).group(1))


def enlarged(folder, size, to):
    """The same pictures at another size, as large JPEG files as those of ImageNet."""
    for path in (pathlib.Path(folder) / "train").glob("*/*"):
        place = pathlib.Path(to) / "train" / path.parent.name
        place.mkdir(parents=True, exist_ok=True)
        Image.open(path).convert("RGB").resize(size).save(place / path.name, "JPEG", quality=92)
    return to


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--binary", default=str(ROOT / "target/release/examples/photographs"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--timed", type=int, default=1000)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--enlarge", type=int, nargs=2, metavar=("WIDTH", "HEIGHT"), help="bring the pictures to that size first, such as 500 375")
    args = parser.parse_args()
    room = tempfile.TemporaryDirectory()
    folder = enlarged(args.folder, args.enlarge, room.name) if args.enlarge else args.folder
    torch.set_num_threads(1)
    print("| threads | photographs a second | torchvision's | ours / torchvision's |\n|---|---|---|---|")
    for threads in args.threads:
        rounds = [(ours(args.binary, folder, threads, args.batch), theirs(folder, threads, args.batch, args.timed))
                  for _ in range(args.rounds)]
        own, peer = (statistics.median(r[n] for r in rounds) for n in (0, 1))
        print(f"| {threads} | {own:.0f} | {peer:.0f} | {statistics.median(a / b for a, b in rounds):.2f} |", flush=True)


if __name__ == "__main__":
    main()
