//! One training step over a batch, split into lanes that run side by side, and inference over a split.

use anyhow::{Result, ensure};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{
    TrainConfig,
    adversarial::{Pgd, Target},
    augment, job,
    lanes::Lanes,
    loss,
    optim::{OptimState, one_cycle},
    params::Layout,
    vit::{self, OutputGradients, Tape},
};

/// Images that go through the network together in one lane: enough rows for the matrix products, few enough for the cache.
const CHUNK: usize = 8;

/// A set of letterboxed images with labels.
pub struct Images {
    /// 8-bit HWC pixels of each image.
    pub pixels: Vec<Vec<u8>>,
    /// Class of each image.
    pub classes: Vec<usize>,
}

/// A frozen network that a student learns from.
pub struct Teacher {
    /// Its geometry.
    pub layout: Layout,
    /// Its parameters.
    pub weights: Vec<f32>,
    /// For each block of the student, the teacher's block whose tokens it should give.
    pub layers: Vec<usize>,
}

/// Sums over the images of a step or an epoch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    /// Loss.
    pub loss: f64,
    /// Right answers on augmented images.
    pub right: usize,
    /// Images.
    pub images: usize,
}

impl Sums {
    /// Adds another sum.
    pub fn add(&mut self, other: &Self) {
        self.loss += other.loss;
        self.right += other.right;
        self.images += other.images;
    }
}

#[derive(Default)]
struct Tapes {
    student: Tape,
    teacher: Tape,
}

/// A network in training.
pub struct Trainer {
    /// Settings.
    pub config: TrainConfig,
    /// Geometry.
    pub layout: Layout,
    /// Parameters and optimiser.
    pub state: OptimState,
    /// Steps of the whole run.
    pub steps: u64,
    teacher: Option<Teacher>,
    lanes: Lanes<Tapes>,
}

impl Trainer {
    /// A trainer that starts from `state`; `images` is the size of the training split.
    ///
    /// # Errors
    /// Where the settings contradict each other.
    pub fn new(config: TrainConfig, state: OptimState, teacher: Option<Teacher>, images: usize) -> Result<Self> {
        config.encoder.validate()?;
        ensure!(config.batch > 0 && config.lanes > 0 && config.epochs > 0, "batch, lanes and epochs start at 1");
        ensure!(images >= config.batch, "{images} images are fewer than one batch of {}", config.batch);
        let layout = Layout::new(&config.encoder, config.labels.len());
        layout.check(&state.weights)?;
        if let Some(adversarial) = &config.adversarial {
            ensure!(teacher.is_none(), "adversarial training and a teacher do not go together");
            ensure!(
                adversarial.eps > 0.0 && adversarial.eps <= 1.0 && adversarial.steps > 0,
                "adversarial training needs a radius in (0, 1] and at least one step"
            );
            ensure!((0.0..=1.0).contains(&adversarial.share), "the adversarial share lies in [0, 1]");
        }
        if let Some(teacher) = &teacher {
            ensure!(
                teacher.layout.config.dim == layout.config.dim && teacher.layout.classes == layout.classes,
                "the teacher has another width or other classes than the student"
            );
        }
        let lanes = Lanes::new(config.lanes, layout.len);
        let steps = u64::from(config.epochs) * (images / config.batch) as u64;
        Ok(Self { config, layout, state, steps, teacher, lanes })
    }

    /// The order of the training images in an epoch.
    pub fn order(&self, epoch: u32, images: usize) -> Vec<usize> {
        job::order(self.config.seed, epoch, images)
    }

    /// Trains on the images of `batch` (indices into `images`).
    pub fn step(&mut self, images: &Images, batch: &[usize], epoch: u32) -> Sums {
        let scale = 1.0 / batch.len() as f32;
        let (config, layout, weights) = (&self.config, &self.layout, &self.state.weights);
        let attack = config.adversarial.as_ref().map(|a| a.attack(self.state.step, self.steps));
        let work = Work { config, layout, weights, teacher: self.teacher.as_ref(), images, epoch, scale, attack };
        let (results, grad) = self.lanes.run(batch, CHUNK, |chunk, tapes, grad| work.chunk(chunk, tapes, grad));
        let mut sums = Sums::default();
        results.iter().for_each(|s| sums.add(s));
        let lr = self.config.optim.lr * one_cycle(self.state.step, self.steps, self.config.optim.warmup);
        self.state.update(&self.layout.table, &self.config.optim, lr, grad);
        sums
    }
}

struct Work<'a> {
    config: &'a TrainConfig,
    layout: &'a Layout,
    weights: &'a [f32],
    teacher: Option<&'a Teacher>,
    images: &'a Images,
    epoch: u32,
    scale: f32,
    attack: Option<Pgd>,
}

impl Work<'_> {
    fn chunk(&self, indices: &[usize], tapes: &mut Tapes, grad: &mut [f32]) -> Sums {
        let n = indices.len();
        let labels: Vec<usize> = indices.iter().map(|i| self.images.classes[*i]).collect();
        let mut pixels = Vec::with_capacity(n * self.config.encoder.input_len());
        let mut keep = vec![1.0; 2 * self.config.encoder.depth * n];
        let mut generators = Vec::with_capacity(n);
        for (column, index) in indices.iter().enumerate() {
            let mut rng = job::generator(self.config.seed, self.epoch, *index);
            let side = self.config.encoder.image_size;
            pixels.extend(self.config.augment.apply(&self.images.pixels[*index], side, &mut rng));
            self.drop_branches(&mut keep, column, n, &mut rng);
            generators.push(rng);
        }
        let attacked = self.attack.map(|attack| self.attacked(attack, &pixels, &labels, &mut generators, &mut tapes.student));
        let share = self.config.adversarial.as_ref().map_or(0.0, |a| a.share);
        let mut sums = Sums::default();
        if share < 1.0 {
            sums = self.learn(pixels, &labels, &keep, 1.0 - share, tapes, grad);
        }
        if let Some(attacked) = attacked {
            for (column, rng) in generators.iter_mut().enumerate() {
                self.drop_branches(&mut keep, column, n, rng);
            }
            let other = self.learn(attacked, &labels, &keep, share, tapes, grad);
            sums = Sums { loss: sums.loss + other.loss, right: if share < 1.0 { sums.right } else { other.right }, images: n };
        }
        sums
    }

    /// The worst images that the attack finds near `pixels`, from starts of the images' own generators.
    fn attacked(
        &self,
        attack: Pgd,
        pixels: &[f32],
        labels: &[usize],
        generators: &mut [ChaCha8Rng],
        tape: &mut Tape,
    ) -> Vec<f32> {
        let images = pixels.chunks_exact(self.config.encoder.input_len());
        let mut moved: Vec<f32> = images.zip(generators).flat_map(|(image, rng)| attack.start(image, rng)).collect();
        let target = Target { layout: self.layout, weights: self.weights, preprocess: &self.config.preprocess };
        attack.run(target, pixels, labels, &mut moved, tape);
        moved
    }

    /// Adds the gradient of `share` times the loss of images in [0, 1] to `grad`.
    fn learn(
        &self,
        mut input: Vec<f32>,
        labels: &[usize],
        keep: &[f32],
        share: f32,
        tapes: &mut Tapes,
        grad: &mut [f32],
    ) -> Sums {
        normalise(&mut input, &self.config.preprocess);
        let keep = if self.config.drop_path == 0.0 { &[] } else { keep };
        vit::forward(self.layout, self.weights, &input, keep, &mut tapes.student);
        let (loss, out) = self.losses(labels, &input, share * self.scale, tapes);
        vit::backward(self.layout, self.weights, &out, &mut tapes.student, grad);
        let right = answers(tapes.student.logits(), self.layout.classes);
        let right = right.iter().zip(labels).filter(|(a, b)| a == b).count();
        Sums { loss: f64::from(share) * loss, right, images: labels.len() }
    }

    fn drop_branches(&self, keep: &mut [f32], column: usize, n: usize, rng: &mut impl Rng) {
        let depth = self.config.encoder.depth;
        for (branch, row) in keep.chunks_exact_mut(n).enumerate() {
            let drop = self.config.drop_path * (branch / 2) as f32 / (depth.max(2) - 1) as f32;
            row[column] = if rng.random::<f32>() < drop { 0.0 } else { 1.0 / (1.0 - drop) };
        }
    }

    fn losses(&self, labels: &[usize], input: &[f32], scale: f32, tapes: &mut Tapes) -> (f64, OutputGradients) {
        let (n, classes, tape) = (labels.len(), self.layout.classes, &tapes.student);
        let mut out = OutputGradients { logits: vec![0.0; n * classes], ..OutputGradients::default() };
        let (Some(teacher), Some(weights)) = (self.teacher, &self.config.distil) else {
            let loss = loss::cross_entropy(tape.logits(), labels, self.config.smoothing, scale, &mut out.logits);
            return (loss, out);
        };
        vit::forward(&teacher.layout, &teacher.weights, input, &[], &mut tapes.teacher);
        let (truth, soft) = (1.0 - weights.logits, weights.logits);
        let from = &tapes.teacher;
        let mut total =
            f64::from(truth) * loss::cross_entropy(tape.logits(), labels, self.config.smoothing, truth * scale, &mut out.logits);
        let t = weights.temperature;
        total += f64::from(soft) * loss::soft_labels(tape.logits(), from.logits(), classes, t, soft * scale, &mut out.logits);
        let by = weights.cls * scale;
        total += f64::from(weights.cls) * loss::squared_difference(tape.cls(), from.cls(), n, by, &mut out.cls);
        out.hidden.resize_with(self.layout.blocks.len(), Vec::new);
        let by = weights.hidden * scale / teacher.layers.len() as f32;
        for (i, layer) in teacher.layers.iter().enumerate() {
            let grad = &mut out.hidden[i];
            let part = loss::squared_difference(tape.hidden(i), from.hidden(*layer), n, by, grad);
            total += f64::from(weights.hidden) * part / teacher.layers.len() as f64;
        }
        (total, out)
    }
}

/// `(value − mean) / std`, channel by channel, of CHW images in [0, 1], one after another.
pub fn normalise(values: &mut [f32], preprocess: &models::preprocess::Preprocess) {
    let area = preprocess.size * preprocess.size;
    let channels = preprocess.mean.iter().zip(&preprocess.std).cycle();
    let planes = values.chunks_exact_mut(area).zip(channels);
    for (plane, (mean, std)) in planes {
        plane.iter_mut().for_each(|v| *v = (*v - mean) / std);
    }
}

/// The largest logit of each row.
pub fn answers(logits: &[f32], classes: usize) -> Vec<usize> {
    let top = |row: &[f32]| (0..classes).fold(0, |best, c| if row[c] > row[best] { c } else { best });
    logits.chunks_exact(classes).map(top).collect()
}

/// Logits [n, classes] and CLS tokens [n, d] of unchanged images.
pub fn infer(config: &TrainConfig, layout: &Layout, weights: &[f32], images: &Images) -> (Vec<f32>, Vec<f32>) {
    let side = config.encoder.image_size;
    let one = |tape: &mut Tape, part: &[Vec<u8>]| {
        let mut input = Vec::with_capacity(part.len() * config.encoder.input_len());
        for pixels in part {
            let mut values = augment::plain(pixels, side);
            normalise(&mut values, &config.preprocess);
            input.extend(values);
        }
        vit::forward(layout, weights, &input, &[], tape);
        (tape.logits().to_vec(), tape.cls().to_vec())
    };
    let parts: Vec<_> = images.pixels.par_chunks(CHUNK).map_init(Tape::default, one).collect();
    let (logits, cls): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    (logits.concat(), cls.concat())
}
