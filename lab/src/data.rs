//! Labelled images in the format of the shared data: a folder with `index.csv` and one `<split>.tar` for each split.
//!
//! The index needs the columns `split`, `label` (or another one that is asked for) and `file`; `group` names the independent unit (patient or source picture)
//! of an image and may be absent, in which case every image is a unit of its own.
//!
//! `<folder>@random-<seed>` draws the splits anew instead, image by image, with no regard to groups: 60 % train, 10 % val and 30 % test of all
//! images. That is the protocol of the papers that we compare with; it puts near-copies of the test images into train.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use models::preprocess::{Preprocess, decode};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Most rows that an index may have.
const MAX_ROWS: usize = 1_000_000;
/// Largest image file inside an archive.
const MAX_MEMBER_BYTES: u64 = 64 << 20;

/// One image of a split.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Member of the archive.
    pub file: String,
    /// Index into [`Split::labels`].
    pub class: usize,
    /// Independent unit, for bootstrap.
    pub group: String,
    /// The file's bytes.
    pub bytes: Vec<u8>,
}

/// A split, in memory.
#[derive(Clone, Debug)]
pub struct Split {
    /// Label names of the whole index, sorted.
    pub labels: Vec<String>,
    /// Images in the order of the index.
    pub samples: Vec<Sample>,
}

struct Row {
    /// Split as asked for.
    split: String,
    /// Split of the index, which names the archive.
    archive: String,
    label: String,
    file: String,
    group: String,
}

impl Split {
    /// Reads one split of the data set in `folder`; at most `limit` images, taken evenly over the index.
    ///
    /// # Errors
    /// Where the folder, a column, the archive or a member is missing or unreadable; the message says which.
    pub fn load(folder: &Path, split: &str, limit: Option<usize>) -> Result<Self> {
        Self::load_labelled(folder, split, "label", limit)
    }

    /// As [`Split::load`], with the labels of another column.
    ///
    /// # Errors
    /// As [`Split::load`].
    pub fn load_labelled(folder: &Path, split: &str, label: &str, limit: Option<usize>) -> Result<Self> {
        Self::load_columns(folder, split, [label, "file"], limit)
    }

    /// As [`Split::load_labelled`], with the files of another column too: `[label, file]`.
    ///
    /// # Errors
    /// As [`Split::load`].
    pub fn load_columns(folder: &Path, split: &str, columns: [&str; 2], limit: Option<usize>) -> Result<Self> {
        let (folder, seed) = parse_random(folder)?;
        let folder = folder.as_path();
        let mut rows = read_index(folder, columns)?;
        if let Some(seed) = seed {
            redraw(&mut rows, seed);
        }
        let labels: BTreeSet<&str> = rows.iter().map(|r| r.label.as_str()).collect();
        let labels: Vec<String> = labels.into_iter().map(str::to_string).collect();
        let mut chosen: Vec<&Row> = rows.iter().filter(|r| r.split == split).collect();
        if chosen.is_empty() {
            let known: BTreeSet<&str> = rows.iter().map(|r| r.split.as_str()).collect();
            bail!("{} has no split `{split}`; it has {known:?}", folder.display());
        }
        if let Some(limit) = limit.filter(|l| (1..chosen.len()).contains(l)) {
            let count = chosen.len();
            chosen = (0..limit).map(|i| chosen[i * count / limit]).collect();
        }
        let mut members = read_members(folder, &chosen)?;
        let mut samples = Vec::with_capacity(chosen.len());
        for row in chosen {
            let bytes = members
                .remove(&(row.archive.as_str(), row.file.clone()))
                .with_context(|| format!("{}.tar has no member {}, which the index names", row.archive, row.file))?;
            samples.push(Sample {
                file: row.file.clone(),
                class: labels.binary_search(&row.label).expect("the label is in its own list"),
                group: row.group.clone(),
                bytes,
            });
        }
        Ok(Self { labels, samples })
    }

    /// Number of independent units.
    pub fn groups(&self) -> usize {
        let groups: BTreeSet<&str> = self.samples.iter().map(|s| s.group.as_str()).collect();
        groups.len()
    }

    /// Every image decoded and letterboxed as the encoder sees it: 8-bit pixels, HWC.
    ///
    /// # Errors
    /// Where a file is no image.
    pub fn pixels(&self, preprocess: &Preprocess) -> Result<Vec<Vec<u8>>> {
        let one = |sample: &Sample| -> Result<Vec<u8>> {
            let picture = decode(&sample.bytes).with_context(|| format!("cannot decode {}", sample.file))?;
            Ok(preprocess.letterbox(&picture).pixels)
        };
        self.samples.par_iter().map(one).collect()
    }
}

/// Splits `<folder>@random-<seed>` into the folder and the seed.
fn parse_random(folder: &Path) -> Result<(PathBuf, Option<u64>)> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some((own, drawn)) = name.split_once('@') else {
        return Ok((folder.to_path_buf(), None));
    };
    let seed = drawn.strip_prefix("random-").and_then(|seed| seed.parse().ok());
    let seed = seed.with_context(|| format!("`@{drawn}` is no way to draw splits; write {own}@random-1 for random ones"))?;
    Ok((folder.with_file_name(own), Some(seed)))
}

/// Deals the images at random: 60 % train, 10 % val, 30 % test.
fn redraw(rows: &mut [Row], seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.shuffle(&mut rng);
    for (place, index) in order.into_iter().enumerate() {
        let part = match place * 10 / rows.len() {
            0..6 => "train",
            6 => "val",
            _ => "test",
        };
        rows[index].split = part.to_string();
    }
}

/// The files of `rows`, by archive and member.
fn read_members<'a>(folder: &Path, rows: &[&'a Row]) -> Result<BTreeMap<(&'a str, String), Vec<u8>>> {
    let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in rows {
        wanted.entry(&row.archive).or_default().insert(&row.file);
    }
    let mut members = BTreeMap::new();
    for (archive, files) in wanted {
        let found = read_archive(&folder.join(format!("{archive}.tar")), &files)?;
        members.extend(found.into_iter().map(|(file, bytes)| ((archive, file), bytes)));
    }
    Ok(members)
}

fn read_index(folder: &Path, [label, file]: [&str; 2]) -> Result<Vec<Row>> {
    let path = folder.join("index.csv");
    let mut reader =
        csv::Reader::from_path(&path).with_context(|| format!("cannot read {}: is this a data folder?", path.display()))?;
    let headers = reader.headers()?.clone();
    let find = |name: &str| headers.iter().position(|h| h == name);
    let column = |name: &str| find(name).with_context(|| format!("{} has no column `{name}`", path.display()));
    let (split, label, file) = (column("split")?, column(label)?, column(file)?);
    let group = find("group");
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.with_context(|| format!("cannot read a row of {}", path.display()))?;
        ensure!(rows.len() < MAX_ROWS, "{} has more than {MAX_ROWS} rows", path.display());
        let field = |i: usize| record.get(i).unwrap_or_default().to_string();
        rows.push(Row {
            split: field(split),
            archive: field(split),
            label: field(label),
            file: field(file),
            group: group.map_or_else(|| field(file), field),
        });
    }
    Ok(rows)
}

fn read_archive(path: &Path, wanted: &BTreeSet<&str>) -> Result<BTreeMap<String, Vec<u8>>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut archive = tar::Archive::new(file);
    let mut members = BTreeMap::new();
    for entry in archive.entries()? {
        let mut entry = entry.with_context(|| format!("{} is damaged", path.display()))?;
        let name = entry.path()?.to_string_lossy().into_owned();
        if !wanted.contains(name.as_str()) {
            continue;
        }
        let size = entry.size();
        ensure!(size <= MAX_MEMBER_BYTES, "{name} in {} has {size} bytes, the limit is {MAX_MEMBER_BYTES}", path.display());
        let mut bytes = Vec::with_capacity(size as usize);
        entry.read_to_end(&mut bytes)?;
        members.insert(name, bytes);
    }
    Ok(members)
}

/// The folder of the data set `name`: under `VEILSIGHT_DATA`, else `data` beside the project's folder.
pub fn default_folder(name: &str) -> PathBuf {
    let root = std::env::var_os("VEILSIGHT_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    root.join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize) -> Vec<Row> {
        let row = |i: usize| Row {
            split: "train".into(),
            archive: "train".into(),
            label: "a".into(),
            file: i.to_string(),
            group: String::new(),
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn random_splits_are_60_10_30_and_belong_to_their_seed() {
        let deal = |seed| {
            let mut rows = rows(1000);
            redraw(&mut rows, seed);
            rows.into_iter().map(|r| r.split).collect::<Vec<_>>()
        };
        let parts = deal(1);
        let count = |part: &str| parts.iter().filter(|p| *p == part).count();
        assert_eq!([count("train"), count("val"), count("test")], [600, 100, 300]);
        assert_eq!(deal(1), parts);
        assert_ne!(deal(2), parts);
    }

    #[test]
    fn the_way_to_draw_splits_is_read_from_the_folders_name() {
        let parse = |path: &str| parse_random(Path::new(path));
        assert_eq!(parse("data/br35h").unwrap(), (PathBuf::from("data/br35h"), None));
        assert_eq!(parse("data/br35h@random-7").unwrap(), (PathBuf::from("data/br35h"), Some(7)));
        assert!(parse("data/br35h@hazard").unwrap_err().to_string().contains("br35h@random-1"));
    }
}
