"""Golden cases of rec-LRA on a tiny convolutional net, by PyTorch in float64: writes blocks.json.

    python blocks.py > blocks.json        # torch 2.x; blocks.json names the version that made it

Stem, a block with the identity for a shortcut, a block that changes the shape, and the output. Nothing here knows reclra: errors
and updates are written down as the method has them (sections 7 and 7b), pull-backs of single operations are torch.autograd's.
Names of parameters are reclra's: BLOCK.OPERATION.PARAMETER, E.BLOCK.OPERATION of an operation's shape, E.out->BLOCK of a skip.
"""

import json

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(7)

B, C, H, W, CLASSES, EPS = 3, 2, 5, 4, 3, 1e-5
# block -> (path, shortcut); an operation is (name, kind, channels in, channels out, kernel, stride)
NET = {
    "stem": ([("conv1", "conv", C, 3, 3, 1), ("norm1", "norm", 3)], None),
    "b1": (
        [("conv1", "conv", 3, 3, 3, 1), ("norm1", "norm", 3), ("act1", "act"), ("conv2", "conv", 3, 3, 3, 1), ("norm2", "norm", 3)],
        [],
    ),
    "b2": (
        [("conv1", "conv", 3, 4, 3, 2), ("norm1", "norm", 4), ("act1", "act"), ("conv2", "conv", 4, 4, 3, 1), ("norm2", "norm", 4)],
        [("shortcut.conv1", "conv", 3, 4, 1, 2), ("shortcut.norm1", "norm", 4)],
    ),
}
ORDER = list(NET)
CHANNELS = {"stem": 3, "b1": 3, "b2": 4}

x = torch.randn(B, C, H, W)
labels = [0, 2, 1]
y = F.one_hot(torch.tensor(labels), CLASSES).to(x)
params = {}
for block, (path, shortcut) in NET.items():
    for op in path + (shortcut or []):
        if op[1] == "conv":
            _, _, i, o, k, _ = op
            params[f"{block}.{op[0]}.W"] = 0.5 * torch.randn(o, i, k, k)
        if op[1] == "norm":
            params[f"{block}.{op[0]}.scale"] = 1 + 0.3 * torch.randn(op[2])
            params[f"{block}.{op[0]}.shift"] = 0.3 * torch.randn(op[2])
params["out.dense1.W"] = 0.5 * torch.randn(CLASSES, 4)
params["out.dense1.b"] = 0.1 * torch.randn(CLASSES)
E = {f"E.out->{b}": 0.4 * torch.randn(CHANNELS[b], CLASSES) for b in ORDER}
for name, value in list(params.items()):
    if name.endswith("conv1.W") or name.endswith("conv2.W"):
        E["E." + name[:-2]] = 0.5 * torch.randn_like(value)


def apply(block, op, v):
    if op[1] == "conv":
        return F.conv2d(v, params[f"{block}.{op[0]}.W"], stride=op[5], padding=op[4] // 2)
    if op[1] == "norm":
        p = f"{block}.{op[0]}"
        return F.batch_norm(v, None, None, params[p + ".scale"], params[p + ".shift"], training=True, eps=EPS)
    return torch.relu(v)


def pull(f, at, e):
    """The pull-back of e through f at one point."""
    at = at.detach().requires_grad_(True)
    return torch.autograd.grad(f(at), at, e)[0]


# Forward. inside[block][operation] = (input, output)
inside, h, z, now = {}, {}, {}, x
for block in ORDER:
    path, shortcut = NET[block]
    inside[block], start = {}, now
    for op in path:
        out = apply(block, op, now)
        inside[block][op[0]], now = (now, out), out
    if shortcut is not None:
        beside = start
        for op in shortcut:
            out = apply(block, op, beside)
            inside[block][op[0]], beside = (beside, out), out
        now = now + beside
    h[block], z[block] = now, torch.relu(now)
    now = z[block]
pooled = z["b2"].mean(dim=(2, 3))
h["out"] = pooled @ params["out.dense1.W"].T + params["out.dense1.b"]
z["out"] = F.softmax(h["out"], dim=1)
e_out = z["out"] - y


def run(wiring, inner, beta, plasticity):
    e, updates, messages = {"out": e_out}, {}, {}
    updates["out.dense1.W"] = e_out.T @ pooled
    updates["out.dense1.b"] = e_out.sum(0)
    for block in reversed(ORDER):
        path, shortcut = NET[block]
        if block in messages:
            s = messages[block]
        else:
            s = beta * (e_out @ E[f"E.out->{block}"].T)[:, :, None, None].expand_as(h[block])
            mean = z[block].mean(dim=(2, 3))
            if plasticity == "mirror":
                updates[f"E.out->{block}"] = mean.T @ e_out
            if plasticity == "readout":
                q = F.softmax(mean @ E[f"E.out->{block}"], dim=1) - y
                updates[f"E.out->{block}"] = mean.T @ q
        e[block] = z[block] - torch.relu(h[block] - s)
        gate = e[block].mean(dim=(2, 3), keepdim=True)
        leaves = wiring == "layer" and block != "stem"

        def down(ops, signal):
            convs = [op for op in ops if op[1] == "conv"]
            for op in reversed(ops):
                v, out = inside[block][op[0]]
                name = f"{block}.{op[0]}"
                if op[1] == "conv":
                    w, pad = params[name + ".W"], op[4] // 2
                    updates[name + ".W"] = pull(lambda w: F.conv2d(v, w, stride=op[5], padding=pad), w, signal)
                    last = op is convs[0]
                    stand_in = (inner == "rec-lra" and not last) or (leaves and last)
                    back = E["E." + name] if stand_in else w
                    if stand_in and plasticity != "fixed":
                        updates["E." + name] = updates[name + ".W"]
                    signal = pull(lambda v: F.conv2d(v, back, stride=op[5], padding=pad), v, signal)
                elif op[1] == "norm":
                    f = lambda scale, shift: F.batch_norm(v, None, None, scale, shift, training=True, eps=EPS)
                    scale, shift = params[name + ".scale"], params[name + ".shift"]
                    updates[name + ".scale"] = pull(lambda a: f(a, shift), scale, signal)
                    updates[name + ".shift"] = pull(lambda a: f(scale, a), shift, signal)
                    signal = pull(lambda v: apply(block, op, v), v, signal)
                elif inner == "backprop":
                    signal = signal * (v > 0)
                elif inner == "rec-lra":
                    signal = out - torch.relu(v - signal)
                else:
                    signal = gate * out
            return signal

        left = down(path, e[block])
        if shortcut is not None:
            left = left + (down(shortcut, e[block]) if shortcut else e[block])
        if leaves:
            messages[ORDER[ORDER.index(block) - 1]] = left
    return e, updates


def flat(t):
    """Units x samples, row by row: what reclra has for a signal; parameters as they are."""
    return t.flatten().tolist()


def signal(t):
    return t.reshape(B, -1).T.flatten().tolist()


cases = []
for wiring, inner, beta, plasticity in [
    ("skip", "backprop", 0.1, "mirror"),
    ("skip", "rec-lra", 0.1, "readout"),
    ("skip", "hebbian", 0.3, "fixed"),
    ("layer", "backprop", 0.05, "mirror"),
    ("layer", "rec-lra", 0.05, "fixed"),
]:
    e, updates = run(wiring, inner, beta, plasticity)
    cases.append(
        {
            "wiring": wiring,
            "inner": inner,
            "beta": beta,
            "plasticity": plasticity,
            "e": {k: signal(v) for k, v in e.items()},
            # Sums over the batch; reclra divides by its size.
            "updates": {k: flat(v) for k, v in updates.items()},
        }
    )
print(
    json.dumps(
        {
            "torch": torch.__version__,
            "input": [C, H, W],
            "x": flat(x),
            "labels": labels,
            "parameters": {k: flat(v) for k, v in {**params, **E}.items()},
            "h": {k: signal(v) for k, v in h.items()},
            "z": {k: signal(v) for k, v in z.items()},
            "cases": cases,
        }
    )
)
