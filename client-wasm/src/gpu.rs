//! Is there a WebGPU adapter, and is it hardware?

use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Gpu, GpuAdapter, WorkerGlobalScope};

#[derive(Serialize)]
struct Detected {
    available: bool,
    software: bool,
    adapter: String,
    reason: String,
}

impl Detected {
    fn none(reason: &str) -> Self {
        Self { available: false, software: false, adapter: String::new(), reason: reason.into() }
    }
}

/// Tells whether WebGPU can be used here: `{available, software, adapter, reason}`.
#[wasm_bindgen]
pub async fn detect_webgpu() -> JsValue {
    serde_wasm_bindgen::to_value(&detect().await).unwrap_or(JsValue::NULL)
}

async fn detect() -> Detected {
    let Ok(scope) = js_sys::global().dyn_into::<WorkerGlobalScope>() else {
        return Detected::none("not in a worker");
    };
    let gpu: Gpu = scope.navigator().gpu();
    if gpu.is_undefined() {
        return Detected::none("this browser has no WebGPU");
    }
    let adapter = match JsFuture::from(gpu.request_adapter()).await {
        Ok(value) if !value.is_null() => value.unchecked_into::<GpuAdapter>(),
        _ => return Detected::none("WebGPU found no adapter"),
    };
    let info = adapter.info();
    let name = format!("{} {}", info.vendor(), info.architecture()).trim().to_owned();
    let software = is_fallback(&info) || name.contains("swiftshader") || name.contains("llvmpipe");
    let reason = if software { "the WebGPU adapter is software" } else { "a hardware WebGPU adapter is present" };
    Detected { available: true, software, adapter: name, reason: reason.into() }
}

/// `isFallbackAdapter` moved from the adapter to its info, where web-sys does not know it yet.
fn is_fallback(info: &JsValue) -> bool {
    js_sys::Reflect::get(info, &"isFallbackAdapter".into()).is_ok_and(|value| value.is_truthy())
}
