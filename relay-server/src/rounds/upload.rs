//! A contribution on its way in: to a file first, so that slow or many uploads cost disk and not memory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::error::RelayError;
use crate::problem::Problem;

/// Name of the folder in the data directory.
const FOLDER: &str = "uploads";

/// The folder of uploads.
pub(crate) struct Uploads(PathBuf);

impl Uploads {
    /// Makes the folder.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, RelayError> {
        let path = data_dir.join(FOLDER);
        std::fs::create_dir_all(&path).map_err(|source| RelayError::DataDir { path: path.clone(), source })?;
        Ok(Self(path))
    }

    /// Removes what an earlier run left: it was never answered.
    pub(crate) fn clear(&self) {
        for file in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            if let Err(error) = std::fs::remove_file(file.path()) {
                tracing::warn!(%error, "an old upload cannot be removed");
            }
        }
    }

    /// Receives a body of exactly `expected` bytes.
    ///
    /// # Errors
    /// 413 as soon as there are more, 400 where there are fewer, 408 where they take too long.
    pub(crate) async fn receive(&self, body: &mut Body, expected: usize, limit: Duration) -> Result<Upload, Problem> {
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(|error| failed(&RelayError::Randomness(error)))?;
        let path = self.0.join(hex::encode(name));
        // Owns the file from before it is made, so that nothing stays if this future is dropped.
        let mut upload = Upload { path, digest: [0; 32] };
        let received = tokio::time::timeout(limit, upload.fill(body, expected)).await;
        received.map_err(|_| Problem::body_timeout())??;
        Ok(upload)
    }
}

/// A received file, removed when dropped.
pub(crate) struct Upload {
    path: PathBuf,
    /// SHA-256 of the content.
    pub(crate) digest: [u8; 32],
}

impl Upload {
    async fn fill(&mut self, body: &mut Body, expected: usize) -> Result<(), Problem> {
        let mut file = tokio::fs::File::create_new(&self.path).await.map_err(|error| failed(&error))?;
        let (mut hash, mut found) = (Sha256::new(), 0);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Problem::wrong_size(found, expected))?;
            let Some(bytes) = frame.data_ref() else { continue };
            found += bytes.len();
            if found > expected {
                return Err(Problem::too_large(expected));
            }
            hash.update(bytes);
            file.write_all(bytes).await.map_err(|error| failed(&error))?;
        }
        if found != expected {
            return Err(Problem::wrong_size(found, expected));
        }
        file.flush().await.map_err(|error| failed(&error))?;
        self.digest = hash.finalize().into();
        Ok(())
    }

    /// The content.
    pub(crate) async fn read(&self) -> Result<Vec<u8>, Problem> {
        tokio::fs::read(&self.path).await.map_err(|error| failed(&error))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn failed(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "an upload cannot be kept");
    Problem::unavailable("The relay cannot keep uploads at the moment; try again after the time in Retry-After.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(chunks: &[&'static str]) -> Body {
        let chunks: Vec<Result<&'static str, std::io::Error>> = chunks.iter().map(|chunk| Ok(*chunk)).collect();
        Body::from_stream(tokio_stream::iter(chunks))
    }

    async fn receive(chunks: &[&'static str]) -> (tempfile::TempDir, Result<Upload, Problem>) {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::open(dir.path()).unwrap();
        let received = uploads.receive(&mut body(chunks), 6, Duration::from_secs(5)).await;
        (dir, received)
    }

    fn files(dir: &tempfile::TempDir) -> usize {
        std::fs::read_dir(dir.path().join(FOLDER)).unwrap().count()
    }

    #[tokio::test]
    async fn exactly_the_expected_bytes_are_taken_and_leave_no_file_behind() {
        let (dir, received) = receive(&["abc", "def"]).await;
        let upload = received.unwrap();
        assert_eq!(upload.read().await.unwrap(), b"abcdef");
        assert_eq!(upload.digest, <[u8; 32]>::from(Sha256::digest("abcdef")));
        assert_eq!(files(&dir), 1);
        drop(upload);
        assert_eq!(files(&dir), 0);
    }

    #[test]
    fn what_an_earlier_run_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::open(dir.path()).unwrap();
        std::fs::write(dir.path().join(FOLDER).join("left"), "half").unwrap();
        uploads.clear();
        assert_eq!(files(&dir), 0);
    }

    #[tokio::test]
    async fn more_or_fewer_bytes_are_refused_and_leave_no_file_behind() {
        for chunks in [&["abc", "defg"][..], &["abc"], &[]] {
            let (dir, received) = receive(chunks).await;
            assert!(received.is_err());
            assert_eq!(files(&dir), 0);
        }
    }
}
