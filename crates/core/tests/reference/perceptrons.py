"""Perceptrons: two steps of every rule, from the equations of the method (sections 1 to 4) and of the rules' papers."""

import numpy as np

from common import PHI, SLOPE, Optimizer, Update, fingerprint, mismatch_of, report, softmax, start, units_first, verdict


class Net:
    """Regions in order, the input first; sources and shortcuts by number."""

    def __init__(self, spec):
        if "regions" in spec:
            self.names = ["in"] + [r[0] for r in spec["regions"]]
            self.widths = [spec["inputs"]] + [r[1] for r in spec["regions"]]
            self.phi = ["identity"] + [r[2] for r in spec["regions"]]
            at = {n: k for k, n in enumerate(self.names)}
            self.sources = [[at[a] for a, b in spec["synapses"] if b == n] for n in self.names]
            self.shortcuts = [[at[a] for a, b in spec["shortcuts"] if b == n] for n in self.names]
            self.bias = True
        else:
            self.widths, g = spec["widths"], spec.get("gap")
            last = len(self.widths) - 1
            self.names = ["in"] + [f"b{l}" for l in range(1, last)] + ["out"]
            self.phi = ["identity"] + [spec["phi"]] * (last - 1) + ["softmax"]
            self.sources = [[]] + [[l - 1] for l in range(1, last + 1)]
            w = self.widths
            closes = lambda l: g and l % g == 0 and 0 < l < last and l - g >= 1 and w[l - g] == w[l]
            self.shortcuts = [[l - g] if closes(l) else [] for l in range(last + 1)]
            self.bias = spec.get("bias", True)
        self.out = len(self.names) - 1
        self.hidden = range(1, self.out)

    def w(self, i, j):
        """Name of W from region i to region j."""
        return f"W.{self.names[i]}->{self.names[j]}"

    def b(self, j):
        return f"b.{self.names[j]}"

    def own(self, letter, j, i):
        """Name of a rule's synapse from region j to region i."""
        return f"{letter}.{self.names[j]}->{self.names[i]}"

    def shapes(self):
        shapes = {}
        for j in range(1, self.out + 1):
            for i in self.sources[j]:
                shapes[self.w(i, j)] = (self.widths[j], self.widths[i])
            if self.bias:
                shapes[self.b(j)] = (self.widths[j],)
        return shapes

    def pre(self, p, j, z):
        """h_j from the activities z."""
        h = sum(z[i] @ p[self.w(i, j)].T for i in self.sources[j]) + sum(z[i] for i in self.shortcuts[j])
        return h + p[self.b(j)] if self.bias else h

    def forward(self, p, x):
        h, z = {}, {0: x}
        for j in range(1, self.out + 1):
            h[j] = self.pre(p, j, z)
            z[j] = PHI[self.phi[j]](h[j])
        return h, z

    def answers(self, i):
        """Regions that i sends to by synapse, and by shortcut."""
        to = range(i + 1, self.out + 1)
        return [j for j in to if i in self.sources[j]], [j for j in to if i in self.shortcuts[j]]


def weight_updates(net, s, learns, factor=lambda j: 1.0):
    """dW_{i->j} = e_j z_i^T and db_j = e_j, means over the batch."""
    updates, batch = {}, len(s["z"][0])
    for j in learns:
        for i in net.sources[j]:
            updates[net.w(i, j)] = Update(factor(j) * s["e"][j].T @ s["z"][i] / batch, True, decays=True)
        if net.bias:
            updates[net.b(j)] = Update(factor(j) * s["e"][j].sum(axis=0) / batch, False)
    return updates


class Rule:
    """Forward pass and output; what follows is the rule's."""

    def __init__(self, net, spec, draws, batch):
        self.net, self.spec, self.draws, self.batch = net, spec, draws, batch
        self.step = 0

    def shapes(self):
        return {}

    def infer(self, p, x, samples=None):
        return self.net.forward(p, x)

    def run(self, p, x, labels, samples):
        net = self.net
        h, z = self.infer(p, x, samples)
        y = np.eye(net.widths[net.out])[labels]
        e = z[net.out] - y
        s = {"h": h, "z": z, "y": {net.out: y}, "e": {net.out: e}, "d": {net.out: e}}
        parts = {net.out: float((e * e).sum()) / len(x)}
        updates = self.local(p, s, parts)
        self.step += 1
        return s, sum(parts.values()), updates

    def local(self, p, s, parts):
        """The control: only the output learns."""
        return weight_updates(self.net, s, [self.net.out])


class RecLra(Rule):
    def __init__(self, *args):
        super().__init__(*args)
        net, spec = self.net, self.spec
        L, g, wiring = net.out, spec.get("gap", 0), spec["wiring"]
        chain = [(l + 1, l) for l in net.hidden]
        if wiring == "chain":
            edges = chain
        elif wiring == "full":
            edges = [(L, l) for l in net.hidden]
        elif wiring == "gap":
            edges = [(L if l % g == 0 else l + 1, l) for l in net.hidden]
        elif wiring == "graph":
            edges = chain + [(L, l) for l in net.hidden if l % g == 0 and l + 1 != L]
        else:
            at = {n: k for k, n in enumerate(net.names)}
            edges = [(at[a], at[b]) for a, b in spec["synapses"]]
        level = {L: 0}
        while len(level) < L:
            for i in net.hidden:
                parents = [j for j, k in edges if k == i]
                if i not in level and all(j in level for j in parents):
                    level[i] = 1 + max(level[j] for j in parents)
        self.deepest = spec.get("depth", L)
        self.level = {i: d for i, d in level.items() if d <= self.deepest}
        self.edges = [(j, i) for j, i in edges if i in self.level]

    def kappa(self, l):
        return self.spec["kappa"][l - 1] if "kappa" in self.spec else 1.0

    def shapes(self):
        w = self.net.widths
        return {self.net.own("E", j, i): (w[i], w[j]) for j, i in self.edges}

    def local(self, p, s, parts):
        net, spec, L = self.net, self.spec, self.net.out
        beta, gamma = spec.get("beta", 0.1), spec.get("gamma", 1.0)
        fire, measure = mismatch_of(spec)
        e, z, d = s["e"], s["z"], s["d"]
        for i in sorted(set(self.level) - {L}, key=lambda i: self.level[i]):
            d[i] = sum(e[j] @ p[net.own("E", j, k)].T for j, k in self.edges if k == i)
            s["y"][i] = PHI[net.phi[i]](s["h"][i] - beta * d[i])
            e[i] = fire(z[i] - s["y"][i])
            parts[i] = self.kappa(i) * measure(z[i] - s["y"][i]) / len(z[0])
        # The output's error neurons are z - y whatever the norm; its discrepancy is measured by the same norm.
        parts[L] = self.kappa(L) * measure(z[L] - s["y"][L]) / len(z[0])
        updates = weight_updates(net, s, self.level, self.kappa)
        batch = len(z[0])
        for j, i in self.edges:
            name, rate = net.own("E", j, i), spec.get("e_rate", 1.0)
            plasticity = spec.get("plasticity", "mirror")
            if plasticity == "mirror":
                d_e = gamma * z[i].T @ e[j]
                alike = gamma == rate == self.kappa(j) == 1.0 and i in net.sources[j]
                if alike:  # E answers W: one update for both, and W's moments
                    updates[net.w(i, j)].mirror = name
                    continue
            elif plasticity == "algorithm1":
                d_e = -gamma * e[i].T @ d[j]
            elif plasticity == "algorithm2":
                d_e = -gamma * d[i].T @ e[j]
            else:
                continue
            updates[name] = Update(d_e / batch, True, rate=rate)
        return updates


class LraE(RecLra):
    """E learns by gamma times W's update, with moments of its own."""

    def __init__(self, net, spec, draws, batch):
        super().__init__(net, {**spec, "wiring": "chain"}, draws, batch)

    def local(self, p, s, parts):
        updates = super().local(p, s, parts)
        for j, i in self.edges:
            d_w = updates[self.net.w(i, j)].d
            updates[self.net.w(i, j)].mirror = None
            updates[self.net.own("E", j, i)] = Update(self.spec["gamma"] * d_w.T, True, rate=self.spec["e_rate"])
        return updates


class Backprop(Rule):
    def back(self, p, i, j):
        return p[self.net.w(i, j)].T

    def local(self, p, s, parts):
        net = self.net
        for i in reversed(net.hidden):
            synapses, shortcuts = net.answers(i)
            s["d"][i] = sum(s["e"][j] @ self.back(p, i, j).T for j in synapses) + sum(s["e"][j] for j in shortcuts)
            s["e"][i] = s["d"][i] * SLOPE[net.phi[i]](s["h"][i])
        return weight_updates(net, s, range(1, net.out + 1))


class Feedback(Backprop):
    def shapes(self):
        net = self.net
        pairs = [(i, j) for i in net.hidden for j in net.answers(i)[0]]
        return {net.own("B", j, i): (net.widths[i], net.widths[j]) for i, j in pairs}

    def back(self, p, i, j):
        return p[self.net.own("B", j, i)]


class Direct(Rule):
    def shapes(self):
        net = self.net
        return {net.own("B", net.out, i): (net.widths[i], net.widths[net.out]) for i in net.hidden}

    def local(self, p, s, parts):
        net = self.net
        for i in net.hidden:
            s["d"][i] = s["e"][net.out] @ p[net.own("B", net.out, i)].T
            s["e"][i] = s["d"][i] * SLOPE[net.phi[i]](s["h"][i])
        return weight_updates(net, s, range(1, net.out + 1))


class TargetProp(Rule):
    def shapes(self):
        net, shapes = self.net, {}
        for l in range(2, net.out):
            shapes[net.own("V", l, l - 1)] = (net.widths[l - 1], net.widths[l])
            shapes[net.own("c", l, l - 1)] = (net.widths[l - 1],)
        return shapes

    def local(self, p, s, parts):
        net, spec, L = self.net, self.spec, self.net.out
        z, h, eta, batch = s["z"], s["h"], spec["eta"], len(s["z"][0])
        v = lambda l: p[net.own("V", l, l - 1)]
        c = lambda l: p[net.own("c", l, l - 1)]
        pre = lambda l, u: u @ v(l).T + c(l)
        g = lambda l, u: PHI[net.phi[l - 1]](pre(l, u))
        aim = {L - 1: z[L - 1] - eta * s["e"][L] @ p[net.w(L - 1, L)]}
        own = {}
        for l in range(L - 1, 1, -1):
            correction = z[l - 1] - g(l, z[l]) if spec["difference"] else 0.0
            aim[l - 1] = g(l, aim[l]) + correction
            noise = self.draws.get(f"1/16/{self.step}/{l}", "normal", (net.widths[l - 1], batch)).T
            zt = z[l - 1] + spec["sigma"] * noise
            f = PHI[net.phi[l]](net.pre(p, l, {l - 1: zt}))
            r = (g(l, f) - zt) * SLOPE[net.phi[l - 1]](pre(l, f))
            own[net.own("V", l, l - 1)] = Update(r.T @ f / batch, True, rate=spec["v_rate"])
            own[net.own("c", l, l - 1)] = Update(r.sum(axis=0) / batch, False, rate=spec["v_rate"])
        for l in net.hidden:
            s["y"][l] = aim[l]
            s["d"][l] = z[l] - aim[l]
            s["e"][l] = s["d"][l] * SLOPE[net.phi[l]](h[l])
            parts[l] = float((s["d"][l] ** 2).sum()) / batch
        return {**weight_updates(net, s, range(1, L + 1), lambda l: 1.0 if l == L else 1 / eta), **own}


class Equilibrium(Rule):
    def __init__(self, *args):
        super().__init__(*args)
        self.particles = {}

    def above(self, p, l, s):
        """What region l hears from the region above it."""
        return s[l + 1] @ p[self.net.w(l, l + 1)] if l + 1 < self.net.out else 0.0

    def infer(self, p, x, samples=None):
        net, spec = self.net, self.spec
        h, z = net.forward(p, x)
        if net.out < 3:  # one hidden region: nothing settles
            return h, z
        drive = h[1]
        persistent = spec.get("persistent") and samples is not None
        if persistent:  # kept in float32, and so are those that lie beside kept ones
            for l in net.hidden:
                z[l] = z[l].astype(np.float32).astype(float)
                for row, sample in enumerate(samples):
                    if sample in self.particles:
                        z[l][row] = self.particles[sample][l]
        for _ in range(spec["free"]):
            for l in reversed(net.hidden):
                h[l] = (drive if l == 1 else net.pre(p, l, z)) + self.above(p, l, z)
                z[l] = PHI[net.phi[l]](h[l])
        h[net.out] = net.pre(p, net.out, z)
        z[net.out] = softmax(h[net.out])
        if persistent:
            for row, sample in enumerate(samples):
                self.particles[sample] = {l: z[l][row].astype(np.float32).astype(float) for l in net.hidden}
        return h, z

    def nudged(self, p, z, beta, y):
        net, spec = self.net, self.spec
        s, top = dict(z), self.net.out - 1
        for _ in range(spec["nudged"]):
            pull = beta * (y - softmax(net.pre(p, net.out, s))) @ p[net.w(top, net.out)]
            for l in range(top, 0, -1):
                s[l] = PHI[net.phi[l]](net.pre(p, l, s) + (pull if l == top else self.above(p, l, s)))
        return s

    def local(self, p, s, parts):
        net, spec, z = self.net, self.spec, s["z"]
        beta, batch, y = spec["beta"], len(z[0]), s["y"][net.out]
        plus = self.nudged(p, z, beta, y)
        minus = self.nudged(p, z, -beta, y) if spec["symmetric"] else z
        apart = 2 * beta if spec["symmetric"] else beta
        updates = weight_updates(net, s, [net.out])
        for l in net.hidden:
            d_w = -(plus[l].T @ plus[l - 1] - minus[l].T @ minus[l - 1]) / apart
            rate = spec["fall"] ** (l - 1)
            updates[net.w(l - 1, l)] = Update(d_w / batch, True, decays=True, rate=rate)
            if net.bias:
                updates[net.b(l)] = Update(-(plus[l] - minus[l]).sum(axis=0) / apart / batch, False, rate=rate)
            s["e"][l] = (minus[l] - plus[l]) / apart
            s["y"][l] = plus[l]
            parts[l] = float(((z[l] - plus[l]) ** 2).sum()) / batch
        return updates


class Hebbian(Rule):
    def local(self, p, s, parts):
        net, spec = self.net, self.spec
        updates = weight_updates(net, s, [net.out])
        for i in net.hidden if spec["oja"] else []:
            for k in net.sources[i]:
                w, h = p[net.w(k, i)], s["h"][i]
                # Oja's subspace rule climbs; descent turns its sign.
                d = -h.T @ (s["z"][k] - h @ w) / len(h)
                updates[net.w(k, i)] = Update(d, True, decays=True, rate=spec["rate"])
        return updates


RULES = {
    "rec-lra": RecLra,
    "lra-e": LraE,
    "backprop": Backprop,
    "feedback-alignment": Feedback,
    "direct-feedback-alignment": Direct,
    "target-prop": TargetProp,
    "equilibrium-prop": Equilibrium,
    "hebbian": Hebbian,
    "head-only": Rule,
}


def run(spec, draws):
    """The numbers of one case: two steps, then an evaluation."""
    net, table = Net(spec["net"]), spec.get("start", {})
    batch = len(spec["labels"][0])
    rule = RULES[spec["rule"]["name"]](net, spec["rule"], draws, batch)
    own = rule.shapes()
    p = {name: start(name, shape, table) for name, shape in {**net.shapes(), **own}.items()}
    optimizer = Optimizer(spec["optim"], p, own)
    classifier = net.phi[net.out] == "softmax"
    steps = []
    for t, labels in enumerate(spec["labels"]):
        x = start(f"x{t + 1}", (batch, net.widths[0]), table)
        samples = spec["samples"][t] if "samples" in spec else None
        s, discrepancy, updates = rule.run(p, x, labels, samples)
        loss, wrong, _ = verdict(s["h"][net.out], s["z"][net.out], labels, classifier)
        step = {"report": report(loss, wrong, discrepancy, batch)}
        for letter in "hzdye":
            of = s[letter].items()
            step[letter] = {net.names[i]: fingerprint(units_first(v)) for i, v in of if i > 0}
        step["updates"] = {name: fingerprint(u.d) for name, u in updates.items()}
        for u in list(updates.values()):
            if u.mirror:
                step["updates"][u.mirror] = fingerprint(u.d.T)
        steps.append(step)
        optimizer.step(p, updates)
        optimizer.follow(p)
    x = start("x3", (batch, net.widths[0]), table)
    used = {**p, **(optimizer.average or {})}
    h, z = rule.infer(used, x)
    loss, wrong, distance = verdict(h[net.out], z[net.out], spec["labels"][1], classifier)
    return {
        "steps": steps,
        "parameters": {name: fingerprint(v) for name, v in p.items()},
        "average": {name: fingerprint(v) for name, v in (optimizer.average or {}).items()},
        "first": {name: fingerprint(v) for name, v in optimizer.m.items()},
        "second": {name: fingerprint(v) for name, v in optimizer.v.items()},
        "evaluation": {"loss": loss, "wrong": wrong, "distance": distance, "outputs": fingerprint(z[net.out])},
    }
