//! What training images tell attackers about tiles.

use anyhow::{Result, ensure};
use models::phantom::brain_phantom;
use nalgebra::{DMatrix, DVector};
use ndarray::{Array2, ArrayView1, Axis};
use purify::{Grid, Turn};
use rayon::prelude::*;

use super::{jigsaw::Placement, principal::Principal, traffic::Traffic};

/// Axes of the Gaussian of a place.
const PLACE_RANK: usize = 48;
/// Axes of the Gaussian of whole images.
const IMAGE_RANK: usize = 120;
/// Phantoms that decoys are known by, and images that tiles of any place are known by.
const PHANTOMS: usize = 40;

/// Statistics of training images, for one grid.
pub struct Prior {
    /// The grid.
    pub grid: Grid,
    /// Channels of the images.
    pub channels: usize,
    /// The median image, CHW in 0 to 1.
    pub median: Vec<f32>,
    /// The tile of each place.
    pub places: Vec<Principal>,
    /// A tile of any place, in any turn.
    pub tile: Principal,
    /// The same of phantoms, of which decoys are made.
    pub decoy: Principal,
    /// Variance of one pixel, and of the difference of two that are neighbours.
    pub pixel: [f32; 2],
    images: Principal,
    pieces: Vec<Piece>,
}

/// The part of the images' Gaussian that one place shows.
struct Piece {
    mean: Vec<f32>,
    /// [values of a tile, rank].
    axes: Array2<f32>,
    /// `axesᵀ axes`, [rank, rank].
    gram: DMatrix<f64>,
    /// Variance of each value outside the axes.
    rest: f32,
}

impl Prior {
    /// Fits `images`, CHW in 0 to 1.
    ///
    /// # Errors
    /// Where there are too few images.
    pub fn fit(grid: Grid, channels: usize, images: &[&[f32]]) -> Result<Self> {
        ensure!(images.len() >= 8, "{} training images are too few to know a kind by", images.len());
        let cut = |place: usize| rows(images.iter().map(|image| grid.cut(image, place)));
        let places: Vec<Principal> = (0..grid.places()).into_par_iter().map(|p| Principal::fit(&cut(p), PLACE_RANK)).collect();
        let of_images = Principal::fit(&rows(images.iter().map(|image| image.to_vec())), IMAGE_RANK);
        let pieces = (0..grid.places()).map(|place| Piece::of(&of_images, &grid, place, &cut(place))).collect();
        let few: Vec<&[f32]> = images.iter().step_by(images.len().div_ceil(PHANTOMS)).copied().collect();
        let phantoms: Vec<Vec<f32>> = (0..PHANTOMS as u64).map(|seed| phantom(seed, grid.image(), channels)).collect();
        Ok(Self {
            median: median(images),
            tile: anywhere(&grid, few),
            decoy: anywhere(&grid, phantoms.iter().map(Vec::as_slice)),
            pixel: pixel_variances(images, grid.image()),
            images: of_images,
            grid,
            channels,
            places,
            pieces,
        })
    }

    /// The image that is to be expected, CHW, given tiles (turned upright) at their places.
    pub fn expected(&self, traffic: &Traffic, upright: &[Vec<f32>], placement: &Placement) -> Vec<f32> {
        let scores = self.scores(traffic.noise, upright, placement);
        (&self.images.mean + &self.images.axes.t().dot(&scores)).iter().map(|v| v.clamp(0.0, 1.0)).collect()
    }

    /// Log-likelihood of each of the tiles [n, values] at each place, [places][n], once the other tiles have told what image it is.
    pub fn conditional(&self, noise: f32, rows: &Array2<f32>, upright: &[Vec<f32>], placement: &Placement) -> Vec<Vec<f64>> {
        let scores = self.scores(noise, upright, placement);
        let squares: Vec<f32> = rows.outer_iter().map(|row| row.dot(&row)).collect();
        let at = |piece: &Piece| {
            let expected = &ArrayView1::from(&piece.mean) + &piece.axes.dot(&scores);
            let variance = f64::from(piece.rest + noise);
            let (cross, own) = (rows.dot(&expected), expected.dot(&expected));
            let one = |(cross, square): (&f32, &f32)| {
                let distance = f64::from(square - 2.0 * cross + own);
                -0.5 * (distance / variance + rows.ncols() as f64 * variance.ln())
            };
            cross.iter().zip(&squares).map(one).collect()
        };
        self.pieces.iter().map(at).collect()
    }

    /// The most likely scores of the image along the images' axes, given tiles at their places.
    fn scores(&self, noise: f32, upright: &[Vec<f32>], placement: &Placement) -> ndarray::Array1<f32> {
        let rank = self.images.variances.len();
        let mut precision = DMatrix::from_diagonal(&DVector::from_iterator(
            rank,
            self.images.variances.iter().map(|variance| 1.0 / f64::from(*variance)),
        ));
        let mut evidence = DVector::zeros(rank);
        for (values, origin) in upright.iter().zip(placement) {
            let Some((place, _)) = origin else { continue };
            let piece = &self.pieces[*place];
            let weight = 1.0 / f64::from(piece.rest + noise);
            let shares = piece.axes.t().dot(&(&ArrayView1::from(values) - &ArrayView1::from(&piece.mean)));
            precision += &piece.gram * weight;
            evidence += DVector::from_iterator(rank, shares.iter().map(|share| f64::from(*share) * weight));
        }
        let solved = precision.cholesky().map_or_else(|| DVector::zeros(rank), |factor| factor.solve(&evidence));
        solved.iter().map(|score| *score as f32).collect()
    }
}

impl Piece {
    fn of(images: &Principal, grid: &Grid, place: usize, cut: &Array2<f32>) -> Self {
        let whole = |row: ArrayView1<f32>| grid.cut(&row.to_vec(), place);
        let (mean, axes) = (whole(images.mean.view()), rows(images.axes.outer_iter().map(whole)));
        let gram = axes.dot(&axes.t());
        let rank = axes.nrows();
        let gram = DMatrix::from_fn(rank, rank, |i, j| f64::from(gram[[i, j]]));
        let total = (cut - &ArrayView1::from(&mean)).iter().map(|v| v * v).sum::<f32>() / cut.len() as f32;
        let along: f32 = images.variances.iter().enumerate().map(|(i, v)| v * gram[(i, i)] as f32).sum();
        let rest = (total - along / cut.ncols() as f32).max(1e-4);
        Self { mean, axes: axes.reversed_axes(), gram, rest }
    }
}

/// Rows of equal length as a matrix.
pub fn rows(rows: impl Iterator<Item = Vec<f32>>) -> Array2<f32> {
    let rows: Vec<Vec<f32>> = rows.collect();
    let width = rows.first().map_or(0, Vec::len);
    Array2::from_shape_fn((rows.len(), width), |(i, j)| rows[i][j])
}

fn phantom(seed: u64, side: usize, channels: usize) -> Vec<f32> {
    let pixels = brain_phantom(seed, true, side).pixels;
    pixels.iter().map(|value| f32::from(*value) / 255.0).collect::<Vec<f32>>().repeat(channels)
}

/// Tiles of images from every place, each in another turn than the one before.
fn anywhere<'a>(grid: &Grid, images: impl IntoIterator<Item = &'a [f32]>) -> Principal {
    let tiles = images.into_iter().flat_map(|pixels| (0..grid.places()).map(move |place| grid.cut(pixels, place)));
    let turned = tiles.enumerate().map(|(index, tile)| Turn::ALL[index % Turn::ALL.len()].apply(grid.tile(), &tile));
    Principal::fit(&rows(turned), PLACE_RANK)
}

fn median(images: &[&[f32]]) -> Vec<f32> {
    let middle = |at: usize| {
        let mut values: Vec<f32> = images.iter().map(|image| image[at]).collect();
        *values.select_nth_unstable_by(images.len() / 2, f32::total_cmp).1
    };
    (0..images[0].len()).map(middle).collect()
}

/// Variance of a pixel, and mean square of the difference to the one on its right.
fn pixel_variances(images: &[&[f32]], side: usize) -> [f32; 2] {
    let matrix = rows(images.iter().map(|image| image.to_vec()));
    let mean = matrix.mean().unwrap_or_default();
    let steps = images.iter().flat_map(|image| image.chunks_exact(side)).flat_map(|row| row.windows(2));
    let (count, sum) = steps.fold((0.0, 0.0f64), |(n, sum), pair| (n + 1.0, sum + f64::from(pair[0] - pair[1]).powi(2)));
    let variance = matrix.map_axis(Axis(1), |row| row.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / row.len() as f32);
    [variance.mean().unwrap_or_default(), (sum / f64::max(count, 1.0)) as f32]
}
