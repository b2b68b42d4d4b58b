"""Makes goldens/mae: a small masked autoencoder of random weights by Hugging Face, with what it draws.

    python make_mae.py          (with transformers 4.57, torch and safetensors installed)

hf_mae.json                    sizes
hf_mae.safetensors             weights by the names that the package writes to disk, in f32
hf_mae.expected.safetensors    images [2, C, H, W]; mask [2, patches], 1 where a patch is hidden;
                               pixels [2, patches, patch_len], drawn for every patch; loss [1] on normalised pixels
"""

import json
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import ViTMAEConfig, ViTMAEForPreTraining

FOLDER = Path(__file__).parent / "mae"


def randomise(model, seed):
    """Every tensor at random, the fixed positions too, so that none can be mistaken for another."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        parameter.data = centre + noise * (0.3 if parameter.ndim > 1 else 0.1)
    return model.eval()


def main():
    FOLDER.mkdir(exist_ok=True)
    encoder = dict(image_size=16, patch_size=4, in_channels=3, dim=12, depth=2, heads=3, mlp_dim=20, layer_norm_eps=1e-12)
    sizes = dict(encoder=encoder, decoder_dim=8, decoder_depth=2, decoder_heads=2, decoder_mlp_dim=12)
    config = ViTMAEConfig(
        image_size=16, patch_size=4, num_channels=3, hidden_size=12, num_hidden_layers=2, num_attention_heads=3,
        intermediate_size=20, layer_norm_eps=1e-12, hidden_act="gelu", decoder_hidden_size=8, decoder_num_hidden_layers=2,
        decoder_num_attention_heads=2, decoder_intermediate_size=12, mask_ratio=0.75, norm_pix_loss=True,
        attn_implementation="eager",
    )
    model = randomise(ViTMAEForPreTraining(config), 5)
    generator = torch.Generator().manual_seed(9)
    images = torch.randn((2, 3, 16, 16), generator=generator)
    noise = torch.rand((2, 16), generator=generator)
    with torch.no_grad():
        out = model(pixel_values=images, noise=noise)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        weights = load_file(Path(folder) / "model.safetensors")
    save_file({key: value.contiguous() for key, value in weights.items()}, FOLDER / "hf_mae.safetensors")
    expected = {"images": images, "mask": out.mask.float(), "pixels": out.logits.contiguous(), "loss": out.loss.reshape(1)}
    save_file(expected, FOLDER / "hf_mae.expected.safetensors")
    (FOLDER / "hf_mae.json").write_text(json.dumps(sizes, indent=1) + "\n")


main()
