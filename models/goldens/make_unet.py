"""Makes goldens/unet: small U-Nets of random weights in plain PyTorch, with the noise that they find and a walk of DDIM.

    python make_unet.py         (with torch and safetensors installed)

NAME.json                    sizes
NAME.safetensors             weights, in f32
NAME.expected.safetensors    x [N, C, H, W]; t [N]; noise [N, C, H, W], found in x;
                             walk_noise [C, S, S], walk_pixels [C, S, S] of 0..=1 and purified [C, S, S]: four steps from level 150, linear
schedules.json               alpha_bar of each schedule at some levels
"""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

FOLDER = Path(__file__).parent / "unet"
NETWORKS = {
    "grey": (dict(in_channels=1, fold=2, widths=[6, 10, 8], time_dim=12), (16, 24)),
    "rgb": (dict(in_channels=3, fold=2, widths=[5, 9], time_dim=8), (12, 8)),
}
LEVELS = [0, 1, 2, 10, 100, 250, 500, 999, 1000]


class Unet:
    """The network as a function of named tensors, made where they are first used."""

    def __init__(self, sizes, seed):
        self.sizes, self.weights = sizes, {}
        self.generator = torch.Generator().manual_seed(seed)

    def tensor(self, name, shape):
        if name not in self.weights:
            noise = torch.randn(shape, generator=self.generator)
            centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            scale = 0.7 / math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else 0.2
            self.weights[name] = centre + noise * scale
        return self.weights[name]

    def affine(self, name, shape):
        return self.tensor(f"{name}.weight", shape), self.tensor(f"{name}.bias", shape[:1])

    def conv(self, name, x, outputs, side=3):
        return F.conv2d(x, *self.affine(name, (outputs, x.shape[1], side, side)), padding=side // 2)

    def linear(self, name, x, outputs):
        return F.linear(x, *self.affine(name, (outputs, x.shape[1])))

    def norm(self, name, x):
        weight, bias = self.affine(name, (x.shape[1],))
        return F.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],), weight, bias, 1e-6).permute(0, 3, 1, 2)

    def block(self, name, x, outputs, time):
        h = self.conv(f"{name}.conv1", F.gelu(self.norm(f"{name}.norm1", x)), outputs)
        h = h + self.linear(f"{name}.time", time, outputs)[:, :, None, None]
        h = self.conv(f"{name}.conv2", F.gelu(self.norm(f"{name}.norm2", h)), outputs)
        return h + (x if x.shape[1] == outputs else self.conv(f"{name}.skip", x, outputs, side=1))

    def embed(self, t):
        dim = self.sizes["time_dim"]
        rates = 10000.0 ** (-torch.arange(dim // 2, dtype=torch.float64) / (dim // 2))
        angles = t.double()[:, None] * rates[None]
        e = torch.cat([angles.cos(), angles.sin()], 1).float()
        return F.gelu(self.linear("time.fc2", F.gelu(self.linear("time.fc1", e, dim)), dim))

    def __call__(self, x, t):
        widths, fold = self.sizes["widths"], self.sizes["fold"]
        last, time = len(widths) - 1, self.embed(t)
        h = F.pixel_unshuffle(x, fold)
        folded = h.shape[1]
        h, skips = self.conv("stem", h, widths[0]), []
        for level, width in enumerate(widths):
            h = self.block(f"down.{level}", F.avg_pool2d(h, 2) if level else h, width, time)
            skips.append(h)
        h = self.block("mid", h, widths[last], time)
        for level in range(last, -1, -1):
            h = self.block(f"up.{level}", torch.cat([h, skips[level]], 1), widths[level], time)
            if level:
                h = F.interpolate(h, scale_factor=2, mode="nearest")
        return F.pixel_shuffle(self.conv("out.conv", F.gelu(self.norm("out.norm", h)), folded), fold)


def alpha_bars(schedule, count=1000):
    """ᾱ of the levels 0..=count, by the papers' products of 1 - β."""
    t = torch.arange(count + 1, dtype=torch.float64)
    if schedule == "linear":
        betas = torch.linspace(1e-4, 2e-2, count, dtype=torch.float64)
    else:
        f = torch.cos((t / count + 0.008) / 1.008 * math.pi / 2) ** 2
        betas = (1 - f[1:] / f[:-1]).clamp(max=0.999)
    return torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - betas, 0)])


def walk(network, pixels, noise, levels, alpha_bar):
    """DDIM with eta 0; the noise is taken anew from the clamped clean image."""
    x = alpha_bar[levels[0]].sqrt() * (2 * pixels - 1) + (1 - alpha_bar[levels[0]]).sqrt() * noise
    for here, there in zip(levels, levels[1:]):
        a, b = alpha_bar[here], alpha_bar[there]
        eps = network(x.float()[None], torch.tensor([here]))[0].double()
        clean = ((x - (1 - a).sqrt() * eps) / a.sqrt()).clamp(-1, 1)
        x = b.sqrt() * clean + (1 - b).sqrt() * (x - a.sqrt() * clean) / (1 - a).sqrt()
    return ((x + 1) / 2).clamp(0, 1)


def main():
    FOLDER.mkdir(exist_ok=True)
    tables = {name: alpha_bars(name) for name in ("linear", "cosine")}
    chosen = {name: [[t, table[t].item()] for t in LEVELS] for name, table in tables.items()}
    (FOLDER / "schedules.json").write_text(json.dumps(chosen) + "\n")
    generator = torch.Generator().manual_seed(3)
    for seed, (name, (sizes, side)) in enumerate(NETWORKS.items()):
        network = Unet(sizes, seed)
        t = torch.tensor([1, 400, 1000])
        channels, square = sizes["in_channels"], (side[1], side[1])
        x = torch.randn((3, channels, *side), generator=generator)
        with torch.no_grad():
            noise = network(x, t)
            pixels = torch.rand((channels, *square), generator=generator).double()
            walk_noise = torch.randn((channels, *square), generator=generator).double()
            purified = walk(network, pixels, walk_noise, [150, 113, 75, 38, 0], tables["linear"])
        expected = dict(x=x, t=t.float(), noise=noise, walk_pixels=pixels, walk_noise=walk_noise, purified=purified)
        (FOLDER / f"{name}.json").write_text(json.dumps(sizes) + "\n")
        save_file(network.weights, FOLDER / f"{name}.safetensors")
        save_file({key: value.float().contiguous() for key, value in expected.items()}, FOLDER / f"{name}.expected.safetensors")


main()
