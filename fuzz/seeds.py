#!/usr/bin/env python3
"""Writes the seeds of the corpus: a sound small input or two for each door, to be changed by the fuzzers.

    python3 fuzz/seeds.py target/release/reclra
"""
import gzip, io, os, struct, subprocess, sys, tarfile, tempfile, zlib

reclra = os.path.abspath(sys.argv[1])
here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def put(door, name, content):
    os.makedirs(os.path.join(here, door), exist_ok=True)
    with open(os.path.join(here, door, name), "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())


def idx(magic, sizes, body):
    return struct.pack(f">{1 + len(sizes)}I", magic, *sizes) + body


def png(side, kind=2):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = b"".join(b"\0" + bytes((7 * x + 3 * y) % 256 for x in range(side * (3 if kind == 2 else 1))) for y in range(side))
    head = struct.pack(">2I5B", side, side, 8, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as t:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            t.addfile(info, io.BytesIO(content))
    return out.getvalue()


images = idx(0x803, [4, 2, 2], bytes(16))
put("idx", "images", b"\0" + images)
put("idx", "labels", b"\1" + idx(0x801, [4], bytes(range(4))))
put("idx", "packed", b"\2" + gzip.compress(images, mtime=0))
batch = bytes(3073 * 2)
names = [f"data_batch_{n}.bin" for n in range(1, 6)] + ["test_batch.bin"]
archive = tar([("cifar-10-batches-bin/" + n, batch) for n in names])
put("cifar", "packed", gzip.compress(archive, mtime=0))
put("cifar", "one", tar([("data_batch_1.bin", b"\0" * 100)]))
put("tar", "two", tar([(f"train/{c}/{n}.png", png(8)) for c in "ab" for n in range(3)]))
put("tar", "ppm", tar([(f"./train/{c}/{n}.ppm", b"P6 2 2 255\n" + bytes(12)) for c in "ab" for n in range(2)]))
put("picture", "colour.png", png(9))
put("picture", "grey.png", png(8, 0))
put("picture", "p5.pgm", b"P5 3 3 255\n" + bytes(9))
put("picture", "p1.pbm", b"P1 2 2\n1 0\n0 1\n")
put("picture", "images", idx(0x803, [2, 8, 8], bytes(128)))
bmp = struct.pack("<2sIHHI", b"BM", 54 + 16, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, 24, 0, 16, 0, 0, 0, 0) + bytes(16)
put("picture", "two.bmp", bmp)

with tempfile.TemporaryDirectory() as dir:
    def run(*args):
        return subprocess.run([reclra, *args], check=True, capture_output=True, cwd=dir).stdout

    for n, more in enumerate([[], ["--rule", "equilibrium-prop"], ["--model", "resnet8", "--width", "2"], ["--model", "noise-resnet8", "--wiring", "layer"]]):
        put("spec", f"{n}.toml", run("train", *more, "--print-spec"))
    put("spec", "short.toml", 'seed = 3\n[net]\narch = "64-2x5-10"\n[rule]\nname = "rec-lra"\nwiring = "list"\nsynapses = ["out->b1", "b1->b2"]\n')
    run("train", "--quiet", "--arch", "64-2-10", "--epochs", "1", "--threads", "1", "--checkpoint-steps", "30", "--log-steps", "20", "--out", "run")
    read = lambda *path: open(os.path.join(dir, *path), "rb").read()
    put("model", "small", read("run", "model.safetensors"))
    run("export", "run", "--format", "safetensors", "--out", "weights.safetensors")
    put("import", "small", read("weights.safetensors"))
    points = sorted(os.listdir(os.path.join(dir, "run", "checkpoints")))
    put("manifest", "small", read("run", "checkpoints", points[-1], "manifest.json"))
    put("state", "small", read("run", "checkpoints", points[-1], "state.safetensors"))
    parts = [read("run", n) for n in ["spec.toml", "metrics.jsonl", "result.json", "environment.json"]]
    put("run", "whole", b"\0".join(parts))
    put("run", "short", b"\0".join(parts[:2]))

conv = '[[block]]\nname = "stem"\nact = "relu"\nlayers = [{ kind = "conv", out = 4, kernel = 3, pad = 1 }, { kind = "batch-norm" }]\n'
noise = '[[block]]\nname = "b1"\nlayers = [{ kind = "noise-map", out = 4, noise = "uniform", level = 0.2 }]\nshortcut = []\n'
head = '[[block]]\nlayers = [{ kind = "global-mean" }, { kind = "dense" }]\n'
put("layers", "net", conv + noise + head)
pools = '[[block]]\nlayers = [{ kind = "max-pool", kernel = 2, stride = 2 }, { kind = "mean-pool", kernel = [1, 2] }, { kind = "pad", by = 1 }, { kind = "dropout", share = 0.1 }, { kind = "flatten" }, { kind = "dense", out = 4 }, { kind = "act", phi = "tanh" }, { kind = "noise" }, { kind = "dense" }]\n'
put("layers", "pools", pools)
put("experiment", "two", 'title = "T"\nabout = "A"\nseeds = [0, 1]\ncolumns = ["f1"]\nquick = { "train.epochs" = 1 }\n[[run]]\nname = "one"\nclaimed = { test = 1.5 }\nat_most = 3.0\nset = { "net.arch" = "64-4-10", "optim.lr" = 0.01 }\n')
put("map", "names", 'ignore = ["x"]\n"W.in->b1" = "fc1.weight"\n"b.b1" = { name = "fc1.bias", transpose = true }\n')
