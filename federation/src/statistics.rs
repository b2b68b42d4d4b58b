//! What a site contributes to a closed-form head: counts, sums and second moments of quantised CLS tokens, all in integers.
//!
//! Integers add without rounding, so the sum over sites is exactly the statistic of the pooled images, whatever the order, and the
//! head that comes of it is the pooled head. A token is scaled down to a stated Euclidean norm first: that bounds what one image can
//! do to the sum, which is what differential privacy needs ([`crate::privacy`]).
//!
//! Layout of the values for `c` classes and tokens of width `d`: `c` counts ‖ `c × d` sums, by class ‖ `d (d + 1) / 2` second moments
//! over all classes, the upper triangle by rows. Heads need no second moments by class: within-class scatter is the total less
//! `Σ sums sumsᵀ / count`.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::FederationError;

/// Most classes, as in a model pack.
pub const MAX_CLASSES: usize = 64;
/// Widest token, as in a model pack.
pub const MAX_DIM: usize = 2048;
/// Largest absolute value of a quantised token.
pub const TOKEN_LIMIT: i16 = 255;
/// Largest absolute value that a site's statistics may reach: half of what [`he::aggregation::SUM_2048_Q52`] sums. Noise has the other half.
pub const VALUE_LIMIT: i64 = 1 << 34;

/// Shape of the statistics: who contributes must agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    classes: usize,
    dim: usize,
    clip_norm: u32,
}

impl Shape {
    /// `classes` classes, tokens of `dim` integers, scaled down to the Euclidean norm `clip_norm` (in quantised steps).
    ///
    /// # Errors
    /// [`FederationError::BadShape`] for sizes out of range or a norm of zero.
    pub fn new(classes: usize, dim: usize, clip_norm: u32) -> Result<Self, FederationError> {
        let refuse = |reason: String| Err(FederationError::BadShape { reason });
        if !(2..=MAX_CLASSES).contains(&classes) {
            return refuse(format!("{classes} classes are outside 2..={MAX_CLASSES}"));
        }
        if !(1..=MAX_DIM).contains(&dim) {
            return refuse(format!("a width of {dim} is outside 1..={MAX_DIM}"));
        }
        // A longer norm than the longest token's clips nothing, and 2^16 squared still fits every sum below.
        if !(1..=1 << 16).contains(&clip_norm) {
            return refuse(format!("a clip norm of {clip_norm} is outside 1..=65536"));
        }
        Ok(Self { classes, dim, clip_norm })
    }

    /// Number of classes.
    pub const fn classes(&self) -> usize {
        self.classes
    }

    /// Width of a token.
    pub const fn dim(&self) -> usize {
        self.dim
    }

    /// Largest Euclidean norm of a token, in quantised steps.
    pub const fn clip_norm(&self) -> u32 {
        self.clip_norm
    }

    /// Number of values of a contribution.
    pub const fn length(&self) -> usize {
        self.classes + self.classes * self.dim + self.dim * (self.dim + 1) / 2
    }

    /// Most images of one site, so that no value exceeds [`VALUE_LIMIT`]: a product of two entries is at most min(255, norm)².
    pub fn max_images(&self) -> i64 {
        let entry = i64::from(self.clip_norm).min(i64::from(TOKEN_LIMIT));
        VALUE_LIMIT / (entry * entry)
    }
}

/// Exact statistics of labelled tokens. Before they are summed over sites they belong to one site: no `Debug`, wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Statistics {
    #[zeroize(skip)]
    shape: Shape,
    values: Vec<i64>,
}

impl Statistics {
    /// Statistics of no image.
    pub fn new(shape: Shape) -> Self {
        Self { shape, values: vec![0; shape.length()] }
    }

    /// Adds one image: its class and its token, integers `[dim]` within ±255, which is scaled down to the clip norm.
    ///
    /// # Errors
    /// [`FederationError::BadToken`] for another width or range, or a class that is none; [`FederationError::TooManyImages`] where one
    /// more could leave the range of the sum.
    pub fn add(&mut self, class: usize, token: &[i16]) -> Result<(), FederationError> {
        let Shape { classes, dim, .. } = self.shape;
        if class >= classes || token.len() != dim {
            let reason = format!("class {class} of {classes} with {} of {dim} values", token.len());
            return Err(FederationError::BadToken { reason });
        }
        if token.iter().any(|value| value.unsigned_abs() > TOKEN_LIMIT.unsigned_abs()) {
            return Err(FederationError::BadToken { reason: format!("a value is outside ±{TOKEN_LIMIT}") });
        }
        let limit = self.shape.max_images();
        if self.counts().iter().sum::<i64>() >= limit {
            return Err(FederationError::TooManyImages { limit });
        }
        let token = clip(token, self.shape.clip_norm);
        self.values[class] += 1;
        let sums = &mut self.values[classes + class * dim..][..dim];
        sums.iter_mut().zip(&token).for_each(|(sum, x)| *sum += x);
        let mut moments = &mut self.values[classes + classes * dim..];
        for (i, x) in token.iter().enumerate() {
            let (row, rest) = moments.split_at_mut(dim - i);
            row.iter_mut().zip(&token[i..]).for_each(|(moment, y)| *moment += x * y);
            moments = rest;
        }
        Ok(())
    }

    /// The values as they are contributed; see the layout above.
    pub fn to_values(&self) -> Vec<i64> {
        self.values.clone()
    }

    /// Statistics from values, for example of an opened sum.
    ///
    /// # Errors
    /// [`FederationError::WrongLength`] where they are not [`Shape::length`] many.
    pub fn from_values(shape: Shape, values: Vec<i64>) -> Result<Self, FederationError> {
        if values.len() != shape.length() {
            return Err(FederationError::WrongLength { found: values.len(), expected: shape.length() });
        }
        Ok(Self { shape, values })
    }

    /// Adds the statistics of others: what the aggregation computes without seeing either.
    ///
    /// # Errors
    /// [`FederationError::BadShape`] where the shapes differ.
    pub fn merge(&mut self, other: &Self) -> Result<(), FederationError> {
        if self.shape != other.shape {
            return Err(FederationError::BadShape { reason: "statistics of different shapes do not add".into() });
        }
        // Sums of up to 63 sites stay below 2^42.
        self.values.iter_mut().zip(&other.values).for_each(|(a, b)| *a = a.saturating_add(*b));
        Ok(())
    }

    /// Adds `amount` to every diagonal second moment: opened statistics that carry noise need it to be positive definite.
    pub fn raise_diagonal(&mut self, amount: i64) {
        for i in 0..self.shape.dim {
            let at = self.moment_index(i, i);
            self.values[at] = self.values[at].saturating_add(amount);
        }
    }

    /// The shape.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Images of each class `[classes]`.
    pub fn counts(&self) -> &[i64] {
        &self.values[..self.shape.classes]
    }

    /// Sum of the tokens of a class `[dim]`.
    pub fn sums(&self, class: usize) -> &[i64] {
        &self.values[self.shape.classes + class * self.shape.dim..][..self.shape.dim]
    }

    /// Sum over all images of the product of entries `i` and `j`.
    pub fn moment(&self, i: usize, j: usize) -> i64 {
        self.values[self.moment_index(i.min(j), i.max(j))]
    }

    /// Place of the second moment of `i <= j`.
    const fn moment_index(&self, i: usize, j: usize) -> usize {
        let Shape { classes, dim, .. } = self.shape;
        // Rows 0..i of the triangle hold d + (d − 1) + … values.
        classes + classes * dim + i * dim - i * (i + 1) / 2 + j
    }
}

/// The token scaled down to the norm `clip_norm` where it is longer. Entries are cut towards zero and the norm is rounded up, all in
/// integers: the result is never longer than `clip_norm`, and the same on every machine.
pub fn clip(token: &[i16], clip_norm: u32) -> Vec<i64> {
    let squares: u64 = token.iter().map(|x| u64::from(x.unsigned_abs()).pow(2)).sum();
    let clip = i64::from(clip_norm);
    if squares <= u64::from(clip_norm).pow(2) {
        return token.iter().map(|x| i64::from(*x)).collect();
    }
    let floor = squares.isqrt();
    let norm = if floor * floor == squares { floor } else { floor + 1 };
    token.iter().map(|x| i64::from(*x) * clip / norm as i64).collect()
}
