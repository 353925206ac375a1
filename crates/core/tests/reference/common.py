"""What both halves of the reference share: start values, draws, activations, fingerprints, the optimizer.

Signals are arrays of B samples x units (perceptrons) or B x C x H x W (feature maps): the other way round from the Rust code.
"""

import json
import math
from pathlib import Path

import numpy as np

# Start values by kind of parameter: (offset, scale).
START = {
    "W": (0.0, 0.6),
    "b": (0.0, 0.3),
    "E": (0.0, 0.5),
    "B": (0.0, 0.5),
    "V": (0.0, 0.5),
    "c": (0.0, 0.2),
    "x": (0.0, 1.0),
    "scale": (1.0, 0.3),
    "shift": (0.0, 0.3),
    "mean": (0.0, 0.2),
    "variance": (1.0, 0.4),
}


def kind(name):
    """The kind of a parameter by its name: `E.b2->b1` is an E, `b1.norm1.scale` a scale."""
    if name[1:2] == "." and name[0] in "WbEBVc":
        return name[0]
    if name[0] == "x":
        return "x"
    return name.rsplit(".", 1)[1]


def start(name, shape, table):
    """Start values, multiples of 1/1024 (exact in float32), a formula of the name and the place alone."""
    offset, scale = table.get(kind(name), START[kind(name)])
    phase = sum((k + 1) * byte for k, byte in enumerate(name.encode())) % 997 / 10
    i = np.arange(int(np.prod(shape)), dtype=float)
    wave = np.sin(phase + 1.9 * i + 0.013 * i * i)
    return (offset + np.round(1024 * scale * wave) / 1024).reshape(shape)


class Draws:
    """Random numbers, drawn by the Rust code: data. Written there under the path of their key."""

    def __init__(self, path):
        self.path = Path(path)
        self.there = json.loads(self.path.read_text()) if self.path.exists() else []
        self.missing = []
        self.used = set()

    def get(self, key, how, shape):
        n = int(np.prod(shape))
        self.used.add((key, how, n))
        for d in self.there:
            if (d["key"], d["how"], d["len"]) == (key, how, n) and d["values"]:
                return np.array(d["values"], dtype=float).reshape(shape)
        new = {"key": key, "how": how, "len": n, "values": []}
        if new not in self.missing:
            self.missing.append(new)
        return np.zeros(shape)

    def save_missing(self):
        keep = [d for d in self.there if (d["key"], d["how"], d["len"]) in self.used and d["values"]]
        rows = ",\n".join(json.dumps(d, separators=(",", ":")) for d in keep + self.missing)
        self.path.write_text("[\n" + rows + "\n]\n")


def softmax(h, axis=1):
    t = np.exp(h - h.max(axis=axis, keepdims=True))
    return t / t.sum(axis=axis, keepdims=True)


PHI = {
    "tanh": np.tanh,
    "sigmoid": lambda h: 1 / (1 + np.exp(-h)),
    "relu": lambda h: np.where(h > 0, h, 0.0),
    "lrelu": lambda h: np.where(h > 0, h, 0.01 * h),
    "elu": lambda h: np.where(h > 0, h, np.expm1(np.minimum(h, 0))),
    "sign": np.sign,
    "identity": lambda h: h,
    "softmax": softmax,
}
SLOPE = {
    "tanh": lambda h: 1 - np.tanh(h) ** 2,
    "sigmoid": lambda h: PHI["sigmoid"](h) * PHI["sigmoid"](-h),
    "relu": lambda h: np.where(h > 0, 1.0, 0.0),
    "lrelu": lambda h: np.where(h > 0, 1.0, 0.01),
    "elu": lambda h: np.where(h > 0, 1.0, np.exp(np.minimum(h, 0))),
    "sign": lambda h: np.where(np.abs(h) <= 1, 1.0, 0.0),
    "identity": lambda h: np.ones_like(h),
}


def mismatch_of(rule):
    """(error neurons, sum of contributions to the discrepancy) as functions of v = z - y, one sample a row.

    D counts |v|^q of the p-norm of each sample; error neurons are its derivative without the factor q. `mixed` is a share of
    p = q = 2 and the rest of p = q = 1.
    """

    def power(p, q):
        norm = lambda v: (np.abs(v.reshape(len(v), -1)) ** p).sum(axis=1) ** (1 / p)
        column = lambda v: norm(v).reshape(-1, *[1] * (v.ndim - 1))
        return (
            lambda v: column(v) ** (q - p) * np.abs(v) ** (p - 1) * np.sign(v),
            lambda v: float((norm(v) ** q).sum()),
        )

    name = rule.get("mismatch", "l2")
    if name == "lp":
        return power(rule["p"], rule["q"])
    a = {"l2": 1.0, "l1": 0.0}.get(name, rule.get("mix"))
    (two, square), (one, absolute) = power(2, 2), power(1, 1)
    return (lambda v: a * two(v) + (1 - a) * one(v)), (lambda v: a * square(v) + (1 - a) * absolute(v))


def fingerprint(values):
    """Up to six numbers as they are; of more, two sums with weights that differ from place to place."""
    v = np.asarray(values, dtype=float).ravel()
    if v.size > 6:
        i = np.arange(v.size)
        v = [float(np.dot(v, np.cos(0.7 + 1.1 * k + (0.61 + 0.37 * k) * i))) for k in range(2)]
    return [float(f"{float(x):.13g}") + 0.0 for x in v]


def units_first(signal):
    """A signal as the Rust code lays it out: units x samples."""
    return np.moveaxis(signal, 0, -1)


def verdict(h, z, labels, classifier):
    """(summed loss, number wrong, summed squared distance)."""
    y = np.eye(z.shape[1])[labels]
    distance = ((z - y) ** 2).sum()
    if classifier:
        top = h.max(axis=1, keepdims=True)
        log_sum = top[:, 0] + np.log(np.exp(h - top).sum(axis=1))
        loss = (log_sum - h[np.arange(len(labels)), labels]).sum()
    else:
        loss = distance / 2
    return float(loss), int((z.argmax(axis=1) != np.array(labels)).sum()), float(distance)


class Update:
    """D of one parameter, a mean over the batch, and how it is applied."""

    def __init__(self, d, matrix, decays=False, rate=1.0, mirror=None):
        self.d, self.matrix, self.decays, self.rate, self.mirror = d, matrix, decays, rate, mirror


class Optimizer:
    """Re-projection, then Adam or momentum, beside decoupled decay; the moving average of what is no synapse of a rule."""

    def __init__(self, settings, params, own):
        self.s = settings
        self.m, self.v = {}, {}
        self.t = 0
        self.average = {k: p.copy() for k, p in params.items() if k not in own} if settings.get("average") else None

    def rate(self):
        s, t = self.s, self.t
        warmup = s.get("warmup", 0)
        if t < warmup:
            return s["lr"] * (t + 1) / warmup
        t -= warmup
        p = min(1.0, t / max(1, s.get("total", 10**9) - warmup))
        schedule = s.get("schedule", "constant")
        if schedule == "linear":
            return s["lr"] * (1 - p)
        if schedule == "cosine":
            return s["lr"] * (1 + math.cos(math.pi * p)) / 2
        if schedule == "step":
            return s["lr"] * s["step_factor"] ** (t // s["step_every"])
        return s["lr"]

    def step(self, params, updates):
        s = self.s
        for name, u in updates.items():
            d, rate = u.d, self.rate() * u.rate
            c = s.get("radius")
            if c and u.matrix:
                norm = math.sqrt(float((d * d).sum()))
                if norm >= c:
                    d = d * (c / norm)
            if s["method"] == "adam":
                b1, b2, eps, t = s.get("beta1", 0.9), s.get("beta2", 0.999), s.get("epsilon", 1e-8), self.t + 1
                self.m[name] = b1 * self.m.get(name, 0) + (1 - b1) * d
                self.v[name] = b2 * self.v.get(name, 0) + (1 - b2) * d * d
                change = -rate * (self.m[name] / (1 - b1**t)) / (np.sqrt(self.v[name] / (1 - b2**t)) + eps)
            else:
                mu = s.get("momentum", 0.0)
                velocity = mu * self.m.get(name, 0) + d
                if mu:
                    self.m[name] = velocity
                change = -rate * (d + mu * velocity if s.get("nesterov") else velocity)
            decay = s.get("decay", 0.0) if u.decays else 0.0
            params[name] = params[name] - rate * decay * params[name] + change
            if u.mirror:
                # The error synapse has the same increment, transposed where it is written the other way round.
                e = params[u.mirror]
                params[u.mirror] = e + (change if "->" not in u.mirror else change.T)
        self.t += 1

    def follow(self, params):
        """Moves the moving average, after everything else of a step."""
        if self.average is not None:
            a = min(self.s["average"], (1 + self.t) / (10 + self.t))
            for name in self.average:
                self.average[name] = a * self.average[name] + (1 - a) * params[name]


def report(loss, wrong, discrepancy, batch):
    return {"loss": loss / batch, "error": wrong / batch, "discrepancy": discrepancy}
