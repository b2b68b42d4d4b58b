//! A site's own images: a folder whose folders are the classes, or one with a `labels.csv`.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::data::{Sample, Split};

/// Largest image file.
const MAX_IMAGE_BYTES: u64 = 64 << 20;
/// Name of the list of labels; columns `file` (relative to the folder), `label`, and optionally `group`.
const LIST: &str = "labels.csv";

/// Reads the images in `folder`, sorted by name. Without a list every folder in it is a class.
///
/// # Errors
/// Where there is no image, or one cannot be read.
pub fn load(folder: &Path) -> Result<Split> {
    let rows = if folder.join(LIST).is_file() { listed(folder)? } else { by_folder(folder)? };
    ensure!(!rows.is_empty(), "{} holds no images; use one folder for each class, or a {LIST}", folder.display());
    let mut labels: Vec<String> = rows.iter().map(|row| row.label.clone()).collect();
    labels.sort();
    labels.dedup();
    let sample = |row: Row| -> Result<Sample> {
        let path = folder.join(&row.file);
        let size = std::fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?.len();
        ensure!(size <= MAX_IMAGE_BYTES, "{} has {size} bytes, the limit is {MAX_IMAGE_BYTES}", path.display());
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let class = labels.binary_search(&row.label).unwrap_or_default();
        Ok(Sample { class, group: row.group.unwrap_or_else(|| row.file.clone()), file: row.file, bytes })
    };
    let samples = rows.into_iter().map(sample).collect::<Result<_>>()?;
    Ok(Split { labels, samples })
}

struct Row {
    file: String,
    label: String,
    group: Option<String>,
}

fn listed(folder: &Path) -> Result<Vec<Row>> {
    let mut reader = csv::Reader::from_path(folder.join(LIST))?;
    let headers = reader.headers()?.clone();
    let find = |name: &str| headers.iter().position(|header| header == name);
    let column = |name: &str| find(name).with_context(|| format!("{LIST} has no column `{name}`"));
    let (file, label, group) = (column("file")?, column("label")?, find("group"));
    let row = |record: Result<csv::StringRecord, csv::Error>| -> Result<Row> {
        let record = record?;
        let field = |i: usize| record.get(i).unwrap_or_default().to_owned();
        let name = field(file);
        let inside = Path::new(&name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        ensure!(inside && !name.is_empty(), "{LIST} names `{name}`, which is not inside the folder");
        Ok(Row { file: name, label: field(label), group: group.map(field) })
    };
    reader.records().map(row).collect()
}

fn by_folder(folder: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for class in names(folder)? {
        let inner = folder.join(&class);
        if inner.is_dir() {
            let row = |name: String| Row { file: format!("{class}/{name}"), label: class.clone(), group: None };
            rows.extend(names(&inner)?.into_iter().map(row));
        }
    }
    Ok(rows)
}

/// Names in a folder, sorted, without hidden ones.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))? {
        match entry?.file_name().into_string() {
            Ok(name) if name.starts_with('.') => {}
            Ok(name) => names.push(name),
            Err(name) => bail!("the file name {} is no text", name.to_string_lossy()),
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_classes_and_a_list_goes_before_them() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert!(load(folder.path()).is_err());
        put("b/2.png", "two");
        put("a/1.png", "one");
        put("a/.hidden", "no");
        let split = load(folder.path()).unwrap();
        assert_eq!(split.labels, ["a", "b"]);
        let seen: Vec<_> = split.samples.iter().map(|s| (s.file.as_str(), s.class, s.bytes.as_slice())).collect();
        assert_eq!(seen, [("a/1.png", 0, b"one".as_slice()), ("b/2.png", 1, b"two".as_slice())]);
        put("labels.csv", "label,file,group\nx,a/1.png,p1\nx,b/2.png,p1\n");
        let split = load(folder.path()).unwrap();
        assert_eq!((split.labels.len(), split.samples.len(), split.groups()), (1, 2, 1));
        put("labels.csv", "label,file\nx,../secret.png\n");
        assert!(load(folder.path()).unwrap_err().to_string().contains("not inside"));
    }
}
