//! From images to statistics: each one is encoded here and added to the sums, or kept with the hold-out.

use federation::api::Consortium;
use federation::statistics::{Shape, Statistics};

use super::record::{Data, HeldOut};
use crate::encoder::Encoder;
use crate::error::ClientError;

/// Statistics in the making.
pub struct Draft {
    statistics: Statistics,
    held_out: Vec<HeldOut>,
    clipped: usize,
}

impl Draft {
    /// Statistics of no image, for the classes of this consortium in the encoder's width.
    ///
    /// # Errors
    /// `refused` where the model has other classes than the consortium.
    pub fn new(consortium: &Consortium, encoder: &Encoder) -> Result<Self, ClientError> {
        if !encoder.card.classes.iter().map(|class| &class.id).eq(&consortium.classes) {
            return Err(ClientError::refused("the model has other classes than the consortium; tell its administrator"));
        }
        let shape = Shape::new(consortium.classes.len(), encoder.card.cls.dim, consortium.clip_norm)?;
        Ok(Self { statistics: Statistics::new(shape), held_out: Vec::new(), clipped: 0 })
    }

    /// Adds one image by its quantised token `[dim]`.
    ///
    /// # Errors
    /// `refused` for a class that is none, or one image too many.
    pub fn add(&mut self, class: usize, token: Vec<i16>, held_out: bool) -> Result<(), ClientError> {
        if held_out {
            self.held_out.push(HeldOut { class, token });
            return Ok(());
        }
        self.statistics.add(class, &token)?;
        let squares: u64 = token.iter().map(|value| u64::from(value.unsigned_abs()).pow(2)).sum();
        self.clipped += usize::from(squares > u64::from(self.statistics.shape().clip_norm()).pow(2));
        Ok(())
    }

    /// The finished statistics. What earlier ones have cost in privacy stays on the account.
    pub fn finish(self, labels: Vec<String>, before: Option<&Data>) -> Data {
        let shape = self.statistics.shape();
        Data {
            shape: [shape.classes(), shape.dim(), shape.clip_norm() as usize],
            labels,
            values: self.statistics.to_values(),
            clipped: self.clipped,
            held_out: self.held_out,
            made: Vec::new(),
            spent: before.map(|data| data.spent.clone()).unwrap_or_default(),
            evaluation: None,
        }
    }
}
