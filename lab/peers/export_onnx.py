"""Writes a ViT encoder as ONNX: timm key names in, CLS token after the final LayerNorm out.

Usage: python export_onnx.py ARCHITECTURE_JSON WEIGHTS.safetensors OUT.onnx

The graph is what an exporter writes: one MatMul for q, k and v, LayerNormalization, and Gelu as one operator (opset 20), which onnxruntime
fuses further itself. The weights must be float; int8 files are opened with their scales.
"""

import json
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file


class Graph:
    def __init__(self) -> None:
        self.nodes, self.weights, self.count = [], [], 0

    def constant(self, value: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes) -> str | list[str]:
        self.count += 1
        names = [f"t{self.count}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def linear(self, value: str, weight: np.ndarray, bias: np.ndarray) -> str:
        product = self.add("MatMul", value, self.constant(weight.T))
        return self.add("Add", product, self.constant(bias))

    def norm(self, value: str, weights: dict, name: str, epsilon: float) -> str:
        scale, bias = (self.constant(weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.add("LayerNormalization", value, scale, bias, axis=-1, epsilon=epsilon)

    def reshape(self, value: str, *shape: int) -> str:
        return self.add("Reshape", value, self.constant(np.array(shape, dtype=np.int64)))


def read(path: str) -> dict[str, np.ndarray]:
    stored = load_file(path)
    scales = {name.removesuffix(".scale"): value for name, value in stored.items() if name.endswith(".scale")}
    opened = {}
    for name, value in stored.items():
        if name.endswith(".scale"):
            continue
        value = value.astype(np.float32)
        if name in scales:
            value *= scales[name].astype(np.float32).reshape(-1, *[1] * (value.ndim - 1))
        opened[name] = value
    return opened


def build(config: dict, weights: dict) -> onnx.ModelProto:
    size, patch, dim, heads = (config[key] for key in ("image_size", "patch_size", "dim", "heads"))
    channels, epsilon = config["in_channels"], config["layer_norm_eps"]
    tokens, width = 1 + (size // patch) ** 2, dim // heads
    graph = Graph()
    kernel, bias = (graph.constant(weights[f"patch_embed.proj.{part}"]) for part in ("weight", "bias"))
    x = graph.add("Conv", "image", kernel, bias, kernel_shape=[patch, patch], strides=[patch, patch])
    x = graph.add("Transpose", graph.reshape(x, 1, dim, tokens - 1), perm=[0, 2, 1])
    x = graph.add("Concat", graph.constant(weights["cls_token"].reshape(1, 1, dim)), x, axis=1)
    x = graph.add("Add", x, graph.constant(weights["pos_embed"].reshape(1, tokens, dim)))
    for index in range(config["depth"]):
        block = {name.removeprefix(f"blocks.{index}."): value for name, value in weights.items() if name.startswith(f"blocks.{index}.")}
        y = graph.linear(graph.norm(x, block, "norm1", epsilon), block["attn.qkv.weight"], block["attn.qkv.bias"])
        y = graph.add("Transpose", graph.reshape(y, 1, tokens, 3, heads, width), perm=[2, 0, 3, 1, 4])
        q, k, v = graph.add("Split", y, outputs=3, axis=0, num_outputs=3)
        q, k, v = (graph.reshape(part, 1, heads, tokens, width) for part in (q, k, v))
        scores = graph.add("MatMul", q, graph.add("Transpose", k, perm=[0, 1, 3, 2]))
        scores = graph.add("Mul", scores, graph.constant(np.array(width**-0.5, dtype=np.float32)))
        y = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), v)
        y = graph.reshape(graph.add("Transpose", y, perm=[0, 2, 1, 3]), 1, tokens, dim)
        x = graph.add("Add", x, graph.linear(y, block["attn.proj.weight"], block["attn.proj.bias"]))
        y = graph.linear(graph.norm(x, block, "norm2", epsilon), block["mlp.fc1.weight"], block["mlp.fc1.bias"])
        y = graph.linear(graph.add("Gelu", y), block["mlp.fc2.weight"], block["mlp.fc2.bias"])
        x = graph.add("Add", x, y)
    x = graph.norm(x, weights, "norm", epsilon)
    first = [graph.constant(np.array(value, dtype=np.int64)) for value in ([0], [1], [1])]
    cls = graph.reshape(graph.add("Slice", x, *first), 1, dim)
    graph.nodes.append(helper.make_node("Identity", [cls], ["cls"]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, channels, size, size])
    out = helper.make_tensor_value_info("cls", TensorProto.FLOAT, [1, dim])
    body = helper.make_graph(graph.nodes, "encoder", [image], [out], graph.weights)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def main() -> None:
    config = json.loads(sys.argv[1])
    model = build(config, read(sys.argv[2]))
    onnx.checker.check_model(model)
    onnx.save(model, sys.argv[3])


main()
