//! Weights of an encoder: named `f32` tensors, read from and written to safetensors.
//!
//! Names are timm's, and those of the authors of MAE for a masked autoencoder. Files with Hugging Face `ViTModel` or
//! `ViTMAEForPreTraining` names are recognised and renamed on reading; their separate query, key and value tensors become a fused `qkv`. A file may hold `f32`, `f16`, `bf16` or int8: an int8 tensor `x` of
//! shape [out, …] comes with `x.scale`, `f32` [out], and stands for `x[o] · scale[o]`.

mod hugging_face;

use std::collections::BTreeMap;

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::ModelError;

/// Largest file that is read: 512 MiB, enough for a ViT-B in `f32`.
pub const MAX_FILE_BYTES: usize = 512 << 20;
/// Largest number of tensors in a file.
pub const MAX_TENSORS: usize = 4096;
/// Suffix of the per-channel scale that belongs to an int8 tensor.
const SCALE: &str = ".scale";

/// A dense tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Sizes, outermost first, as PyTorch prints them.
    pub shape: Vec<usize>,
    /// Values, `shape.iter().product()` of them.
    pub data: Vec<f32>,
}

/// Tensors by their timm name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TensorMap(BTreeMap<String, Tensor>);

impl TensorMap {
    /// Reads a safetensors file of `f32`, `f16`, `bf16` or int8 weights with timm or Hugging Face names.
    ///
    /// # Errors
    /// [`ModelError::BadWeights`] where the bytes are no such file: any byte string gives a map or this error.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, ModelError> {
        if bytes.len() > MAX_FILE_BYTES {
            return Err(bad(format!("the file has {} bytes, the limit is {MAX_FILE_BYTES}", bytes.len())));
        }
        let file = SafeTensors::deserialize(bytes).map_err(|e| bad(e.to_string()))?;
        if file.len() > MAX_TENSORS {
            return Err(bad(format!("the file has {} tensors, the limit is {MAX_TENSORS}", file.len())));
        }
        let mut map = BTreeMap::new();
        for (name, view) in file.iter() {
            let of_int8 = name.strip_suffix(SCALE);
            if of_int8.is_some_and(|owner| is_int8(&file, owner)) {
                continue;
            }
            map.insert(name.to_string(), read(&file, name, &view)?);
        }
        Ok(Self(hugging_face::to_timm(map)?))
    }

    /// The tensor `name`, whose shape must be `shape`.
    ///
    /// # Errors
    /// [`ModelError::MissingTensor`] or [`ModelError::WrongShape`].
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<&Tensor, ModelError> {
        let tensor = self.find(name).ok_or_else(|| ModelError::MissingTensor { name: name.to_string() })?;
        if tensor.shape != shape {
            let (name, found, expected) = (name.to_string(), tensor.shape.clone(), shape.to_vec());
            return Err(ModelError::WrongShape { name, found, expected });
        }
        Ok(tensor)
    }

    /// The tensor `name`, whatever its shape.
    pub fn find(&self, name: &str) -> Option<&Tensor> {
        self.0.get(name)
    }

    /// Adds or replaces a tensor.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) {
        self.0.insert(name.into(), tensor);
    }

    /// Removes a tensor.
    pub fn remove(&mut self, name: &str) -> Option<Tensor> {
        self.0.remove(name)
    }

    /// All tensors in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A safetensors file with every value as `f32`.
    ///
    /// # Errors
    /// [`ModelError::BadWeights`] where a tensor's shape and data disagree.
    pub fn to_safetensors_f32(&self) -> Result<Vec<u8>, ModelError> {
        self.write(|_, tensor, out| out.push(f32_part("", tensor)))
    }

    /// A safetensors file with every value as `f16`.
    ///
    /// # Errors
    /// [`ModelError::BadWeights`] where a tensor's shape and data disagree.
    pub fn to_safetensors_f16(&self) -> Result<Vec<u8>, ModelError> {
        self.write(|_, tensor, out| out.push(f16_part(tensor)))
    }

    /// A safetensors file with matrices as int8 and one `f32` scale for each output channel, the rest as `f16`.
    ///
    /// The CLS token and the positions, which are few and added rather than multiplied, stay `f16`.
    ///
    /// # Errors
    /// [`ModelError::BadWeights`] where a tensor's shape and data disagree.
    pub fn to_safetensors_int8(&self) -> Result<Vec<u8>, ModelError> {
        self.write(|name, tensor, out| {
            if tensor.shape.len() > 1 && name.ends_with(".weight") {
                let (values, scales) = quantise(tensor);
                out.push(Part::new("", Dtype::I8, &tensor.shape, values));
                let shape = vec![scales.len()];
                let data = scales;
                out.push(f32_part(SCALE, &Tensor { shape, data }));
            } else {
                out.push(f16_part(tensor));
            }
        })
    }

    fn write(&self, encode: impl Fn(&str, &Tensor, &mut Vec<Part>)) -> Result<Vec<u8>, ModelError> {
        let mut parts = Vec::with_capacity(self.len());
        for (name, tensor) in self.iter() {
            let mut encoded = Vec::with_capacity(2);
            encode(name, tensor, &mut encoded);
            for mut part in encoded {
                part.name.insert_str(0, name);
                parts.push(part);
            }
        }
        let mut views = Vec::with_capacity(parts.len());
        for part in &parts {
            let view = TensorView::new(part.dtype, part.shape.clone(), &part.bytes);
            views.push((part.name.as_str(), view.map_err(|e| bad(e.to_string()))?));
        }
        safetensors::serialize(views, None).map_err(|e| bad(e.to_string()))
    }
}

/// One tensor of a file to be written.
struct Part {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Part {
    fn new(suffix: &str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) -> Self {
        Self { name: suffix.to_string(), dtype, shape: shape.to_vec(), bytes }
    }
}

fn f32_part(suffix: &str, tensor: &Tensor) -> Part {
    let bytes = tensor.data.iter().flat_map(|v| v.to_le_bytes()).collect();
    Part::new(suffix, Dtype::F32, &tensor.shape, bytes)
}

fn f16_part(tensor: &Tensor) -> Part {
    let halves = tensor.data.iter().map(|v| f16::from_f32(*v));
    let bytes = halves.flat_map(|v| v.to_le_bytes()).collect();
    Part::new("", Dtype::F16, &tensor.shape, bytes)
}

/// Symmetric int8 with one scale (largest magnitude / 127) for each output channel.
fn quantise(tensor: &Tensor) -> (Vec<u8>, Vec<f32>) {
    let channels = tensor.shape[0];
    let width = tensor.data.len() / channels.max(1);
    let mut bytes = Vec::with_capacity(tensor.data.len());
    let mut scales = Vec::with_capacity(channels);
    for row in tensor.data.chunks(width.max(1)) {
        let top = row.iter().fold(0.0f32, |a, v| a.max(v.abs()));
        let scale = if top > 0.0 { top / 127.0 } else { 1.0 };
        scales.push(scale);
        bytes.extend(row.iter().map(|v| (v / scale).round() as i8 as u8));
    }
    (bytes, scales)
}

fn is_int8(file: &SafeTensors, name: &str) -> bool {
    file.tensor(name).is_ok_and(|t| t.dtype() == Dtype::I8)
}

fn read(file: &SafeTensors, name: &str, view: &TensorView) -> Result<Tensor, ModelError> {
    let bytes = view.data();
    let data = match view.dtype() {
        Dtype::F32 => floats(bytes),
        Dtype::F16 => pairs(bytes).map(|b| f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => pairs(bytes).map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
        Dtype::I8 => dequantise(file, name, view)?,
        other => {
            return Err(bad(format!("the tensor `{name}` is {other:?}; f32, f16, bf16 and int8 are read")));
        }
    };
    if data.iter().any(|v: &f32| !v.is_finite()) {
        return Err(bad(format!("the tensor `{name}` has a value that is not finite")));
    }
    let shape = view.shape().to_vec();
    Ok(Tensor { shape, data })
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let words = bytes.chunks_exact(4);
    words.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn pairs(bytes: &[u8]) -> impl Iterator<Item = [u8; 2]> + '_ {
    bytes.chunks_exact(2).map(|b| [b[0], b[1]])
}

fn dequantise(file: &SafeTensors, name: &str, view: &TensorView) -> Result<Vec<f32>, ModelError> {
    let wrong = || bad(format!("the int8 tensor `{name}` has no fitting `{name}{SCALE}`"));
    let channels = view.shape().first().copied().unwrap_or(0);
    let scale = file.tensor(&format!("{name}{SCALE}")).map_err(|_| wrong())?;
    if scale.dtype() != Dtype::F32 || scale.shape() != [channels] || channels == 0 {
        return Err(wrong());
    }
    let scales = floats(scale.data());
    let width = (view.data().len() / channels).max(1);
    let rows = view.data().chunks(width).zip(&scales);
    Ok(rows.flat_map(|(row, scale)| row.iter().map(move |v| f32::from(*v as i8) * scale)).collect())
}

fn bad(reason: String) -> ModelError {
    ModelError::BadWeights { reason }
}
