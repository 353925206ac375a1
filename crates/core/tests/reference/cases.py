"""The cases on perceptrons: networks, rules and settings, all as data that the Rust test builds the same from."""

ADAM = {"method": "adam", "lr": 0.01, "radius": 0.05}
OPTIMS = {
    "adam": ADAM,
    "adam-decay": {**ADAM, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3, "decay": 0.5, "average": 0.9},
    "sgd": {"method": "sgd", "lr": 0.1, "average": 0.15, "warmup": 3},
    "momentum": {"method": "sgd", "lr": 0.2, "momentum": 0.9, "radius": 0.04, "schedule": "linear", "total": 5},
    "nesterov": {"method": "sgd", "lr": 0.1, "momentum": 0.8, "nesterov": True, "decay": 0.3, "radius": 0.06},
    "cosine": {**ADAM, "schedule": "cosine", "total": 4, "warmup": 1, "average": 0.99},
    "drops": {**ADAM, "schedule": "step", "step_every": 1, "step_factor": 0.25, "decay": 0.2},
}

SMALL = {"widths": [4, 5, 4, 3], "phi": "tanh"}
DEEP = {"widths": [4, 5, 5, 5, 5, 3], "phi": "elu", "gap": 2}
UNEVEN = {"widths": [4, 5, 4, 5, 4, 3], "phi": "elu", "gap": 2}
FIVE = {"widths": [4, 5, 4, 3, 4, 5, 3], "phi": "tanh"}
TREE = {
    "inputs": 4,
    "regions": [["left", 5, "tanh"], ["right", 4, "elu"], ["top", 5, "sigmoid"], ["out", 3, "softmax"]],
    "synapses": [["in", "left"], ["in", "right"], ["left", "top"], ["right", "top"], ["top", "out"], ["left", "out"]],
    "shortcuts": [["left", "top"]],
}
LINEAR = {
    "inputs": 4,
    "regions": [["b1", 5, "lrelu"], ["b2", 4, "tanh"], ["out", 3, "identity"]],
    "synapses": [["in", "b1"], ["b1", "b2"], ["b2", "out"]],
    "shortcuts": [],
}
LABELS = [[0, 2, 1, 2, 0], [1, 1, 0, 2, 0]]
SAMPLES = [[3, 0, 7, 1, 4], [0, 3, 2, 7, 5]]


def of_phi(net, phi):
    return {**net, "phi": phi}


def perceptrons():
    cases = []

    def add(name, net, rule, optim, **more):
        cases.append({"name": name, "net": net, "rule": rule, "optim": OPTIMS[optim], "labels": LABELS, **more})

    lra = lambda wiring="chain", **more: {"name": "rec-lra", "wiring": wiring, **more}
    tp = lambda difference, **more: {
        "name": "target-prop", "difference": difference, "eta": 0.7, "sigma": 0.2, "v_rate": 2.0, **more
    }
    ep = lambda **more: {
        "name": "equilibrium-prop", "beta": 0.4, "free": 3, "nudged": 2, "symmetric": True, "fall": 0.3, **more
    }
    oja = {"name": "hebbian", "oja": True, "rate": 0.4}
    lra_e = {"name": "lra-e", "beta": 0.3, "gamma": 0.9, "e_rate": 1.0}

    # Every rule under every optimizer.
    for rule in [
        lra(beta=0.4), lra_e, {"name": "backprop"}, {"name": "feedback-alignment"},
        {"name": "direct-feedback-alignment"}, tp(False), tp(True), ep(), oja, {"name": "head-only"},
    ]:
        for optim in OPTIMS:
            suffix = " difference" if rule.get("difference") else ""
            add(f"{rule['name']}{suffix}, {optim}", SMALL, rule, optim)

    # Wirings and depth of rec-LRA.
    add("gap 2", FIVE, lra("gap", gap=2), "adam")
    add("gap 3", FIVE, lra("gap", gap=3, beta=0.3), "nesterov")
    add("residual gap", DEEP, lra("gap", gap=2, beta=0.6), "adam")
    add("residual gap, other widths between", UNEVEN, lra("gap", gap=2, beta=0.6), "nesterov")
    add("full sign", of_phi(DEEP, "sign"), lra("full", gap=2), "adam")
    add("full sigmoid", of_phi(FIVE, "sigmoid"), lra("full", beta=1.0), "momentum")
    add("graph 2", of_phi(DEEP, "lrelu"), lra("graph", gap=2), "adam-decay")
    add("graph 5", FIVE, lra("graph", gap=5, beta=0.8), "adam")
    add("list", TREE, lra("list", synapses=[["out", "top"], ["top", "left"], ["out", "left"], ["left", "right"]]), "nesterov")
    add("depth 2", FIVE, lra(depth=2), "adam")
    add("depth 1 of a graph", FIVE, lra("graph", gap=2, depth=1), "sgd")
    # Its other settings.
    for plasticity in ["fixed", "algorithm1", "algorithm2"]:
        add(plasticity, SMALL, lra(plasticity=plasticity, gamma=0.5, beta=0.3), "momentum")
        add(f"{plasticity}, gap", FIVE, lra("gap", gap=2, plasticity=plasticity), "adam")
    add("gamma", SMALL, lra(gamma=0.6, beta=0.3), "nesterov")
    add("rate of E", SMALL, lra(e_rate=0.3, beta=0.3), "adam-decay")
    add("kappa", SMALL, lra(kappa=[0.5, 2.0, 1.0], beta=0.3), "sgd")
    add("kappa of the output", FIVE, lra("gap", gap=2, kappa=[1.0, 1.0, 0.3, 1.5, 1.0, 0.5]), "adam")
    add("l1", SMALL, lra(mismatch="l1", beta=0.3), "momentum")
    add("mixed", SMALL, lra(mismatch="mixed", mix=0.3, beta=0.3, kappa=[2.0, 1.0, 0.5]), "adam")
    for p, q in [(1.5, 2.0), (3.0, 1.0), (2.0, 1.0), (2.0, 4.0)]:
        add(f"p {p}, q {q}", SMALL, lra(mismatch="lp", p=p, q=q, beta=0.6), "nesterov")
    add("no biases", {**SMALL, "bias": False}, lra(beta=0.3), "adam-decay")
    add("no hidden region", {"widths": [4, 3], "phi": "tanh"}, lra(), "nesterov")
    add("linear output", LINEAR, lra(beta=0.3), "nesterov")
    add("lra-e, gamma and rate", SMALL, {**lra_e, "gamma": 0.4, "e_rate": 0.5}, "momentum")
    # Graphs and activations of the rules with derivatives.
    for name in ["backprop", "feedback-alignment", "direct-feedback-alignment"]:
        add(f"{name}, tree", TREE, {"name": name}, "nesterov")
        add(f"{name}, residual", DEEP, {"name": name}, "adam")
        add(f"{name}, linear output", LINEAR, {"name": name}, "momentum")
    for phi in ["relu", "lrelu", "sigmoid", "sign"]:
        add(f"backprop, {phi}", of_phi(DEEP, phi), {"name": "backprop"}, "momentum")
    # Target propagation on more than one inverse.
    for difference in [False, True]:
        add(f"inverses, {difference}", of_phi(FIVE, "elu"), tp(difference, eta=1.5, sigma=0.1, v_rate=0.5), "nesterov")
        add(f"one inverse less, {difference}", {"widths": [4, 5, 3], "phi": "tanh"}, tp(difference), "adam")
    # Equilibrium propagation.
    add("one hidden region", {"widths": [4, 5, 3], "phi": "sigmoid"}, ep(), "adam")
    add("push left out", SMALL, ep(symmetric=False), "momentum")
    add("sweeps", FIVE, ep(free=5, nudged=3, fall=0.5), "nesterov")
    add("sweeps, one each", FIVE, ep(free=1, nudged=1, fall=1.0), "adam")
    add("particles", SMALL, ep(persistent=True), "nesterov", samples=SAMPLES)
    add("particles not named", SMALL, ep(persistent=True), "nesterov")
    # Hebbian.
    add("oja, two sources", {**TREE, "shortcuts": []}, oja, "nesterov")
    add("random features", SMALL, {**oja, "oja": False}, "adam")
    return cases
