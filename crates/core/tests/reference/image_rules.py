"""The rules on image networks, from the equations of the method (sections 7 and 7b) and of the headers in `rules/blocks`."""

import numpy as np

from common import PHI, SLOPE, Update, mismatch_of, softmax
from layers import KINDS, derivative, target


def pooled(z, grid):
    """Means over the cells of a grid x grid division, B x (C grid^2)."""
    b, c, h, w = z.shape
    cells = np.zeros((b, c, grid, grid))
    for i in range(grid):
        for j in range(grid):
            rows = [y for y in range(h) if y * grid // h == i]
            cols = [x for x in range(w) if x * grid // w == j]
            cells[:, :, i, j] = z[:, :, rows][:, :, :, cols].mean(axis=(2, 3))
    return cells.reshape(b, -1)


def spread(d, shape, grid):
    c, h, w = shape
    cells = d.reshape(len(d), c, grid, grid)
    rows = [y * grid // h for y in range(h)]
    cols = [x * grid // w for x in range(w)]
    return cells[:, :, rows][:, :, :, cols]


class Rule:
    """Of each step: error neurons of every block, and the local updates. The base is the control: only the output learns."""

    inside = staticmethod(derivative)

    def __init__(self, net, spec):
        self.net, self.spec = net, spec

    def shapes(self):
        """The rule's own parameters."""
        return {}

    def unstored(self):
        return {}

    def learns(self, i):
        return i == self.net.out

    def rate(self, i, matrix):
        return 1.0

    def factor(self, i):
        return 1.0

    def run(self, x, labels, t):
        net, self.t = self.net, t
        self.h, self.z, self.left = net.forward(x, t)
        self.batch = len(x)
        self.y = np.eye(net.classes)[labels]
        e = self.z[net.out] - self.y[:, :, None, None]
        self.e = {net.out: e}
        self.e_out = e[:, :, 0, 0]
        self.parts = {net.out: float((e * e).sum()) / len(x)}
        self.sums, self.own = {}, {}
        self.local()
        updates = dict(self.own)
        for i in range(1, net.out + 1):
            prefix = net.block(i).name + "."
            for name, d in self.sums.items():
                # A bias or shift that a batch norm further on takes out is not trained: the case names them.
                if name.startswith(prefix) and self.learns(i) and name not in net.held:
                    matrix = name.endswith(".W")
                    rate = self.rate(i, matrix)
                    updates[name] = Update(self.factor(i) * d / len(x), matrix, decays=matrix, rate=rate)
        self.finish(updates)
        return sum(self.parts.values()), updates

    def finish(self, updates):
        pass

    def enter(self, i, **how):
        updates, message = self.net.block(i).down(
            self.net, self.left[i], self.e[i], self.t, i, self.inside, **how
        )
        self.sums.update(updates)
        return message

    def local(self):
        self.enter(self.net.out)


class Backprop(Rule):
    def learns(self, i):
        return True

    def stand_in(self, i):
        return lambda s: None

    def local(self):
        d = self.enter(self.net.out, stand_in=self.stand_in(self.net.out))
        for i in range(self.net.out - 1, 0, -1):
            self.e[i] = d * SLOPE[self.net.block(i).phi](self.h[i])
            d = self.enter(i, stand_in=self.stand_in(i))


class Feedback(Backprop):
    """W^T replaced by a fixed B^T of W's shape, wherever a signal goes on."""

    def shapes(self):
        return {f"B.{b.name}.{s.name}": s.layer.params()["W"] for b in self.net.blocks for s, _, _ in b.senders()}

    def stand_in(self, i):
        return lambda s: self.net.p.get(f"B.{self.net.block(i).name}.{s.name}")


class Direct(Rule):
    """d = B e_L at each block's output and at each activation inside it."""

    def learns(self, i):
        return True

    def hidden(self):
        return range(1, self.net.out)

    def shapes(self):
        shapes, y = {}, self.net.classes
        for i in self.hidden():
            b = self.net.block(i)
            shapes[f"B.out->{b.name}"] = (b.to[0], y)
            shapes.update({f"B.out->{b.name}.{s.name}": (s.layer.to[0], y) for s in b.activations()})
        return shapes

    def local(self):
        self.enter(self.net.out)
        send = lambda name: (self.e_out @ self.net.p[f"B.out->{name}"].T)[:, :, None, None]
        for i in self.hidden():
            b = self.net.block(i)
            self.e[i] = send(b.name) * SLOPE[b.phi](self.h[i])
            self.enter(i, direct={s.name: send(f"{b.name}.{s.name}") for s in b.activations()})


class Hebbian(Rule):
    def learns(self, i):
        return i == self.net.out or self.spec["oja"]

    def rate(self, i, matrix):
        return 1.0 if i == self.net.out else self.spec["rate"]

    def local(self):
        super().local()
        for i in range(1, self.net.out) if self.spec["oja"] else []:
            b = self.net.block(i)
            for s, _, _ in b.senders():
                name = f"{b.name}.{s.name}.W"
                self.sums[name] = s.layer.oja(self.net.p[name], *self.left[i][s.name])


class TargetProp(Rule):
    """Inverses of blocks: a convolution against the way of the block, 3x3 where it keeps the image's size, 4x4 of stride 2
    where it halves it."""

    def __init__(self, net, spec):
        super().__init__(net, spec)
        self.inverse = {}
        for l in range(2, net.out):
            below, above = net.block(l).shape, net.block(l).to
            k, stride = (3, 1) if below[1:] == above[1:] else (4, 2)
            self.inverse[l] = KINDS["conv"](below, out=above[0], k=k, stride=stride, pad=1)
            assert self.inverse[l].to == above
        top = net.block(net.out - 1).to
        self.eta = spec["eta"] * top[1] * top[2]

    def learns(self, i):
        return True

    def factor(self, i):
        return 1.0 if i == self.net.out else 1 / self.eta

    def name(self, letter, l):
        return f"{letter}.{self.net.block(l).name}->{self.net.block(l - 1).name}"

    def shapes(self):
        shapes = {}
        for l, conv in self.inverse.items():
            shapes[self.name("V", l)] = conv.matrix
            shapes[self.name("c", l)] = (int(np.prod(conv.shape)),)
        return shapes

    def pre(self, l, u):
        c = self.net.p[self.name("c", l)].reshape(self.net.block(l - 1).to)
        return self.inverse[l].transposed(self.net.p[self.name("V", l)], u) + c

    def g(self, l, u):
        return PHI[self.net.block(l - 1).phi](self.pre(l, u))

    def local(self):
        net, spec, z = self.net, self.spec, self.z
        top = net.out - 1
        aim = {top: z[top] - self.eta * self.enter(net.out)}
        for l in range(top, 0, -1):
            self.e[l] = (z[l] - aim[l]) * SLOPE[net.block(l).phi](self.h[l])
            self.parts[l] = float(((z[l] - aim[l]) ** 2).sum()) / self.batch
            self.enter(l)
            if l == 1:
                break
            correction = z[l - 1] - self.g(l, z[l]) if spec["difference"] else 0.0
            aim[l - 1] = self.g(l, aim[l]) + correction
            shape = (*net.block(l - 1).to, self.batch)
            noise = net.draws.get(f"1/16/{self.t}/inverse/{l}", "normal", shape)
            zt = z[l - 1] + spec["sigma"] * np.moveaxis(noise, -1, 0)
            f = PHI[net.block(l).phi](net.block(l).forward(net, zt, self.t, l)[0])
            r = (self.g(l, f) - zt) * SLOPE[net.block(l - 1).phi](self.pre(l, f))
            d_v = self.inverse[l].product(f, r) / self.batch
            rate = spec["v_rate"]
            self.own[self.name("V", l)] = Update(d_v, True, rate=rate)
            self.own[self.name("c", l)] = Update(r.sum(axis=0).ravel() / self.batch, False, rate=rate)


class RecLra(Rule):
    def __init__(self, net, spec):
        super().__init__(net, spec)
        out, wiring = net.out, spec["wiring"]
        hidden = range(1, out)
        self.fire, self.measure = mismatch_of(spec)
        self.inner = spec.get("inner", "backprop")
        self.stem = bool(spec.get("stem_inside")) and wiring == "skip" and out > 2
        above = lambda i: (i + 1, i)
        if wiring == "skip":
            self.edges = [above(i) if i == 1 and self.stem else (out, i) for i in hidden]
        elif wiring == "layer":
            self.edges = [above(i) for i in hidden]
        elif wiring == "gap":
            self.edges = [(out, i) if (out - 1 - i) % spec["gap"] == 0 else above(i) for i in hidden]
        else:
            at = {b.name: n for n, b in enumerate(net.blocks, 1)}
            self.edges = [(at[a], at[b]) for a, b in spec["synapses"]]
        if self.inner == "rec-lra":
            self.inside = target(1.0, self.fire)
        self.form = spec.get("synapse", "channel")
        self.plasticity = spec.get("plasticity", "readout")
        self.learned = self.plasticity != "fixed" and self.form != "seeded"

    def learns(self, i):
        return True

    def skips(self):
        return [i for i in range(1, self.net.out) if (self.net.out, i) in self.edges]

    def leaves(self, i):
        return 1 < i < self.net.out and (i, i - 1) in self.edges

    def twins(self, i):
        """Stages of block i with an error synapse of their own shape."""
        through_w = self.stem and i == 2 and self.inner == "backprop"
        leaves = self.leaves(i) and not through_w
        for s, last, inside in self.net.block(i).senders():
            if (leaves and last) or (self.inner == "rec-lra" and inside):
                yield s

    def grid(self, i):
        _, h, w = self.net.block(i).to
        return min(self.spec["grid"], h, w) if self.form == "grid" else 1

    def shapes(self):
        shapes, y = {}, self.net.classes
        for i in self.skips():
            b = self.net.block(i)
            units, name = int(np.prod(b.to)), f"E.out->{b.name}"
            if self.form == "low-rank":
                shapes[f"{name}.V"], shapes[f"{name}.U"] = (self.spec["rank"], y), (units, self.spec["rank"])
            elif self.form == "full":
                shapes[name] = (units, y)
            elif self.form != "seeded":
                shapes[name] = (b.to[0] * self.grid(i) ** 2, y)
        for i in range(1, self.net.out + 1):
            b = self.net.block(i)
            shapes.update({f"E.{b.name}.{s.name}": s.layer.params()["W"] for s in self.twins(i)})
        return shapes

    def skip(self, i, name):
        """E of a skip, and z as it sees it: pooled, or all units."""
        b, z = self.net.block(i), self.z[i]
        if self.form == "seeded":
            drawn = self.net.draws.get(f"1/0/{name}", "normal", (b.to[0], self.net.classes))
            return self.spec["e_std"] * drawn, pooled(z, 1)
        whole = self.form in ["full", "low-rank"]
        seen = z.reshape(len(z), -1) if whole else pooled(z, self.grid(i))
        return self.net.p.get(name), seen

    def received(self, i):
        """beta d_i from the output, and the update of its synapse."""
        b, rate = self.net.block(i), self.spec.get("e_rate", 1.0)
        name = f"E.out->{b.name}"
        e_synapse, seen = self.skip(i, name)
        if self.form == "low-rank":
            u, v = self.net.p[f"{name}.U"], self.net.p[f"{name}.V"]
            d = (self.e_out @ v.T) @ u.T
            if self.learned:
                d_u, d_v = seen.T @ (self.e_out @ v.T), (seen @ u).T @ self.e_out
                self.own[f"{name}.U"] = Update(d_u / self.batch, True, rate=rate)
                self.own[f"{name}.V"] = Update(d_v / self.batch, True, rate=rate)
            return self.spec["beta"] * d.reshape(len(d), *b.to)
        q = softmax(seen @ e_synapse) - self.y
        if self.learned:
            post = q if self.plasticity == "readout" else self.e_out
            self.own[name] = Update(seen.T @ post / self.batch, True, rate=rate)
        message = self.spec.get("message", "output")
        sent = {"output": self.e_out, "readout": q, "both": self.e_out + q}[message]
        d = self.spec["beta"] * sent @ e_synapse.T
        return d.reshape(len(d), *b.to) if self.form == "full" else spread(d, b.to, self.grid(i))

    def stand_in(self, i):
        names = {s.name for s in self.twins(i)}
        b = self.net.block(i)
        return lambda s: self.net.p[f"E.{b.name}.{s.name}"] if s.name in names else None

    def local(self):
        net, out = self.net, self.net.out
        self.parts[out] = self.measure(self.e[out]) / self.batch
        self.enter(out, stand_in=self.stand_in(out))
        message = {}
        for i in range(out - 1, 0, -1):
            b = net.block(i)
            s = sum(self.received(i) if j == out else message[j] for j, k in self.edges if k == i)
            off = self.z[i] - PHI[b.phi](self.h[i] - s)
            self.e[i] = self.fire(off)
            self.parts[i] = self.measure(off) / self.batch
            gate = self.e[i].mean(axis=(2, 3), keepdims=True) if self.inner == "hebbian" else None
            message[i] = self.enter(i, stand_in=self.stand_in(i), gate=gate)

    def finish(self, updates):
        if not self.spec.get("twins_learn", True):
            return
        for i in range(1, self.net.out + 1):
            b = self.net.block(i)
            for s in self.twins(i):
                updates[f"{b.name}.{s.name}.W"].mirror = f"E.{b.name}.{s.name}"


RULES = {
    "rec-lra": RecLra,
    "backprop": Backprop,
    "feedback-alignment": Feedback,
    "direct-feedback-alignment": Direct,
    "target-prop": TargetProp,
    "hebbian": Hebbian,
    "head-only": Rule,
}
