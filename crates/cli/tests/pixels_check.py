"""Holds exports of networks of prepared images against ONNX Runtime and numpy, which are given stored bytes.

Usage: pixels_check.py FOLDER. FOLDER has images.bin (stored bytes, one image after the other, channel by channel), and a folder for
each network with forward.npz, forward.safetensors, expected.json (what `reclra predict` says of each image) and, of perceptrons,
forward.onnx (takes bytes) and prepared.onnx (takes what the network is given).
Prints one JSON object: the largest difference of each network and file.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from safetensors import safe_open

CHANNELS, SIDE, WHITE = 3, 4, 255


def prepared(pixels, tensors, words):
    """What the metadata says x is, in float64; `tensors` by their names in safetensors."""
    x = pixels.astype(np.float64).reshape(-1, CHANNELS, SIDE * SIDE) / WHITE
    if "prepare.mean" in tensors:
        assert "divided by the deviation of its channel" in words, words
        x = (x - tensors["prepare.mean"][:, None]) / tensors["prepare.std"][:, None]
    if "of this image" in words:
        x = x - x.mean(axis=2, keepdims=True)
        if "root of the mean square" in words:
            x = x / np.maximum(np.sqrt((x**2).mean(axis=(1, 2), keepdims=True)), 1 / 1024)
    x = x.reshape(len(x), -1)
    if "prepare.zca" in tensors:
        assert "whitened" in words, words
        x = (x - tensors["prepare.centre"]) @ tensors["prepare.zca"]
    return x


def softmax(h):
    p = np.exp(h - h.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def perceptron(x, w):
    h = np.tanh(x @ w["W.in->b1"].T + w["b.b1"])
    return softmax(h @ w["W.b1->out"].T + w["b.out"])


def convolutional(x, w):
    kernel = w["b1.conv1.W"]
    assert kernel.shape == (5, CHANNELS, 2, 3), kernel.shape
    x = np.pad(x.reshape(-1, CHANNELS, SIDE, SIDE), ((0, 0), (0, 0), (0, 0), (1, 1)))
    h = np.zeros((len(x), 5, SIDE - 1, SIDE))
    for i in range(2):
        for j in range(3):
            h += np.einsum("oc,ncyx->noyx", kernel[:, :, i, j], x[:, :, i : i + SIDE - 1, j : j + SIDE])
    each = {k: w[f"b1.norm1.{k}"][None, :, None, None] for k in ["mean", "variance", "scale", "shift"]}
    h = (h - each["mean"]) / np.sqrt(each["variance"] + 1e-5) * each["scale"] + each["shift"]
    z = np.maximum(h, 0).reshape(len(x), -1)
    return softmax(z @ w["out.dense1.W"].T + w["out.dense1.b"])


def network(folder, pixels):
    want = np.array(json.loads((folder / "expected.json").read_text()))
    forward = perceptron if folder.name.startswith("mlp") else convolutional
    found = {}
    with safe_open(folder / "forward.safetensors", "np") as f:
        tensors = {n: f.get_tensor(n).astype(np.float64) for n in f.keys()}
        words = f.metadata()["reclra.preprocessing"]
    x = prepared(pixels, tensors, words)
    found["safetensors"] = forward(x, tensors)
    with np.load(folder / "forward.npz") as z:
        named = {n: z[n.replace("->", "_").replace(".", "_")].astype(np.float64) for n in tensors}
        words = json.loads(str(z["metadata"]))["reclra.preprocessing"]
        assert all(n.replace(".", "_") in words for n in tensors if n.startswith("prepare.")), words
    found["npz"] = forward(prepared(pixels, named, words), named)
    if forward is perceptron:
        for name, given in [("forward", pixels.astype(np.float32)), ("prepared", x.astype(np.float32))]:
            path = folder / f"{name}.onnx"
            onnx.checker.check_model(onnx.load(path), full_check=True)
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            assert session.get_inputs()[0].shape == ["N", pixels.shape[1]]
            found[name] = session.run(None, {"x": given})[0]
            # The batch is of any size, and no image changes what is said of another.
            assert np.abs(session.run(None, {"x": given[3:4]})[0] - found[name][3:4]).max() < 1e-6
            assert session.run(None, {"x": given[:0]})[0].shape == (0, want.shape[1])
    return {name: float(np.abs(p - want).max()) for name, p in found.items()}


def main():
    root = pathlib.Path(sys.argv[1])
    pixels = np.frombuffer((root / "images.bin").read_bytes(), dtype=np.uint8).reshape(-1, CHANNELS * SIDE * SIDE)
    print(json.dumps({f.name: network(f, pixels) for f in sorted(root.iterdir()) if f.is_dir()}))


main()
