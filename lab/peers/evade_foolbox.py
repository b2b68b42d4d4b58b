"""Runs foolbox's projected gradient descent on a ViT classifier and writes the attacked images.

Usage: python evade_foolbox.py SETTINGS_JSON FOLDER

FOLDER holds weights.safetensors (timm key names, floats, with `head.*`) and images.safetensors (`images` [n, c, h, w] in 0..1,
`classes` [n] as floats); attacked.safetensors is written beside them. The last line printed is one JSON object.
"""

import json
import sys

import foolbox
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save_file


class Vit(torch.nn.Module):
    """Pre-norm Vision Transformer with a linear head on the CLS token after the last norm."""

    def __init__(self, settings: dict, weights: dict) -> None:
        super().__init__()
        self.config = settings["network"]
        self.weights = {name: torch.tensor(value) for name, value in weights.items()}
        self.mean, self.std = (torch.tensor(settings[key]).view(1, -1, 1, 1) for key in ("mean", "std"))

    def part(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], *self.part(name), eps=self.config["layer_norm_eps"])

    def block(self, x: torch.Tensor, name: str) -> torch.Tensor:
        images, tokens, dim = x.shape
        heads = self.config["heads"]
        qkv = F.linear(self.norm(x, f"{name}.norm1"), *self.part(f"{name}.attn.qkv"))
        q, k, v = qkv.view(images, tokens, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(images, tokens, dim)
        x = x + F.linear(mixed, *self.part(f"{name}.attn.proj"))
        hidden = F.gelu(F.linear(self.norm(x, f"{name}.norm2"), *self.part(f"{name}.mlp.fc1")))
        return x + F.linear(hidden, *self.part(f"{name}.mlp.fc2"))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        weight, bias = self.part("patch_embed.proj")
        x = F.conv2d((images - self.mean) / self.std, weight, bias, stride=self.config["patch_size"])
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([self.weights["cls_token"].expand(len(x), -1, -1), x], 1) + self.weights["pos_embed"]
        for index in range(self.config["depth"]):
            x = self.block(x, f"blocks.{index}")
        return F.linear(self.norm(x[:, 0], "norm"), *self.part("head"))


def main() -> None:
    settings, folder = json.loads(sys.argv[1]), sys.argv[2]
    torch.manual_seed(1)
    model = foolbox.PyTorchModel(Vit(settings, load_file(f"{folder}/weights.safetensors")).eval(), bounds=(0, 1), device="cpu")
    data = load_file(f"{folder}/images.safetensors")
    kind = {"linf": foolbox.attacks.LinfPGD, "l2": foolbox.attacks.L2PGD}[settings["norm"]]
    attack = kind(abs_stepsize=settings["size"], steps=settings["steps"], random_start=True)
    attacked = []
    for start in range(0, len(data["images"]), 32):
        images = torch.tensor(data["images"][start : start + 32])
        classes = torch.tensor(data["classes"][start : start + 32]).long()
        _, clipped, _ = attack(model, images, classes, epsilons=settings["epsilon"])
        attacked.append(clipped.detach().numpy())
    save_file({"attacked": np.ascontiguousarray(np.concatenate(attacked), dtype=np.float32)}, f"{folder}/attacked.safetensors")
    print(json.dumps({"peer": f"foolbox {foolbox.__version__}"}))


main()
