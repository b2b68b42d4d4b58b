//! Our preprocessing of untouched source files against the data set's own conversion of them, where that data is present.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::HashMap, fs, io::Read, path::PathBuf};

use models::{Preprocess, decode, preprocess::Channels};

fn data() -> Option<PathBuf> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    let folder = std::env::var_os("VEILSIGHT_DATA").map_or_else(default, PathBuf::from).join("br35h");
    if folder.join("originals").is_dir() {
        return Some(folder);
    }
    println!("skipped: no originals under {}; set VEILSIGHT_DATA", folder.display());
    None
}

/// The converted 128 x 128 PNG files of the test split by the path of their source file.
fn converted(folder: &std::path::Path) -> HashMap<String, Vec<u8>> {
    let mut files = HashMap::new();
    let mut archive = tar::Archive::new(fs::File::open(folder.join("test.tar")).unwrap());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(name, bytes);
    }
    let mut index = csv::Reader::from_path(folder.join("index.csv")).unwrap();
    let rows = index.records().map(Result::unwrap).filter(|row| &row[0] == "test");
    let stem = |path: &str| PathBuf::from(path).file_stem().unwrap().to_str().unwrap().to_owned();
    rows.map(|row| (stem(&row[6]), files.remove(&row[2]).unwrap())).collect()
}

#[test]
fn source_files_become_nearly_the_data_sets_images_and_those_pass_unchanged() {
    let Some(folder) = data() else { return };
    let converted = converted(&folder);
    let wanted = Preprocess { size: 128, channels: Channels::Grey, mean: vec![0.5], std: vec![0.5] };
    let mut compared = 0;
    for file in fs::read_dir(folder.join("originals")).unwrap() {
        let path = file.unwrap().path();
        let Some(theirs) = converted.get(path.file_stem().unwrap().to_str().unwrap()) else { continue };
        let theirs = decode(theirs).unwrap();
        assert_eq!(wanted.letterbox(&theirs).pixels, theirs.pixels);
        let ours = wanted.letterbox(&decode(&fs::read(&path).unwrap()).unwrap()).pixels;
        let sum: u32 = ours.iter().zip(&theirs.pixels).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        let mean = f64::from(sum) / ours.len() as f64;
        println!("{}: mean difference {mean:.3}", path.display());
        assert!(mean < 0.05, "{}: mean difference {mean}", path.display());
        compared += 1;
    }
    assert!(compared >= 20, "only {compared} source files were compared");
}
