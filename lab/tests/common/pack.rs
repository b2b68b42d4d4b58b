//! A pack for phantoms, made in a moment.

use lab::{
    pack::{self, CardText, Epoch, FitData},
    train::{
        TrainConfig,
        params::Layout,
        run::{Folder, Inputs, run},
    },
};
use models::TensorMap;

use crate::common::{config, images};

const TEXT: &str = r#"{
    "title": "Phantoms", "version": "0.0.1", "task": "Tells phantoms with a lesion.", "classes": { "yes": "Lesion" },
    "data": "phantoms", "split": "by seed", "start": "random", "limits": ["phantoms only"], "licence": "Apache-2.0",
    "provenance": "a test"
}"#;

/// Trains for a moment and writes a pack to `folder`.
pub fn make_pack(folder: &std::path::Path) {
    let settings = TrainConfig { epochs: 6, ..config() };
    let inputs = Inputs {
        train: images(0..64),
        val: images(100..116),
        teacher: None,
        weights: Layout::new(&settings.encoder, 2).random(1),
        start: "random".into(),
        command: "test".into(),
    };
    let runs = Folder::make(&folder.join("run")).unwrap();
    let summary = run(settings, inputs, &runs, false, None).unwrap();
    let weights = || TensorMap::from_safetensors(&std::fs::read(runs.best()).unwrap()).unwrap();
    let text: CardText = serde_json::from_str(TEXT).unwrap();
    let data = FitData { train: images(0..64), val: images(100..116) };
    let epochs = [1, 2].map(|number| Epoch { number, weights: weights() });
    let record = pack::fit(&summary, &epochs, &data, &text, "phantoms", &folder.join("phantoms")).unwrap();
    assert_eq!(record.candidates.len(), 9);
    let chosen = &record.candidates[record.chosen];
    let of_its_kind = record.candidates.iter().filter(|c| c.storage == chosen.storage);
    assert!(of_its_kind.map(|c| c.val_nll).all(|nll| nll >= chosen.val_nll));
    assert!(record.int8_cls_difference > 0.0 && record.int8_cls_difference < 0.5, "{}", record.int8_cls_difference);
}
