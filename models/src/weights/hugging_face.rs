//! The names of Hugging Face's networks.

use std::collections::BTreeMap;

use super::{Tensor, bad};
use crate::ModelError;

/// Renames Hugging Face `ViTModel` and `ViTMAEForPreTraining` tensors; a file that already has timm names passes through.
pub(super) fn to_timm(map: BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>, ModelError> {
    if !map.keys().any(|name| without_prefix(name).starts_with("embeddings.")) {
        return Ok(map);
    }
    let mut out = BTreeMap::new();
    let mut fused: BTreeMap<String, [Option<Tensor>; 3]> = BTreeMap::new();
    for (name, tensor) in map {
        let name = without_prefix(&name);
        match third_of_qkv(name) {
            Some((target, index)) => fused.entry(target).or_default()[index] = Some(tensor),
            None => {
                out.insert(timm_name(name), tensor);
            }
        }
    }
    for (name, parts) in fused {
        let tensor = fuse(parts).ok_or_else(|| bad(format!("query, key and value of `{name}` do not fit together")))?;
        out.insert(name, tensor);
    }
    Ok(out)
}

/// Without the prefix that networks with more than an encoder put before the encoder's names.
fn without_prefix(name: &str) -> &str {
    name.strip_prefix("vit.").unwrap_or(name)
}

/// For a query, key or value tensor: timm's name of the fused one and which third this is.
fn third_of_qkv(name: &str) -> Option<(String, usize)> {
    let stacks = [("encoder.layer.", "blocks"), ("decoder.decoder_layers.", "decoder_blocks")];
    let (rest, blocks) = stacks.iter().find_map(|(theirs, ours)| Some((name.strip_prefix(theirs)?, ours)))?;
    let (block, rest) = rest.split_once(".attention.attention.")?;
    let (which, kind) = rest.split_once('.')?;
    let index = ["query", "key", "value"].iter().position(|n| *n == which)?;
    Some((format!("{blocks}.{block}.attn.qkv.{kind}"), index))
}

fn fuse(parts: [Option<Tensor>; 3]) -> Option<Tensor> {
    let [Some(q), Some(k), Some(v)] = parts else {
        return None;
    };
    if q.shape != k.shape || k.shape != v.shape || q.shape.is_empty() {
        return None;
    }
    let mut shape = q.shape.clone();
    shape[0] = shape[0].checked_mul(3)?;
    let data = [q.data, k.data, v.data].concat();
    Some(Tensor { shape, data })
}

fn timm_name(name: &str) -> String {
    const NAMES: [(&str, &str); 13] = [
        ("embeddings.cls_token", "cls_token"),
        ("embeddings.position_embeddings", "pos_embed"),
        ("embeddings.patch_embeddings.projection", "patch_embed.proj"),
        ("encoder.layer.", "blocks."),
        ("decoder.decoder_layers.", "decoder_blocks."),
        ("decoder.", ""),
        (".attention.output.dense.", ".attn.proj."),
        (".intermediate.dense.", ".mlp.fc1."),
        (".output.dense.", ".mlp.fc2."),
        (".layernorm_before.", ".norm1."),
        (".layernorm_after.", ".norm2."),
        ("layernorm.", "norm."),
        ("classifier.", "head."),
    ];
    let mut name = name.to_string();
    for (from, to) in NAMES {
        name = name.replace(from, to);
    }
    name
}
