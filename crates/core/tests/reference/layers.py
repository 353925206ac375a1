"""Layers of image networks on arrays B x C x H x W: forward, pull-back and local update, one window at a time."""

import numpy as np

from common import PHI, SLOPE


class Pass:
    """What a layer is given: parameters by name, draws of this step, and whether it learns from the batch."""

    def __init__(self, p, prefix, training, key, draws):
        self.p, self.prefix, self.training, self.key, self.draws = p, prefix, training, key, draws

    def get(self, name):
        return self.p[f"{self.prefix}.{name}"]


class Layer:
    """An operation without parameters that changes no shape; the kinds below say what is different."""

    kind, phi, synapses = "?", None, False

    def __init__(self, shape, **settings):
        self.shape = shape  # C, H, W of the input
        self.to = shape
        self.s = settings

    def params(self):
        return {}

    def forward(self, at, x):
        raise NotImplementedError

    def back(self, at, x, y, e, respond, weight):
        """(signal on the input, local updates by name), summed over the samples; `weight` stands in place of W."""
        raise NotImplementedError


def windows(size, k, s, p):
    """Of each place of the result: the places of the padded input that it sees, as the first one."""
    return range(0, size + 2 * p - k + 1, s)


class Conv(Layer):
    kind, synapses = "conv", True

    def __init__(self, shape, **settings):
        super().__init__(shape, **settings)
        (c, h, w), self.k, self.stride, self.pad = shape, settings["k"], settings["stride"], settings["pad"]
        self.groups = settings.get("groups", 1)
        self.out = settings["out"]
        self.rows, self.cols = windows(h, self.k, self.stride, self.pad), windows(w, self.k, self.stride, self.pad)
        self.to = (self.out, len(self.rows), len(self.cols))
        self.matrix = (self.out, c // self.groups * self.k * self.k)

    def params(self):
        bias = {"b": (self.out,)} if self.s.get("bias") else {}
        return {"W": self.matrix, **bias}

    def padded(self, x):
        p = self.pad
        return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))

    def split(self):
        """Of each group: its channels of the input and of the result."""
        i, o = self.shape[0] // self.groups, self.out // self.groups
        return [(slice(g * i, (g + 1) * i), slice(g * o, (g + 1) * o)) for g in range(self.groups)]

    def kernel(self, weight, outs):
        return weight[outs].reshape(outs.stop - outs.start, -1, self.k, self.k)

    def apply(self, weight, x):
        x, y = self.padded(x), np.zeros((len(x), *self.to))
        for a, i in enumerate(self.rows):
            for b, j in enumerate(self.cols):
                for ins, outs in self.split():
                    patch = x[:, ins, i : i + self.k, j : j + self.k]
                    y[:, outs, a, b] = np.einsum("nchw,ochw->no", patch, self.kernel(weight, outs))
        return y

    def transposed(self, weight, e):
        c, h, w = self.shape
        d = np.zeros((len(e), c, h + 2 * self.pad, w + 2 * self.pad))
        for a, i in enumerate(self.rows):
            for b, j in enumerate(self.cols):
                for ins, outs in self.split():
                    part = np.einsum("no,ochw->nchw", e[:, outs, a, b], self.kernel(weight, outs))
                    d[:, ins, i : i + self.k, j : j + self.k] += part
        return d[:, :, self.pad : self.pad + h, self.pad : self.pad + w]

    def product(self, e, x):
        """Sum over samples and places of e x^T, of W's shape."""
        x, d = self.padded(x), np.zeros(self.matrix)
        for a, i in enumerate(self.rows):
            for b, j in enumerate(self.cols):
                for ins, outs in self.split():
                    patch = x[:, ins, i : i + self.k, j : j + self.k].reshape(len(x), -1)
                    d[outs] += e[:, outs, a, b].T @ patch
        return d

    def forward(self, at, x):
        y = self.apply(at.get("W"), x)
        return y + at.get("b")[:, None, None] if self.s.get("bias") else y

    def back(self, at, x, y, e, respond, weight):
        updates = {"W": self.product(e, x)}
        if self.s.get("bias"):
            updates["b"] = e.sum(axis=(0, 2, 3))
        return self.transposed(at.get("W") if weight is None else weight, e), updates

    def oja(self, weight, x, y):
        """Sum over samples and places of y (W^T y - x)^T, x the window of that place."""
        d = np.zeros(self.matrix)
        padded = self.padded(x)
        for a, i in enumerate(self.rows):
            for b, j in enumerate(self.cols):
                for ins, outs in self.split():
                    patch = padded[:, ins, i : i + self.k, j : j + self.k].reshape(len(x), -1)
                    h = y[:, outs, a, b]
                    d[outs] += h.T @ (h @ weight[outs] - patch)
        return d


class Dense(Conv):
    """A dense product: a convolution of an image of one place, all units its channels."""

    kind = "dense"

    def __init__(self, shape, out, bias):
        super().__init__((int(np.prod(shape)), 1, 1), out=out, k=1, stride=1, pad=0, bias=bias)
        self.image = shape

    def row(self, x):
        return x.reshape(len(x), -1, 1, 1)

    def forward(self, at, x):
        return super().forward(at, self.row(x))

    def back(self, at, x, y, e, respond, weight):
        d, updates = super().back(at, self.row(x), y, e, respond, weight)
        return d.reshape(len(x), *self.image), updates

    def oja(self, weight, x, y):
        return super().oja(weight, self.row(x), y)


class Norm(Layer):
    kind = "norm"

    def params(self):
        return {name: (self.shape[0],) for name in ["scale", "shift", "mean", "variance"]}

    def epsilon(self):
        return self.s.get("epsilon", 1e-5)

    def statistics(self, x):
        return x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))

    def forward(self, at, x):
        mean, variance = self.statistics(x) if at.training else (at.get("mean"), at.get("variance"))
        column = lambda v: v[:, None, None]
        normal = (x - column(mean)) / np.sqrt(column(variance) + self.epsilon())
        return column(at.get("scale")) * normal + column(at.get("shift"))

    def back(self, at, x, y, e, respond, weight):
        mean, variance = self.statistics(x)
        column = lambda v: v[:, None, None]
        deviation = np.sqrt(variance + self.epsilon())
        normal = (x - column(mean)) / column(deviation)
        of_channel = lambda v: column(v.mean(axis=(0, 2, 3)))
        d = column(at.get("scale") / deviation) * (e - of_channel(e) - normal * of_channel(e * normal))
        return d, {"scale": (e * normal).sum(axis=(0, 2, 3)), "shift": e.sum(axis=(0, 2, 3))}

    def follow(self, p, prefix, x):
        """Running statistics after a step: the variance is that of the population, n / (n - 1) of the batch's."""
        mean, variance = self.statistics(x)
        n, m = x.size / self.shape[0], self.s.get("momentum", 0.1)
        p[f"{prefix}.mean"] = (1 - m) * p[f"{prefix}.mean"] + m * mean
        p[f"{prefix}.variance"] = (1 - m) * p[f"{prefix}.variance"] + m * variance * n / (n - 1)


class Act(Layer):
    kind = "act"

    def __init__(self, shape, **settings):
        super().__init__(shape, **settings)
        self.phi = settings["phi"]

    def forward(self, at, x):
        return PHI[self.phi](x)

    def back(self, at, x, y, e, respond, weight):
        return respond(self.phi, x, e), {}


class NoiseMask(Layer):
    """relu(z + N), N one mask for all samples and steps, drawn once from the seed."""

    kind, phi = "noise", "relu"

    def pre(self, at, x):
        if self.s["noise"] is None:
            return x
        block, stage = at.prefix.split(".", 1)
        how = {"gaussian": "normal", "uniform": "uniform"}[self.s["noise"]]
        return x + self.s["level"] * at.draws.get(f"1/0/{block}/{stage}", how, self.shape)

    def forward(self, at, x):
        return PHI["relu"](self.pre(at, x))

    def back(self, at, x, y, e, respond, weight):
        return respond("relu", self.pre(at, x), e), {}


class MaxPool(Layer):
    kind = "max-pool"

    def __init__(self, shape, **settings):
        super().__init__(shape, **settings)
        (c, h, w), self.k, self.stride, self.pad = shape, settings["k"], settings["stride"], settings["pad"]
        self.rows, self.cols = windows(h, self.k, self.stride, self.pad), windows(w, self.k, self.stride, self.pad)
        self.to = (c, len(self.rows), len(self.cols))

    def views(self, x, fill):
        p = self.pad
        padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=fill)
        for a, i in enumerate(self.rows):
            for b, j in enumerate(self.cols):
                yield a, b, padded[:, :, i : i + self.k, j : j + self.k]

    def forward(self, at, x):
        y = np.zeros((len(x), *self.to))
        for a, b, view in self.views(x, -np.inf):
            y[:, :, a, b] = view.max(axis=(2, 3))
        return y

    def back(self, at, x, y, e, respond, weight):
        (c, h, w), p = self.shape, self.pad
        d = np.zeros((len(e), c, h + 2 * p, w + 2 * p))
        for a, b, view in self.views(x, -np.inf):
            flat = view.reshape(len(x), c, -1).argmax(axis=2)
            for n in range(len(x)):
                for m in range(c):
                    di, dj = divmod(int(flat[n, m]), self.k)
                    d[n, m, a * self.stride + di, b * self.stride + dj] += e[n, m, a, b]
        return d[:, :, p : p + h, p : p + w], {}


class MeanPool(MaxPool):
    kind = "mean-pool"

    def forward(self, at, x):
        y = np.zeros((len(x), *self.to))
        for a, b, view in self.views(x, 0.0):
            y[:, :, a, b] = view.mean(axis=(2, 3))
        return y

    def back(self, at, x, y, e, respond, weight):
        d, k = np.zeros_like(x), self.k
        for a, i in enumerate(self.rows):
            for b, j in enumerate(self.cols):
                d[:, :, i : i + k, j : j + k] += (e[:, :, a, b] / (k * k))[:, :, None, None]
        return d, {}


class GlobalMean(Layer):
    kind = "global-mean"

    def __init__(self, shape):
        super().__init__(shape)
        self.to = (shape[0], 1, 1)

    def forward(self, at, x):
        return x.mean(axis=(2, 3), keepdims=True)

    def back(self, at, x, y, e, respond, weight):
        return np.broadcast_to(e / (self.shape[1] * self.shape[2]), x.shape).copy(), {}


class Pad(Layer):
    kind = "pad"

    def __init__(self, shape, by):
        super().__init__(shape)
        self.by, self.to = by, (shape[0], shape[1] + 2 * by, shape[2] + 2 * by)

    def forward(self, at, x):
        return np.pad(x, ((0, 0), (0, 0), (self.by, self.by), (self.by, self.by)))

    def back(self, at, x, y, e, respond, weight):
        _, h, w = self.shape
        return e[:, :, self.by : self.by + h, self.by : self.by + w].copy(), {}


class Dropout(Layer):
    """Each unit of each sample is 0 with probability p, else divided by 1 - p, in training alone."""

    kind = "dropout"

    def factors(self, at, x):
        share, (c, h, w) = self.s["share"], self.shape
        kept = at.draws.get(at.key, f"drop {share}", (c, h, w, len(x)))  # the Rust code draws unit by unit
        return np.moveaxis(kept, -1, 0) / (1 - share)

    def forward(self, at, x):
        return x * self.factors(at, x) if at.training else x

    def back(self, at, x, y, e, respond, weight):
        return e * self.factors(at, x), {}


KINDS = {c.kind: c for c in [Conv, Dense, Norm, Act, NoiseMask, MaxPool, MeanPool, GlobalMean, Pad, Dropout]}


def target(beta, fire):
    """An error neuron from a target: z - phi(h - beta d)."""
    return lambda phi, h, d: fire(PHI[phi](h) - PHI[phi](h - beta * d))


def derivative(phi, h, d):
    return d * SLOPE[phi](h)
