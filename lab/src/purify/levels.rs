//! From the detector's score to a noise level: none below the threshold, rising with suspicion.

/// How well each level answers images of one range of scores.
#[derive(Clone, Debug)]
pub struct Bin {
    /// Lowest score of the range.
    pub from_score: f32,
    /// Right answers at each level of the ladder.
    pub right: Vec<f64>,
}

/// For each bin the place in the ladder: the most right answers over all bins that a map which never falls can reach. Of equal maps
/// the one with the lower levels, which redraw less of the image.
pub fn rising(bins: &[Bin]) -> Vec<usize> {
    let levels = bins.first().map_or(0, |bin| bin.right.len());
    // best[b][l]: of the bins up to b, where bin b takes at most level l; with the level that it takes.
    let mut best: Vec<Vec<(f64, usize)>> = Vec::with_capacity(bins.len());
    for bin in bins {
        let before = |level: usize| best.last().map_or(0.0, |row: &Vec<(f64, usize)>| row[level].0);
        let mut row: Vec<(f64, usize)> = Vec::with_capacity(levels);
        for (level, right) in bin.right.iter().enumerate() {
            let here = (before(level) + right, level);
            row.push(row.last().copied().filter(|lower| lower.0 >= here.0).unwrap_or(here));
        }
        best.push(row);
    }
    let mut most = levels.saturating_sub(1);
    let mut chosen: Vec<usize> = Vec::with_capacity(bins.len());
    for row in best.iter().rev().filter(|row| !row.is_empty()) {
        most = row[most].1;
        chosen.push(most);
    }
    chosen.reverse();
    chosen
}

/// Lowest scores of `count` ranges that hold equally many of `scores`; the first begins at `threshold`, equal ranges are joined.
pub fn ranges(scores: &[f32], threshold: f32, count: usize) -> Vec<f32> {
    let mut flagged: Vec<f32> = scores.iter().copied().filter(|score| *score >= threshold).collect();
    flagged.sort_by(f32::total_cmp);
    let inner = (1..count).filter_map(|i| flagged.get(i * flagged.len() / count).copied());
    let mut all: Vec<f32> = std::iter::once(threshold).chain(inner).collect();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(right: &[[f64; 3]]) -> Vec<Bin> {
        right.iter().enumerate().map(|(i, r)| Bin { from_score: i as f32, right: r.to_vec() }).collect()
    }

    #[test]
    fn every_bin_takes_its_best_level_where_these_rise() {
        assert_eq!(rising(&bins(&[[5.0, 4.0, 1.0], [2.0, 5.0, 4.0], [0.0, 1.0, 5.0]])), [0, 1, 2]);
    }

    #[test]
    fn a_fall_is_levelled_where_it_costs_least() {
        // Alone the bins would take 2, 0; together 0, 0 has 13 right, 2, 2 has 12, 0, 2 has 9.
        assert_eq!(rising(&bins(&[[5.0, 4.0, 8.0], [8.0, 3.0, 4.0]])), [0, 0]);
    }

    #[test]
    fn of_equal_levels_the_lowest_is_taken() {
        assert_eq!(rising(&bins(&[[3.0, 3.0, 3.0], [1.0, 2.0, 2.0]])), [0, 1]);
        assert!(rising(&[]).is_empty());
    }

    #[test]
    fn ranges_begin_at_the_threshold_and_hold_equally_many_flagged_scores() {
        let scores: Vec<f32> = (0..20).map(|i| i as f32 / 10.0).collect();
        assert_eq!(ranges(&scores, 1.0, 2), [1.0, 1.5]);
        assert_eq!(ranges(&[0.1, 2.0, 2.0, 2.0, 2.0], 2.0, 4), [2.0]);
        assert_eq!(ranges(&[], 2.0, 4), [2.0]);
    }
}
