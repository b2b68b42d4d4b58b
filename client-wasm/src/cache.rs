//! Encoder, detector and purifier in the browser's Cache storage, so that a second visit downloads nothing.

use js_sys::{Array, ArrayBuffer, Uint8Array};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Cache, Request, Response, WorkerGlobalScope};

const NAME: &str = "veilsight-encoders-v1";

/// The stored bytes of an address, where there are any. No cache (an insecure page, private mode) is the same as none.
pub async fn get(url: &str) -> Option<Vec<u8>> {
    let cache = open().await?;
    let found = JsFuture::from(cache.match_with_str(url)).await.ok()?;
    let response: Response = found.dyn_into().ok()?;
    let buffer: ArrayBuffer = JsFuture::from(response.array_buffer().ok()?).await.ok()?.dyn_into().ok()?;
    Some(Uint8Array::new(&buffer).to_vec())
}

/// Stores the bytes of an address and drops other versions of the same path. A full disk only costs the next download.
pub async fn put(url: &str, bytes: &[u8]) {
    let Some(cache) = open().await else { return };
    drop_others(&cache, url).await;
    let mut copy = bytes.to_vec();
    if let Ok(response) = Response::new_with_opt_u8_array(Some(&mut copy)) {
        let _stored = JsFuture::from(cache.put_with_str(url, &response)).await;
    }
}

/// Forgets an address.
pub async fn remove(url: &str) {
    if let Some(cache) = open().await {
        let _removed = JsFuture::from(cache.delete_with_str(url)).await;
    }
}

async fn open() -> Option<Cache> {
    let scope: WorkerGlobalScope = js_sys::global().dyn_into().ok()?;
    JsFuture::from(scope.caches().ok()?.open(NAME)).await.ok()?.dyn_into().ok()
}

async fn drop_others(cache: &Cache, url: &str) {
    let path = |address: &str| address.split('?').next().unwrap_or_default().to_owned();
    let Ok(keys) = JsFuture::from(cache.keys()).await else { return };
    for key in Array::from(&keys).iter() {
        if let Ok(request) = key.dyn_into::<Request>()
            && request.url() != url
            && path(&request.url()) == path(url)
        {
            let _removed = JsFuture::from(cache.delete_with_request(&request)).await;
        }
    }
}
