//! Where the tiles of an image lie, how they are cut out and how they are put together again.

use crate::PurifyError;

/// Square tiles over a square image, in equal steps and centred: border tiles reach over the edge, where the image is mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    image: usize,
    tile: usize,
    stride: usize,
    across: usize,
}

impl Grid {
    /// A grid over an image of `image` pixels a side: tiles of `tile` pixels a side, one every `stride` pixels.
    ///
    /// # Errors
    /// [`PurifyError::BadGrid`] unless `tile / 2 <= stride <= tile <= image`: only neighbours overlap.
    pub fn new(image: usize, tile: usize, stride: usize) -> Result<Self, PurifyError> {
        if stride == 0 || stride > tile || tile > 2 * stride || tile > image {
            return Err(PurifyError::BadGrid { image, tile, stride });
        }
        let across = (image - tile).div_ceil(stride) + 1;
        Ok(Self { image, tile, stride, across })
    }

    /// Side of the image in pixels.
    pub fn image(&self) -> usize {
        self.image
    }

    /// Side of a tile in pixels.
    pub fn tile(&self) -> usize {
        self.tile
    }

    /// Tiles along one side.
    pub fn across(&self) -> usize {
        self.across
    }

    /// Number of tiles. Places are numbered row by row.
    pub fn places(&self) -> usize {
        self.across * self.across
    }

    /// Row and column of a place among the tiles.
    pub fn row_and_column(&self, place: usize) -> [usize; 2] {
        [place / self.across, place % self.across]
    }

    /// A place and those that share an edge or a corner with it.
    pub fn around(&self, place: usize) -> impl Iterator<Item = usize> {
        let near = |index: usize| index.saturating_sub(1)..(index + 2).min(self.across);
        let (across, [rows, columns]) = (self.across, self.row_and_column(place).map(near));
        rows.flat_map(move |row| columns.clone().map(move |column| row * across + column))
    }

    /// The tile `[C, tile, tile]` at a place of an image `[C, image, image]`.
    pub fn cut(&self, pixels: &[f32], place: usize) -> Vec<f32> {
        let [rows, columns] = self.row_and_column(place).map(|index| self.span(index));
        let mut tile = Vec::with_capacity(pixels.len() / (self.image * self.image) * self.tile * self.tile);
        for channel in pixels.chunks_exact(self.image * self.image) {
            for row in rows.clone() {
                let row = self.mirror(row) * self.image;
                tile.extend(columns.clone().map(|column| channel[row + self.mirror(column)]));
            }
        }
        tile
    }

    /// The image `[C, image, image]` of the tiles `[C, tile, tile]` of all places: in the overlaps one fades into the next.
    pub fn blend<'a>(&self, channels: usize, tiles: impl IntoIterator<Item = &'a [f32]>) -> Vec<f32> {
        let mut image = vec![0.0; channels * self.image * self.image];
        for (place, tile) in tiles.into_iter().enumerate() {
            let weights = self.row_and_column(place).map(|index| self.weights(index));
            self.add(&mut image, tile, place, &weights);
        }
        image
    }

    fn add(&self, image: &mut [f32], tile: &[f32], place: usize, weights: &[Vec<f32>; 2]) {
        for (channel, tile) in image.chunks_exact_mut(self.image * self.image).zip(tile.chunks_exact(self.tile * self.tile)) {
            for (pixel, at) in self.inside(place) {
                let (row, column) = (at / self.tile, at % self.tile);
                channel[pixel] += weights[0][row] * weights[1][column] * tile[at];
            }
        }
    }

    /// The part of the image's area, 0 to 1, that tiles show together, overlaps included once.
    pub fn share(&self, places: impl IntoIterator<Item = usize>) -> f64 {
        let mut seen = vec![false; self.image * self.image];
        for place in places {
            self.inside(place).for_each(|(pixel, _)| seen[pixel] = true);
        }
        seen.iter().filter(|seen| **seen).count() as f64 / seen.len() as f64
    }

    /// The pixels of a tile that lie in the image: index in the image, index in the tile.
    fn inside(&self, place: usize) -> impl Iterator<Item = (usize, usize)> {
        let Self { image, tile, .. } = *self;
        let [rows, columns] = self.row_and_column(place).map(|index| self.span(index));
        let is_inside = move |at: &(usize, isize)| (0..image as isize).contains(&at.1);
        rows.enumerate().filter(is_inside).flat_map(move |(y, row)| {
            let columns = columns.clone().enumerate().filter(is_inside);
            columns.map(move |(x, column)| (row as usize * image + column as usize, y * tile + x))
        })
    }

    /// The image's rows, or columns, that the tiles of one index cover; some may lie beyond the image.
    fn span(&self, index: usize) -> std::ops::Range<isize> {
        let overhang = (self.across - 1) * self.stride + self.tile - self.image;
        let start = (index * self.stride) as isize - (overhang / 2) as isize;
        start..start + self.tile as isize
    }

    fn mirror(&self, at: isize) -> usize {
        let last = self.image as isize - 1;
        (last - (last - at.abs()).abs()) as usize
    }

    /// Weight of each row, or column, of the tiles of one index: a ramp where a neighbour overlaps, so that the sum is 1 everywhere.
    fn weights(&self, index: usize) -> Vec<f32> {
        let ramp = (self.tile - self.stride + 1) as f32;
        let (first, last) = (index == 0, index + 1 == self.across);
        let rise = |at: usize| if first { 1.0 } else { ((at + 1) as f32 / ramp).min(1.0) };
        let fall = |at: usize| if last { 1.0 } else { ((self.tile - at) as f32 / ramp).min(1.0) };
        (0..self.tile).map(|at| rise(at).min(fall(at))).collect()
    }
}
