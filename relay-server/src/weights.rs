//! Files of weights as they are handed out: as they are, and compressed for whoever takes that.

use std::io::Write;

use axum::{
    body::Bytes,
    http::{HeaderMap, header},
};
use flate2::{Compression, write::GzEncoder};

/// A file of weights in memory.
pub(crate) struct Weights {
    plain: Bytes,
    /// Made once: a tenth smaller, which is half a megabyte of a first visit.
    gzip: Bytes,
}

impl Weights {
    /// Compresses `plain`.
    ///
    /// # Errors
    /// A sentence where that fails; in memory it does not.
    pub(crate) fn new(plain: Vec<u8>) -> Result<Self, String> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let compressed = encoder.write_all(&plain).and_then(|()| encoder.finish());
        let gzip = compressed.map_err(|error| format!("its weights cannot be compressed: {error}"))?;
        Ok(Self { plain: plain.into(), gzip: gzip.into() })
    }

    /// The file.
    pub(crate) fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// The bytes to send to whoever asks with `headers`, and whether they are compressed.
    pub(crate) fn for_request(&self, headers: &HeaderMap) -> (Bytes, bool) {
        let gzip = accepts_gzip(headers);
        (if gzip { self.gzip.clone() } else { self.plain.clone() }, gzip)
    }
}

/// Whether `gzip` is among the accepted encodings and not refused by `q=0`.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let refused = parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)));
        named && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use flate2::read::GzDecoder;
    use std::io::Read;

    fn asking(accept: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(accept))])
    }

    #[test]
    fn who_takes_gzip_gets_the_same_bytes_compressed() {
        let weights = Weights::new(vec![7; 10_000]).unwrap();
        let (bytes, gzip) = weights.for_request(&asking("br, gzip;q=0.8"));
        assert!(gzip && bytes.len() < 1000);
        let mut plain = Vec::new();
        GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, vec![7; 10_000]);
    }

    #[test]
    fn who_does_not_gets_them_as_they_are() {
        let weights = Weights::new(vec![7; 100]).unwrap();
        for headers in [HeaderMap::new(), asking("br"), asking("gzip;q=0, br"), asking("gzip; q=0.0")] {
            assert_eq!(weights.for_request(&headers), (Bytes::from(vec![7; 100]), false), "{headers:?}");
        }
    }
}
