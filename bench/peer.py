"""The PyTorch peer of `reclra bench step`: the same steps, as well as PyTorch does them on a CPU.

A step here is what reclra's step is: forward, output error, targets and error neurons (or autograd), outer products
averaged over the batch, re-projection of each matrix's update to a ball of radius 1, fused Adam. Parameters, shapes and
settings are those of reclra's defaults. Each variant is a function that makes one step.
"""

import statistics
import time

import torch


def widths(arch):
    """784-3x256-10 as [784, 256, 256, 256, 10]."""
    out = []
    for part in arch.split("-"):
        times, _, width = part.rpartition("x")
        out += [int(width)] * int(times or 1)
    return out


def data(n, classes, batch, count=8):
    g = torch.Generator().manual_seed(0)
    xs = [torch.rand(batch, n, generator=g) for _ in range(count)]
    ys = [torch.randint(0, classes, (batch,), generator=g) for _ in range(count)]
    return list(zip(xs, ys))


def parameters(ns, std=0.05):
    g = torch.Generator().manual_seed(1)
    ws = [torch.randn(m, n, generator=g) * std for n, m in zip(ns, ns[1:])]
    bs = [torch.zeros(m) for m in ns[1:]]
    return ws, bs, g


def logits(x, ws, bs):
    """The forward pass up to the softmax."""
    for w, b in zip(ws[:-1], bs[:-1]):
        x = torch.tanh(torch.nn.functional.linear(x, w, b))
    return torch.nn.functional.linear(x, ws[-1], bs[-1])


def reproject(grads, c=1.0):
    """Nm(D, c) of each matrix's update, without a wait for a comparison on the host."""
    norms = torch._foreach_norm(grads)
    factors = [torch.clamp(c / (n + 1e-12), max=1.0) for n in norms]
    torch._foreach_mul_(grads, factors)


def links(ns, wiring):
    """(sender, receiver) of each error synapse, by region; region 0 is the input, the last the output."""
    out = len(ns) - 1
    if wiring == "chain":
        return [(i + 1, i) for i in range(out - 1, 0, -1)]
    if wiring == "full":
        return [(out, i) for i in range(out - 1, 0, -1)]
    if wiring == "gap2":
        # Every second region hears the output directly, the others the region above them.
        return sorted(((out, i) if i % 2 == 0 else (i + 1, i) for i in range(out - 1, 0, -1)), reverse=True)
    raise ValueError(wiring)


class RecLra:
    """rec-LRA without autograd: tanh, beta 0.1, mirror plasticity.

    Where E answers a W between neighbours, `tied` gives it Adam's increment of that W (W after - W before), so that
    moments are kept once; otherwise E is a parameter of Adam's own. Whichever is faster counts.
    """

    def __init__(self, ns, batch, wiring="chain", tied=True, beta=0.1, lr=2e-4):
        self.ws, self.bs, g = parameters(ns)
        self.edges = links(ns, wiring) if len(ns) > 2 else []
        self.es = [torch.randn(ns[j], ns[i], generator=g) * 0.1 for j, i in self.edges]  # M = E^T, laid out like W
        self.tied = [tied and j == i + 1 for j, i in self.edges]
        self.own = [m for m, t in zip(self.es, self.tied) if not t]
        self.beta, self.batch = beta, batch
        for p in self.ws + self.bs + self.own:
            p.grad = torch.zeros_like(p)
        self.optim = torch.optim.Adam(self.ws + self.bs + self.own, lr=lr, fused=True)
        self.kept = [torch.empty_like(m) if t else None for m, t in zip(self.es, self.tied)]

    @torch.no_grad()
    def __call__(self, x, y):
        ws, bs, out = self.ws, self.bs, len(self.ws)
        zs, hs = [x], [None]
        for l, (w, b) in enumerate(zip(ws, bs)):
            h = torch.addmm(b, zs[-1], w.t())
            hs.append(h)
            zs.append(torch.tanh(h) if l + 1 < out else torch.softmax(h, dim=1))
        e = [None] * (out + 1)
        e[out] = zs[out].clone()
        e[out][torch.arange(len(y)), y] -= 1.0
        for (j, i), m in zip(self.edges, self.es):
            d = e[j] @ m
            e[i] = zs[i] - torch.tanh(hs[i] - self.beta * d)
        scale = 1.0 / self.batch
        for l in range(out):
            torch.mm(e[l + 1].t(), zs[l], out=ws[l].grad)
            ws[l].grad.mul_(scale)
            torch.mul(e[l + 1].sum(0), scale, out=bs[l].grad)
        # Deltas of E: z_i e_j^T, which is W's own where the synapse answers it.
        for (j, i), m, tied, kept in zip(self.edges, self.es, self.tied, self.kept):
            if tied:
                kept.copy_(ws[i])
            elif j == i + 1:
                m.grad.copy_(ws[i].grad)
            else:
                torch.mm(e[j].t(), zs[i], out=m.grad)
                m.grad.mul_(scale)
        reproject([p.grad for p in ws + self.own])
        self.optim.step()
        for (j, i), m, tied, kept in zip(self.edges, self.es, self.tied, self.kept):
            if tied:
                m.add_(ws[i]).sub_(kept)


class Backprop:
    """Autograd, cross-entropy, fused Adam, the same re-projection."""

    def __init__(self, ns, batch, lr=2e-4, radius=True):
        ws, bs, _ = parameters(ns)
        self.ws = [w.requires_grad_() for w in ws]
        self.bs = [b.requires_grad_() for b in bs]
        self.radius = radius
        self.optim = torch.optim.Adam(self.ws + self.bs, lr=lr, fused=True)

    def __call__(self, x, y):
        z = logits(x, self.ws, self.bs)
        torch.nn.functional.cross_entropy(z, y).backward()
        if self.radius:
            with torch.no_grad():
                reproject([w.grad for w in self.ws])
        self.optim.step()
        self.optim.zero_grad(set_to_none=True)


class Evaluate:
    """Forward, loss and hits of a batch, without gradients."""

    def __init__(self, ns):
        self.ws, self.bs, _ = parameters(ns)

    @torch.inference_mode()
    def __call__(self, x, y):
        z = logits(x, self.ws, self.bs)
        return torch.nn.functional.cross_entropy(z, y).item(), (z.argmax(1) != y).sum().item()


def compiled(step):
    """The same step through torch.compile; the optimiser stays PyTorch's fused kernel."""
    return torch.compile(step, mode="default")


def median_us(step, batches, seconds):
    """Median microseconds of a step over about so many seconds, after a quarter as long of warm-up."""
    n, warm, end = 0, time.perf_counter() + seconds / 4, None
    while n < 3 or time.perf_counter() < warm:
        step(*batches[n % len(batches)])
        n += 1
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        x, y = batches[len(times) % len(batches)]
        begun = time.perf_counter()
        step(x, y)
        times.append((time.perf_counter() - begun) * 1e6)
    return statistics.median(times)
