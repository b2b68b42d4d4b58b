//! Images as rows of channels, one row for each place of a padded grid.
//!
//! To the right of every line of pixels lies one empty place, and below every image an empty line, so that each pixel's 3×3
//! neighbours lie at fixed distances: what is missing beyond the border is zero. Empty places are zero in every input of a
//! convolution and in every gradient.

use std::ops::Range;

/// The places of a few images of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Grid {
    /// Images.
    pub images: usize,
    /// Pixels in a column.
    pub height: usize,
    /// Pixels in a line.
    pub width: usize,
}

impl Grid {
    /// Places from one line to the next.
    pub fn pitch(self) -> usize {
        self.width + 1
    }

    /// All places, the empty ones too.
    pub fn places(self) -> usize {
        self.place(self.images, 0, 0)
    }

    /// The place of a pixel.
    pub fn place(self, image: usize, y: usize, x: usize) -> usize {
        (1 + image * (self.height + 1) + y) * self.pitch() + 1 + x
    }

    /// Every place from the first pixel to the last.
    pub fn span(self) -> Range<usize> {
        self.place(0, 0, 0)..self.places() - self.pitch() - 1
    }

    /// Places of an image from its first pixel to its last.
    pub fn image(self, image: usize) -> Range<usize> {
        self.place(image, 0, 0)..self.place(image, self.height - 1, self.width)
    }

    /// The grid of half the sides.
    pub fn coarser(self) -> Self {
        Self { images: self.images, height: self.height / 2, width: self.width / 2 }
    }

    /// The grid of a level of resolution, of which this is the finest.
    pub fn level(self, level: usize) -> Self {
        (0..level).fold(self, |grid, _| grid.coarser())
    }

    /// Image, line and place of the first pixel of each line.
    fn lines(self) -> impl Iterator<Item = (usize, usize, usize)> {
        (0..self.images * self.height).map(move |line| {
            let (image, y) = (line / self.height, line % self.height);
            (image, y, self.place(image, y, 0))
        })
    }

    /// Makes the rows of empty places zero.
    pub fn clear(self, rows: &mut [f32], channels: usize) {
        let mut end = 0;
        for (_, _, start) in self.lines() {
            rows[end * channels..start * channels].fill(0.0);
            end = start + self.width;
        }
        rows[end * channels..].fill(0.0);
    }
}

/// Calls `visit` with the place and channel of a row and the place in `images` of every value of CHW images; a block of
/// `fold`² pixels is one row, in the order of a pixel unshuffle: channel, line, column.
fn each_folded(grid: Grid, fold: usize, channels: usize, mut visit: impl FnMut(usize, usize)) {
    let (height, width) = (grid.height * fold, grid.width * fold);
    let folded = channels * fold * fold;
    for (image, y, start) in grid.lines() {
        for channel in 0..folded {
            let (plane, dy, dx) = (channel / (fold * fold), channel / fold % fold, channel % fold);
            let line = ((image * channels + plane) * height + y * fold + dy) * width + dx;
            for x in 0..grid.width {
                visit((start + x) * folded + channel, line + x * fold);
            }
        }
    }
}

/// Writes CHW images as rows.
pub fn fold(grid: Grid, fold: usize, channels: usize, images: &[f32], rows: &mut Vec<f32>) {
    rows.clear();
    rows.resize(grid.places() * channels * fold * fold, 0.0);
    each_folded(grid, fold, channels, |row, pixel| rows[row] = images[pixel]);
}

/// The inverse of [`fold`].
pub fn unfold(grid: Grid, fold: usize, channels: usize, rows: &[f32], images: &mut Vec<f32>) {
    images.resize(grid.images * grid.height * grid.width * channels * fold * fold, 0.0);
    each_folded(grid, fold, channels, |row, pixel| images[pixel] = rows[row]);
}

/// Calls `visit` with each row of a coarse grid and the four rows of the fine one that lie in it.
fn each_square(fine: Grid, channels: usize, mut visit: impl FnMut(Range<usize>, Range<usize>)) {
    let coarse = fine.coarser();
    for (image, y, start) in fine.lines() {
        let below = coarse.place(image, y / 2, 0);
        for x in 0..fine.width {
            let row = |place: usize| place * channels..(place + 1) * channels;
            visit(row(below + x / 2), row(start + x));
        }
    }
}

/// `coarse += scale ·` the sum of the four rows of `fine` that lie in each row: mean pooling, and the backward pass of
/// [`spread`].
pub fn gather(grid: Grid, channels: usize, scale: f32, fine: &[f32], coarse: &mut Vec<f32>) {
    coarse.clear();
    coarse.resize(grid.coarser().places() * channels, 0.0);
    each_square(grid, channels, |below, above| {
        coarse[below].iter_mut().zip(&fine[above]).for_each(|(sum, value)| *sum += scale * value);
    });
}

/// Each row of `fine` becomes `scale ·` the row of `coarse` in which it lies: nearest upsampling, and the backward pass of
/// [`gather`].
pub fn spread(grid: Grid, channels: usize, scale: f32, coarse: &[f32], fine: &mut Vec<f32>) {
    fine.clear();
    fine.resize(grid.places() * channels, 0.0);
    each_square(grid, channels, |below, above| {
        fine[above].iter_mut().zip(&coarse[below]).for_each(|(to, from)| *to = scale * from);
    });
}

/// Rows of `a` and of `b` side by side.
pub fn join([a_width, b_width]: [usize; 2], a: &[f32], b: &[f32], rows: &mut Vec<f32>) {
    rows.clear();
    for (a, b) in a.chunks_exact(a_width).zip(b.chunks_exact(b_width)) {
        rows.extend_from_slice(a);
        rows.extend_from_slice(b);
    }
}

/// The inverse of [`join`].
pub fn part([a_width, b_width]: [usize; 2], rows: &[f32], a: &mut Vec<f32>, b: &mut Vec<f32>) {
    a.clear();
    b.clear();
    for row in rows.chunks_exact(a_width + b_width) {
        a.extend_from_slice(&row[..a_width]);
        b.extend_from_slice(&row[a_width..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid { images: 2, height: 2, width: 4 };

    #[test]
    fn images_are_folded_in_the_order_of_a_pixel_unshuffle() {
        let images: Vec<f32> = (0..2 * 3 * 4 * 8).map(|v| v as f32).collect();
        let (mut rows, mut back) = (Vec::new(), Vec::new());
        fold(GRID, 2, 3, &images, &mut rows);
        let first = GRID.place(0, 0, 0) * 12;
        assert_eq!(rows[first..first + 6], [0.0, 1.0, 8.0, 9.0, 32.0, 33.0]);
        unfold(GRID, 2, 3, &rows, &mut back);
        assert_eq!(back, images);
    }

    #[test]
    fn every_neighbour_beyond_the_border_is_an_empty_place() {
        let mut rows = vec![1.0; GRID.places()];
        GRID.clear(&mut rows, 1);
        assert_eq!(rows.iter().sum::<f32>(), 16.0);
        let pitch = GRID.pitch();
        for (image, y, x) in [(0, 0, 0), (0, 1, 3), (1, 0, 0), (1, 1, 3)] {
            let at = GRID.place(image, y, x);
            let seen =
                [at - pitch - 1, at - pitch, at - pitch + 1, at - 1, at, at + 1, at + pitch - 1, at + pitch, at + pitch + 1];
            assert_eq!(seen.iter().map(|place| rows[*place]).sum::<f32>(), 4.0, "{image} {y} {x}");
        }
    }

    #[test]
    fn spreading_repeats_and_gathering_takes_the_mean() {
        let mut coarse = vec![0.0; GRID.coarser().places()];
        coarse[GRID.coarser().place(1, 0, 1)] = 3.0;
        let (mut fine, mut back) = (Vec::new(), Vec::new());
        spread(GRID, 1, 1.0, &coarse, &mut fine);
        assert_eq!((fine.iter().sum::<f32>(), fine[GRID.place(1, 1, 2)]), (12.0, 3.0));
        gather(GRID, 1, 0.25, &fine, &mut back);
        assert_eq!(back, coarse);
    }
}
