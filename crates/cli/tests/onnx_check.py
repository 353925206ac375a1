"""Holds exports against programs of others: ONNX's checker, ONNX Runtime, numpy, safetensors.

Usage: onnx_check.py FOLDER. FOLDER has images.bin (stored bytes, one image after the other), and a folder for each network
with forward.onnx, prepared.onnx, forward.safetensors, forward.npz and expected.json (what `reclra predict` says of each image).
Prints one JSON object: the largest difference of each network and file.
"""

import json
import pathlib
import sys
import tomllib

import numpy as np
import onnx
import onnxruntime
from safetensors import safe_open

TOLERANCE = 1e-5
PHI = {
    "tanh": np.tanh,
    "sigmoid": lambda h: 1 / (1 + np.exp(-h)),
    "relu": lambda h: np.maximum(h, 0),
    "lrelu": lambda h: np.where(h > 0, h, 0.01 * h),
    "elu": lambda h: np.where(h > 0, h, np.expm1(h)),
    "sign": np.sign,
    "identity": lambda h: h,
}


def forward(x, weight, bias, spec):
    """The network in float64, written down once more; and how near to zero each sample's nearest unit is."""
    widths = [int(w) for w in spec["reclra.arch"].split("-")]
    net = tomllib.loads(spec["reclra.spec"])["net"]
    names = ["in", *(f"b{l}" for l in range(1, len(widths) - 1)), "out"]
    z, gap, nearest = [x.astype(np.float64)], net["residual"], np.full(len(x), np.inf)
    for l, (a, b) in enumerate(zip(names, names[1:]), start=1):
        w = weight(a, b).astype(np.float64)
        assert w.shape == (widths[l], widths[l - 1]), w.shape
        h = z[-1] @ w.T + (bias(b).astype(np.float64) if net["bias"] else 0)
        if b == "out":
            p = np.exp(h - h.max(axis=1, keepdims=True))
            return p / p.sum(axis=1, keepdims=True), nearest
        if gap and l % gap == 0 and l > gap and widths[l - gap] == widths[l]:
            h += z[l - gap]
        nearest = np.minimum(nearest, np.abs(h).min(axis=1))
        z.append(PHI[spec["reclra.activation"]](h))


def runtime(path, width, classes):
    """An ONNX file, checked, with the meaning of its metadata; and a function that runs it."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,), (out,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape, given.type) == ("x", ["N", width], "tensor(float)"), given
    assert (out.name, out.shape) == ("probabilities", ["N", classes]), out
    meta = session.get_modelmeta().custom_metadata_map
    assert len(json.loads(meta["reclra.classes"])) == classes
    assert {n.name for n in model.graph.node} >= {"b1", "out"}
    return meta, lambda x: session.run(None, {"x": x})[0]


def network(folder, pixels):
    want = np.array(json.loads((folder / "expected.json").read_text()), dtype=np.float32)
    (width, classes), white = (pixels.shape[1], want.shape[1]), 16
    x = pixels.astype(np.float32) / np.float32(white)
    differences = {}

    meta, run = runtime(folder / "prepared.onnx", width, classes)
    assert f"divided by {white}" in meta["reclra.preprocessing"], meta
    differences["prepared"] = run(x)
    # The batch is of any size: one sample is one of many.
    assert np.abs(run(x[5:6]) - run(x)[5:6]).max() <= TOLERANCE
    assert run(x[:0]).shape == (0, classes)
    meta_raw, run = runtime(folder / "forward.onnx", width, classes)
    assert "the graph divides" in meta_raw["reclra.preprocessing"], meta_raw
    differences["onnx"] = run(pixels.astype(np.float32))

    with safe_open(folder / "forward.safetensors", "np") as f:
        spec, names = f.metadata(), set(f.keys())
        differences["safetensors"], nearest = forward(
            x, lambda a, b: f.get_tensor(f"W.{a}->{b}"), lambda b: f.get_tensor(f"b.{b}"), spec
        )
        with np.load(folder / "forward.npz") as z:
            assert json.loads(str(z["metadata"])) == spec == meta
            assert set(z.files) == {n.replace("->", "_").replace(".", "_") for n in names} | {"metadata"}
            for n in names:
                a, b = f.get_tensor(n), z[n.replace("->", "_").replace(".", "_")]
                assert a.dtype == b.dtype == np.float32 and np.array_equal(a, b), n
            differences["npz"], _ = forward(x, lambda a, b: z[f"W_{a}_{b}"], lambda b: z[f"b_{b}"], spec)

    # A unit with a jump at zero may fall on the other side of it by a rounding: such samples say nothing.
    judged = nearest > 1e-5 if spec["reclra.activation"] == "sign" else np.full(len(x), True)
    assert judged.mean() > 0.9, judged.mean()
    return {name: float(np.abs(p - want)[judged].max()) for name, p in differences.items()}


def main():
    root = pathlib.Path(sys.argv[1])
    folders = sorted(f for f in root.iterdir() if f.is_dir())
    counts = {len(json.loads((f / "expected.json").read_text())) for f in folders}
    pixels = np.frombuffer((root / "images.bin").read_bytes(), dtype=np.uint8).reshape(counts.pop(), -1)
    assert not counts, "every network was asked of every image"
    said = {f.name: network(f, pixels) for f in folders}
    print(json.dumps(said))
    worst = max(d for files in said.values() for d in files.values())
    sys.exit(0 if worst <= TOLERANCE else f"differs by {worst}: {said}")


main()
