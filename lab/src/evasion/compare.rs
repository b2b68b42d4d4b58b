//! Our PGD beside another implementation of it (foolbox), on the same weights and the same images.

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use models::{Tensor, TensorMap};
use serde::{Deserialize, Serialize};

use super::{
    arena::Arena,
    cases::Case,
    loss::Loss,
    objective::Classifier,
    pgd::Pgd,
    record::Subject,
    registry::{Kind, Spec},
    run::{Outcome, judge_all},
};
use crate::{
    attack::{network::Network, record::Estimate},
    bench::peers,
};

/// One attack by two implementations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// Model and data.
    pub subject: Subject,
    /// The other implementation and its version.
    pub peer: String,
    /// Attacks.
    pub rows: Vec<ComparisonRow>,
}

/// One attack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ComparisonRow {
    /// Name of the attack.
    pub attack: String,
    /// Images that both answered rightly before.
    pub attacked: usize,
    /// Share of wrong answers among them under our attack.
    pub ours: Estimate,
    /// The same under the peer's.
    pub peers: Estimate,
    /// Share of ours minus the peer's, image by image.
    pub difference: Estimate,
}

/// Runs both implementations on every case and compares them where both answered rightly before.
///
/// The peer gets the stored weights opened to floats and the images as floats, and climbs the network without the rounding of the
/// token; what it finds is judged by the same real pipeline.
///
/// # Errors
/// Where the peer cannot be installed or fails, or is asked for another attack than PGD.
pub fn compare(arena: &Arena, specs: &[Spec], cases: &[Case], subject: Subject) -> Result<Comparison> {
    let folder = tempfile::tempdir()?;
    export(arena, cases, folder.path())?;
    let mut peer = String::new();
    let rows = specs.iter().map(|spec| {
        ensure!(spec.kind == Kind::Pgd, "only PGD is compared, and {spec} is another attack");
        let ours = arena.run(*spec, cases, &|| ())?;
        let (name, theirs) = theirs(arena, spec, cases, folder.path())?;
        peer = name;
        row(arena, *spec, cases, &ours, &theirs)
    });
    let rows = rows.collect::<Result<_>>()?;
    Ok(Comparison { subject, peer, rows })
}

/// Weights and images where the peer finds them.
fn export(arena: &Arena, cases: &[Case], folder: &Path) -> Result<()> {
    let Network { layout, weights, .. } = arena.network;
    fs::write(folder.join("weights.safetensors"), layout.tensors(weights, true).to_safetensors_f32()?)?;
    let mut map = TensorMap::default();
    let images: Vec<f32> = cases.iter().flat_map(|c| c.image.iter().copied()).collect();
    let c = &layout.config;
    map.insert("images", Tensor { shape: vec![cases.len(), c.in_channels, c.image_size, c.image_size], data: images });
    let classes: Vec<f32> = cases.iter().map(|c| c.class as f32).collect();
    map.insert("classes", Tensor { shape: vec![cases.len()], data: classes });
    fs::write(folder.join("images.safetensors"), map.to_safetensors_f32()?)?;
    Ok(())
}

/// Name of the peer and its attacked images.
fn theirs(arena: &Arena, spec: &Spec, cases: &[Case], folder: &Path) -> Result<(String, Vec<Vec<f32>>)> {
    let objective = Classifier::new(arena.network, Loss::CrossEntropy);
    let ours = Pgd::paper(&objective, spec.ball);
    let settings = serde_json::json!({
        "network": arena.network.layout.config,
        "mean": arena.network.preprocess.mean,
        "std": arena.network.preprocess.std,
        "norm": spec.ball.norm,
        "epsilon": spec.ball.radius,
        "steps": ours.steps,
        "size": ours.size,
    });
    let mut script = peers::python_with_torch("evade_foolbox.py")?;
    script.arg(settings.to_string()).arg(folder);
    let said = peers::json(script)?;
    let out = TensorMap::from_safetensors(&fs::read(folder.join("attacked.safetensors"))?)?;
    let c = &arena.network.layout.config;
    let tensor = out.get("attacked", &[cases.len(), c.in_channels, c.image_size, c.image_size])?;
    let images = tensor.data.chunks_exact(c.input_len()).map(<[f32]>::to_vec).collect();
    Ok((said["peer"].as_str().unwrap_or("the peer").to_owned(), images))
}

fn row(arena: &Arena, spec: Spec, cases: &[Case], ours: &[Outcome], theirs: &[Vec<f32>]) -> Result<ComparisonRow> {
    let views = |images: Vec<&[f32]>| judge_all(&arena.judge, &images);
    let before = views(cases.iter().map(|c| c.image.as_slice()).collect())?;
    let theirs = views(theirs.iter().map(Vec::as_slice).collect())?;
    let kept: Vec<usize> = (0..cases.len()).filter(|i| before[*i].answer == cases[*i].class).collect();
    let groups: Vec<String> = kept.iter().map(|i| cases[*i].group.clone()).collect();
    let wrong = |answer: usize, i: usize| f64::from(u8::from(answer != cases[i].class));
    let of_ours: Vec<f64> = kept.iter().map(|i| wrong(ours[*i].judgement.answer, *i)).collect();
    let of_theirs: Vec<f64> = kept.iter().map(|i| wrong(theirs[*i].answer, *i)).collect();
    let difference: Vec<f64> = of_ours.iter().zip(&of_theirs).map(|(a, b)| a - b).collect();
    Ok(ComparisonRow {
        attack: spec.to_string(),
        attacked: kept.len(),
        ours: Estimate::of(&of_ours, &groups),
        peers: Estimate::of(&of_theirs, &groups),
        difference: Estimate::of(&difference, &groups),
    })
}
