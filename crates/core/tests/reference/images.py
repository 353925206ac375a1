"""Image networks: blocks of layers, and two steps of a case."""

import numpy as np

from common import PHI, Optimizer, fingerprint, report, softmax, start, units_first, verdict
from image_rules import RULES
from layers import KINDS, Pass


class Stage:
    """A layer in its place: its name, its number in the block."""

    def __init__(self, layer, name, number):
        self.layer, self.name, self.number = layer, name, number


class Block:
    def __init__(self, spec, shape):
        self.name, self.phi, self.shape = spec["name"], spec["phi"], shape
        counts = {}
        number = 0

        def build(specs, shape, prefix):
            nonlocal number
            stages = []
            for s in specs:
                s = dict(s)
                kind = s.pop("kind")
                # A noise map: noise, batch norm, a 1x1 combination with a bias.
                parts = [(kind, s)]
                if kind == "noise-map":
                    combine = {"out": s["out"], "k": 1, "stride": 1, "pad": 0, "bias": True}
                    parts = [("noise", {"noise": s["noise"], "level": s.get("level")}), ("norm", {}), ("conv", combine)]
                for kind, settings in parts:
                    layer = KINDS[kind](shape, **settings)
                    full = prefix + kind
                    counts[full] = counts.get(full, 0) + 1
                    stages.append(Stage(layer, f"{full}{counts[full]}", number))
                    number += 1
                    shape = layer.to
            return stages, shape

        self.path, self.to = build(spec["path"], shape, "")
        beside = spec.get("shortcut")
        self.shortcut = None if beside is None else build(beside, shape, "shortcut.")[0]

    def stages(self):
        return self.path + (self.shortcut or [])

    def params(self):
        return {f"{self.name}.{s.name}.{n}": shape for s in self.stages() for n, shape in s.layer.params().items()}

    def senders(self):
        """(stage, whether what it sends leaves the block, whether something below it in the block learns)."""
        for stages in [self.path, self.shortcut or []]:
            first = True
            for k, s in enumerate(stages):
                if s.layer.synapses:
                    yield s, first, any(below.layer.params() for below in stages[:k])
                    first = False

    def activations(self):
        """Activations of the path above its first synapses."""
        first = next((k for k, s in enumerate(self.path) if s.layer.synapses), len(self.path))
        return [s for s in self.path[first + 1 :] if s.layer.phi]

    def at(self, net, stage, t, number):
        return Pass(net.p, f"{self.name}.{stage.name}", True, f"1/16/{t}/{number}/{stage.number}", net.draws)

    def forward(self, net, x, t, number, training=True):
        """h, and of each stage its input and output."""
        left = {}

        def run(stages, now):
            for s in stages:
                at = self.at(net, s, t, number)
                at.training = training
                out = s.layer.forward(at, now)
                left[s.name], now = (now, out), out
            return now

        h = run(self.path, x)
        if self.shortcut is not None:
            h = h + run(self.shortcut, x).reshape(h.shape)
        return h, left

    def down(self, net, left, e, t, number, respond, stand_in=lambda s: None, direct=None, gate=None):
        """Updates by name, summed over the samples, and the message that leaves at the input.

        `stand_in` gives the matrix in place of W; `direct` what an activation receives; `gate` its error neurons' gate.
        """
        updates = {}

        def run(stages, signal):
            for s in reversed(stages):
                x, y = left[s.name]
                if direct and s.name in direct:
                    signal = np.broadcast_to(direct[s.name], y.shape)
                if gate is not None and s in self.activations():
                    signal = gate * y
                    continue
                at = self.at(net, s, t, number)
                signal, of = s.layer.back(at, x, y, signal, respond, stand_in(s))
                updates.update({f"{self.name}.{s.name}.{n}": v for n, v in of.items()})
            return signal

        message = run(self.path, e)
        if self.shortcut is not None:
            message = message + run(self.shortcut, e)
        return updates, message


class Net:
    def __init__(self, spec, draws):
        self.draws, self.p, self.blocks, shape = draws, {}, [], tuple(spec["input"])
        self.input, self.held = shape, spec.get("held", [])
        for s in spec["blocks"]:
            self.blocks.append(Block(s, shape))
            shape = self.blocks[-1].to
        self.out = len(self.blocks)
        self.classes = int(np.prod(shape))

    def block(self, i):
        """Region i, counted from 1."""
        return self.blocks[i - 1]

    def forward(self, x, t, training=True):
        h, z, left = {}, {0: x}, {}
        for i in range(1, self.out + 1):
            h[i], left[i] = self.block(i).forward(self, z[i - 1], t, i, training)
            z[i] = PHI[self.block(i).phi](h[i])
        return h, z, left


def run(spec, draws):
    """The numbers of one case: two steps, then an evaluation by running statistics."""
    net, table = Net(spec["net"], draws), spec.get("start", {})
    rule = RULES[spec["rule"]["name"]](net, spec["rule"])
    own = rule.shapes()
    shapes = {name: shape for b in net.blocks for name, shape in b.params().items()}
    net.p = {name: start(name, shape, table) for name, shape in {**shapes, **own}.items()}
    optimizer = Optimizer(spec["optim"], net.p, own)
    batch, steps = len(spec["labels"][0]), []
    names = {i: net.block(i).name for i in range(1, net.out + 1)}
    flat = lambda v: v.reshape(len(v), -1)
    for t, labels in enumerate(spec["labels"]):
        x = start(f"x{t + 1}", (batch, *net.input), table)
        discrepancy, updates = rule.run(x, labels, t)
        logits = flat(rule.h[net.out])
        loss, wrong, _ = verdict(logits, softmax(logits), labels, True)
        step = {"report": report(loss, wrong, discrepancy, batch)}
        for letter, signals in [("h", rule.h), ("z", rule.z), ("e", rule.e)]:
            step[letter] = {names[i]: fingerprint(units_first(v)) for i, v in signals.items() if i > 0}
        step["updates"] = {name: fingerprint(u.d) for name, u in updates.items()}
        step["updates"].update({u.mirror: fingerprint(u.d) for u in updates.values() if u.mirror})
        steps.append(step)
        optimizer.step(net.p, updates)
        for i, name in names.items():
            for s in net.block(i).stages():
                if s.layer.kind == "norm":
                    s.layer.follow(net.p, f"{name}.{s.name}", rule.left[i][s.name][0])
        optimizer.follow(net.p)
    learned = net.p
    net.p = {**net.p, **(optimizer.average or {})}
    h, _, _ = net.forward(start("x3", (batch, *net.input), table), len(steps), training=False)
    logits = flat(h[net.out])
    loss, wrong, distance = verdict(logits, softmax(logits), spec["labels"][1], True)
    prints = lambda numbers: {name: fingerprint(v) for name, v in numbers.items()}
    return {
        "steps": steps,
        "parameters": prints(learned),
        "average": prints(optimizer.average or {}),
        "first": prints(optimizer.m),
        "second": prints(optimizer.v),
        "evaluation": {
            "loss": loss,
            "wrong": wrong,
            "distance": distance,
            "outputs": fingerprint(softmax(logits)),
        },
    }
