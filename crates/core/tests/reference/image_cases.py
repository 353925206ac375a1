"""The cases on image networks, as data that the Rust test builds the same from."""

from cases import OPTIMS

LABELS = [[0, 2, 1], [1, 1, 0]]


def conv(out, k, stride=1, pad=None, **more):
    return {"kind": "conv", "out": out, "k": k, "stride": stride, "pad": k // 2 if pad is None else pad, **more}


NORM = {"kind": "norm"}
RELU = {"kind": "act", "phi": "relu"}
HEAD = {"name": "out", "phi": "softmax", "path": [{"kind": "global-mean"}, {"kind": "dense", "out": 3, "bias": True}]}
STEM = {"name": "stem", "phi": "relu", "path": [conv(3, 3), NORM]}


def residual(phi="relu"):
    """A stem, a block with the identity for a shortcut, a block that halves the image, the output."""
    act = {"kind": "act", "phi": phi}
    body = lambda c, stride: [conv(c, 3, stride), NORM, act, conv(c, 3), NORM]
    b1 = {"name": "b1", "phi": phi, "path": body(3, 1), "shortcut": []}
    b2 = {"name": "b2", "phi": phi, "path": body(4, 2), "shortcut": [conv(4, 1, 2), NORM]}
    return {"input": [2, 6, 6], "blocks": [{**STEM, "phi": phi}, b1, b2, HEAD]}


def noise(kind):
    """A block of two noise maps with a pool, Gaussian or uniform."""
    some = {"kind": "noise-map", "out": 4, "noise": kind, "level": 0.3}
    path = [some, {"kind": "max-pool", "k": 2, "stride": 2, "pad": 0}, RELU, {**some, "level": 0.2}]
    b1 = {"name": "b1", "phi": "tanh", "path": path, "shortcut": [conv(4, 1, 2), NORM]}
    return {"input": [2, 6, 6], "blocks": [STEM, b1, HEAD]}


# Every other kind of layer, without shortcuts.
MOTLEY = {
    "input": [2, 6, 6],
    "blocks": [
        {
            "name": "b1",
            "phi": "tanh",
            "path": [
                {"kind": "noise-map", "out": 4, "noise": "uniform", "level": 0.4},
                {"kind": "max-pool", "k": 2, "stride": 1, "pad": 1},
            ],
        },
        {
            "name": "b2",
            "phi": "elu",
            "path": [
                {"kind": "pad", "by": 1},
                conv(4, 3, 2, 0, groups=2, bias=True),
                {"kind": "act", "phi": "lrelu"},
                {"kind": "dropout", "share": 0.3},
            ],
        },
        {
            "name": "b3",
            "phi": "sigmoid",
            "path": [
                {"kind": "mean-pool", "k": 2, "stride": 2, "pad": 0},
                {"kind": "norm", "momentum": 0.3, "epsilon": 0.01},
                {"kind": "dense", "out": 5, "bias": True},
            ],
        },
        {"name": "out", "phi": "softmax", "path": [{"kind": "dense", "out": 3, "bias": True}]},
    ],
}

# Offsets that a batch norm takes out: they are not trained.
HELD = {
    "input": [2, 6, 6],
    "held": ["b1.conv1.b", "b1.norm1.shift", "b2.conv1.b"],
    "blocks": [
        {
            "name": "b1",
            "phi": "tanh",
            "path": [
                {"kind": "noise-map", "out": 3, "noise": "gaussian", "level": 0.3},
                {"kind": "max-pool", "k": 2, "stride": 2, "pad": 0},
                NORM,
                RELU,
                conv(3, 3, bias=True),
            ],
            "shortcut": [conv(3, 1, 2), NORM],
        },
        {"name": "b2", "phi": "relu", "path": [conv(3, 3, bias=True), NORM], "shortcut": []},
        HEAD,
    ],
}


def cases():
    nets = {"residual": residual(), "noise": noise("gaussian"), "motley": MOTLEY}
    names = list(OPTIMS)
    all_cases = []

    def add(name, net, rule, optim=None, **more):
        optim = OPTIMS[optim or names[len(all_cases) % len(names)]]
        # Updates of convolutions are larger than those of the perceptrons.
        optim = {**optim, "radius": 5 * optim["radius"]} if "radius" in optim else optim
        all_cases.append({"name": name, "net": net, "rule": rule, "optim": optim, "labels": LABELS, **more})

    lra = lambda wiring="skip", **more: {"name": "rec-lra", "wiring": wiring, "beta": 0.3, **more}
    tp = lambda difference: {"name": "target-prop", "difference": difference, "eta": 0.4, "sigma": 0.2, "v_rate": 2.0}
    oja = {"name": "hebbian", "oja": True, "rate": 0.4}
    simple = [{"name": n} for n in ["backprop", "feedback-alignment", "direct-feedback-alignment", "head-only"]]

    for rule in simple + [oja, lra(), lra("layer"), tp(False), tp(True)]:
        for name, net in nets.items():
            cannot = name == "motley" and rule["name"] == "target-prop"  # the image grows there
            cannot = cannot or (name == "noise" and rule["name"] == "hebbian")  # its path ends in a synapse
            if not cannot:
                wiring = rule.get("wiring", "") + rule.get("difference", False) * " difference"
                add(f"{rule['name']} {wiring}, {name}", net, rule)
    for optim in names:
        add(f"skip, {optim}", residual("tanh"), lra(plasticity="mirror"), optim)
        add(f"layer, {optim}", nets["noise"], lra("layer", inner="rec-lra"), optim)
        add(f"backprop, {optim}", residual("elu"), {"name": "backprop"}, optim)

    for rule in [{"name": "backprop"}, lra(), lra("layer", inner="rec-lra"), tp(True)]:
        add(f"offsets, {rule['name']}", HELD, rule)
    add("random features", nets["residual"], {**oja, "oja": False})
    add("noise, uniform", noise("uniform"), {"name": "backprop"})
    add("noise, none", noise(None), lra("layer", inner="rec-lra"))
    some = nets["residual"]
    for inner in ["backprop", "rec-lra", "hebbian"]:
        add(f"skip, inner {inner}", some, lra(inner=inner, plasticity="mirror"))
        add(f"layer, inner {inner}", some, lra("layer", inner=inner))
        add(f"layer, inner {inner}, fixed", some, lra("layer", inner=inner, plasticity="fixed", twins_learn=False, twin_std=1.0))
        add(f"stem inside, inner {inner}", some, lra(stem_inside=True, inner=inner))
        add(f"gap 2, inner {inner}", some, lra("gap", gap=2, inner=inner))
        add(f"noise skip, inner {inner}", nets["noise"], lra(inner=inner))
        add(f"noise layer, inner {inner}", nets["noise"], lra("layer", inner=inner))
    add("layer, stem inside is skip's", some, lra("layer", stem_inside=True))
    add("gap 3", some, lra("gap", gap=3, inner="rec-lra"))
    both = [["out", "b2"], ["b2", "b1"], ["out", "b1"], ["b1", "stem"]]
    add("list, two messages", some, lra("list", synapses=both, inner="rec-lra", plasticity="mirror"))
    add("list, skips alone", some, lra("list", synapses=[["out", "b2"], ["out", "b1"], ["out", "stem"]]))
    add("fixed", some, lra(plasticity="fixed"))
    for plasticity in ["mirror", "readout"]:
        add(f"grid 2, {plasticity}", some, lra(synapse="grid", grid=2, plasticity=plasticity))
        add(f"full, {plasticity}", some, lra(synapse="full", plasticity=plasticity))
    add("grid finer than the image", some, lra(synapse="grid", grid=5, plasticity="mirror"))
    add("low-rank", some, lra(synapse="low-rank", rank=2, plasticity="mirror"))
    add("low-rank, fixed", some, lra(synapse="low-rank", rank=2, plasticity="fixed"))
    add("seeded", some, lra(synapse="seeded", e_std=0.4))
    for message in ["readout", "both"]:
        add(f"message {message}", some, lra(message=message))
        add(f"message {message}, full", some, lra(message=message, synapse="full"))
    add("message both, stem inside", some, lra(message="both", stem_inside=True))
    add("rate of E", some, lra(e_rate=0.3))
    add("l1", some, lra(mismatch="l1"), "sgd")
    add("p 1.5, q 2", some, lra(mismatch="lp", p=1.5, q=2.0), "adam")
    add("p 3, q 1, inner rec-LRA", some, lra(mismatch="lp", p=3.0, q=1.0, inner="rec-lra"), "nesterov")
    add("mixed", some, lra(mismatch="mixed", mix=0.6, inner="rec-lra"), "nesterov")
    return all_cases
