"""Makes the goldens of this folder: run once, with timm, transformers, torch, safetensors, numpy and Pillow installed.

    python make.py

encoders/  small Vision Transformers of random weights by timm and Hugging Face, with their outputs
images/    small PNG and JPEG files, with the pixels that Pillow makes of them

The files `*.sha256` and `jpeg_sha256.json` are not made here: they record what the native build gives, so that the
WebAssembly build can be held to the same bits. Where one changes on purpose, copy the value that the failing test prints.
"""

import hashlib
import json
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file, save_file
from transformers import ViTConfig, ViTForImageClassification, ViTModel

HERE = Path(__file__).parent


# --- encoders ---


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        parameter.data = centre + noise * (0.3 if parameter.ndim > 1 else 0.1)
    return model.eval()


def of_timm(c, seed):
    model = timm.models.vision_transformer.VisionTransformer(
        img_size=c["image_size"], patch_size=c["patch_size"], in_chans=c["in_channels"], embed_dim=c["dim"],
        depth=c["depth"], num_heads=c["heads"], mlp_ratio=c["mlp_dim"] / c["dim"], num_classes=0,
        norm_layer=partial(torch.nn.LayerNorm, eps=c["layer_norm_eps"]),
    )
    return randomise(model, seed), lambda x: model.forward_features(x)


def of_hugging_face(c, seed, classifier):
    config = ViTConfig(
        image_size=c["image_size"], patch_size=c["patch_size"], num_channels=c["in_channels"], hidden_size=c["dim"],
        num_hidden_layers=c["depth"], num_attention_heads=c["heads"], intermediate_size=c["mlp_dim"],
        layer_norm_eps=c["layer_norm_eps"], hidden_act="gelu", attn_implementation="eager",
    )
    model = randomise(ViTForImageClassification(config) if classifier else ViTModel(config), seed)
    encoder = model.vit if classifier else model
    return model, lambda x: encoder(pixel_values=x).last_hidden_state


def published(model):
    """Tensors by the names that the package writes to disk; in memory Hugging Face uses others."""
    if not hasattr(model, "save_pretrained"):
        return model.state_dict()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return load_file(Path(folder) / "model.safetensors")


def encoders():
    folder = HERE / "encoders"
    folder.mkdir(exist_ok=True)
    grey = dict(image_size=32, patch_size=8, in_channels=1, dim=24, depth=2, heads=3, mlp_dim=48, layer_norm_eps=1e-6)
    odd = dict(image_size=15, patch_size=5, in_channels=3, dim=20, depth=3, heads=2, mlp_dim=28, layer_norm_eps=1e-6)
    rgb = dict(image_size=16, patch_size=8, in_channels=3, dim=24, depth=2, heads=2, mlp_dim=40, layer_norm_eps=1e-12)
    cases = {
        "timm_grey_f32": (grey, of_timm(grey, 1), torch.float32),
        "timm_odd_f16": (odd, of_timm(odd, 2), torch.float16),
        "hf_vit_f32": (rgb, of_hugging_face(rgb, 3, False), torch.float32),
        "hf_classifier_f16": (rgb, of_hugging_face(rgb, 4, True), torch.float16),
    }
    for name, (config, (model, forward), dtype) in cases.items():
        model.to(dtype).float()  # the outputs are those of the stored, rounded weights
        weights = {key: value.to(dtype).contiguous() for key, value in published(model).items()}
        shape = (2, config["in_channels"], config["image_size"], config["image_size"])
        images = torch.randn(shape, generator=torch.Generator().manual_seed(9))
        with torch.no_grad():
            tokens = forward(images).contiguous()
        save_file(weights, folder / f"{name}.safetensors")
        # tokens: every token after the final LayerNorm, [2, 1 + patches, dim]
        save_file({"images": images, "tokens": tokens}, folder / f"{name}.expected.safetensors")
        (folder / f"{name}.json").write_text(json.dumps(config, indent=1) + "\n")


# --- images ---


def scene(width, height, channels, seed):
    """Smooth waves, an edge and some noise, so that scaling and JPEG have something to get wrong."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for channel in range(channels):
        wave = 0.5 + 0.3 * np.sin(x / (5 + channel) + seed) * np.cos(y / (7 - channel))
        wave[(x - width / 2) ** 2 + (y - height / 3) ** 2 < (min(width, height) / 4) ** 2] += 0.3
        planes.append(np.clip(wave + 0.03 * rng.standard_normal(wave.shape), 0, 1))
    return np.stack(planes, -1)


def eight(values):
    return (values * 255).astype(np.uint8)


def over_black(pixels):
    colour, alpha = pixels[..., :-1].astype(np.uint32), pixels[..., -1:].astype(np.uint32)
    return ((colour * alpha + 127) // 255).astype(np.uint8)


def letterbox(picture, size, mode):
    """What the project's preprocessing must give: Pillow's luma and LANCZOS, centred on black."""
    picture = picture.convert(mode)
    longer = max(picture.size)
    width, height = (max(1, (2 * side * size + longer) // (2 * longer)) for side in picture.size)
    canvas = Image.new(mode, (size, size))
    scaled = picture if picture.size == (width, height) else picture.resize((width, height), Image.LANCZOS)
    canvas.paste(scaled, ((size - width) // 2, (size - height) // 2))
    return canvas.tobytes()


def images():
    folder = HERE / "images"
    folder.mkdir(exist_ok=True)
    expected = {}

    def note(name, flat):
        grey, rgb = letterbox(flat, 32, "L"), letterbox(flat, 48, "RGB")
        entry = {"grey_32": hashlib.sha256(grey).hexdigest(), "rgb_48": hashlib.sha256(rgb).hexdigest()}
        if name.endswith(".jpg"):  # other decoders may differ by a little: the pixels are compared loosely
            entry = {"pillow_grey_32": grey.hex()}
        expected[name] = entry

    def png(name, picture, flat=None, **options):
        picture.save(folder / name, **options)
        note(name, flat or picture)

    def jpeg(name, picture, **options):
        picture.save(folder / name, **options)
        note(name, ImageOps.exif_transpose(Image.open(folder / name)))

    rgb = Image.fromarray(eight(scene(61, 47, 3, 1)))
    grey = Image.fromarray(eight(scene(45, 70, 1, 2))[..., 0])
    png("grey.png", grey)
    png("rgb.png", rgb)
    png("same_size.png", Image.fromarray(eight(scene(32, 32, 1, 3))[..., 0]))
    png("small.png", Image.fromarray(eight(scene(9, 5, 3, 4))))
    png("column.png", Image.fromarray(eight(scene(1, 50, 1, 5))[..., 0]))
    png("row.png", Image.fromarray(eight(scene(90, 1, 3, 6))))
    png("one_pixel.png", Image.new("RGB", (1, 1), (200, 100, 50)))
    png("bilevel.png", grey.convert("1", dither=Image.Dither.NONE), grey.convert("1", dither=Image.Dither.NONE).convert("L"))

    rgba = eight(scene(40, 31, 4, 7))
    png("rgba.png", Image.fromarray(rgba, "RGBA"), Image.fromarray(over_black(rgba)))
    grey_alpha = eight(scene(33, 44, 2, 8))
    png("grey_alpha.png", Image.fromarray(grey_alpha, "LA"), Image.fromarray(over_black(grey_alpha)[..., 0]))
    palette = rgb.quantize(17)
    png("palette.png", palette, palette.convert("RGB"))
    see_through = np.asarray(palette.convert("RGBA")).copy()
    see_through[np.asarray(palette) == 3, 3] = 0
    png("palette_transparent.png", palette, Image.fromarray(over_black(see_through)), transparency=3)

    deep = (scene(37, 52, 1, 9)[..., 0] * 65535).astype(np.uint16)
    png("grey_16.png", Image.fromarray(deep), Image.fromarray(((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)))

    turned = Image.Exif()
    turned[0x0112] = 6
    png("turned.png", rgb, ImageOps.exif_transpose(oriented(rgb, 6)), exif=turned)

    jpeg("rgb_444.jpg", rgb, quality=90, subsampling=0)
    jpeg("rgb_420.jpg", rgb, quality=85, subsampling=2)
    jpeg("rgb_422.jpg", rgb, quality=85, subsampling=1)
    jpeg("grey.jpg", grey, quality=90)
    jpeg("progressive.jpg", rgb, quality=85, progressive=True)
    jpeg("large.jpg", Image.fromarray(eight(scene(230, 174, 3, 10))), quality=80, subsampling=2)
    jpeg("cmyk.jpg", rgb.convert("CMYK"), quality=90)
    for orientation in range(2, 9):
        tag = Image.Exif()
        tag[0x0112] = orientation
        jpeg(f"orientation_{orientation}.jpg", Image.fromarray(eight(scene(24, 16, 3, 11))), quality=90, exif=tag)
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def oriented(picture, orientation):
    copy = picture.copy()
    copy.getexif()[0x0112] = orientation
    return copy


encoders()
images()
