//! Packed Shamir sharing of a key, and a blinded check that all shares lie on polynomials of the right degree.
//!
//! A polynomial of degree below t = f + k carries k key coefficients at the points n+1 … n+k and is otherwise random: f shares tell
//! nothing about them (Franklin and Yung, STOC 1992). f of the shares are the random part, so a 16-byte seed stands for each of those.

use zeroize::Zeroizing;

use super::field::{PRIME, add, derive_lagrange, dot, from_signed, to_signed};
use super::parameters::{DIMENSION, Rules};
use crate::HeError;
use crate::parameters::SEED_BYTES;
use crate::randomness::{derive_mask, make_seed};

/// Random combinations that are checked: a share off its polynomial passes with probability 509^-8 = 2^-71.9.
pub(crate) const CHECKS: usize = 8;

/// One member's share of one key: a value of each key polynomial, then of each blinding polynomial.
pub(crate) type Share = Zeroizing<Vec<u16>>;

/// What is sent to a member: a seed that expands to its share, or the share itself.
pub(crate) enum Dealt {
    Seed(Zeroizing<[u8; SEED_BYTES]>),
    Share(Share),
}

/// Whether `member` gets a seed from `dealer`: the `collusion` members that follow it in the roster do.
pub(crate) fn is_seeded(rules: &Rules, dealer: u16, member: u16) -> bool {
    let distance = (member + rules.sites() - dealer) % rules.sites();
    (1..=rules.collusion()).contains(&distance)
}

/// The share that a seed stands for.
pub(crate) fn derive_share(rules: &Rules, seed: &[u8; SEED_BYTES]) -> Share {
    Zeroizing::new(derive_elements(seed, rules.share_length()))
}

/// Shares a key among all members; the shares come in the order of the roster.
pub(crate) fn make_shares(rules: &Rules, dealer: u16, key: &[i16]) -> Result<Vec<Dealt>, HeError> {
    let seeded: Vec<u16> = (0..rules.sites()).filter(|&member| is_seeded(rules, dealer, member)).collect();
    let seeds: Vec<_> = seeded.iter().map(|_| make_seed().map(Zeroizing::new)).collect::<Result<_, _>>()?;
    let mut nodes: Vec<u16> = seeded.iter().map(|&member| point(member)).collect();
    nodes.extend(secret_points(rules));
    let random: Vec<Share> = seeds.iter().map(|seed| derive_share(rules, seed)).collect();
    let secrets = make_secrets(rules, key)?;

    let mut seeds = seeds.into_iter();
    let mut dealt = Vec::with_capacity(usize::from(rules.sites()));
    for member in 0..rules.sites() {
        if seeded.contains(&member)
            && let Some(seed) = seeds.next()
        {
            dealt.push(Dealt::Seed(seed));
            continue;
        }
        let lagrange = derive_lagrange(&nodes, point(member));
        let value = |row: usize| {
            let at_nodes = random.iter().map(|share| share[row]).chain(secrets.iter().map(|column| column[row]));
            dot(lagrange.iter().copied(), at_nodes)
        };
        dealt.push(Dealt::Share(Zeroizing::new((0..rules.share_length()).map(value).collect())));
    }
    Ok(dealt)
}

/// The values at each secret point: key coefficients, then random blinding. The roster's order does not matter here.
fn make_secrets(rules: &Rules, key: &[i16]) -> Result<Vec<Share>, HeError> {
    let columns = (0..rules.packing()).map(|column| {
        let coefficient = |row: usize| key.get(row * rules.packing() + column).map_or(0, |&x| from_signed(x));
        let blinding = Zeroizing::new(derive_elements(&Zeroizing::new(make_seed()?), CHECKS));
        Ok(Zeroizing::new((0..rules.rows()).map(coefficient).chain(blinding.iter().copied()).collect()))
    });
    columns.collect()
}

/// The random combinations that every member publishes of each of its shares, drawn from a digest of the set.
pub(crate) struct Challenge(Vec<Vec<u16>>);

impl Challenge {
    pub fn derive(rules: &Rules, seed: &[u8; SEED_BYTES]) -> Self {
        let elements = derive_elements(seed, CHECKS * rules.rows());
        Self(elements.chunks(rules.rows()).map(<[u16]>::to_vec).collect())
    }

    /// Each combination of a share's key values, blinded by one of its blinding values.
    pub fn derive_checks(&self, share: &[u16]) -> [u16; CHECKS] {
        let (values, blinding) = share.split_at(share.len() - CHECKS);
        std::array::from_fn(|i| add(dot_rows(&self.0[i], values), blinding[i]))
    }
}

fn dot_rows(challenge: &[u16], values: &[u16]) -> u16 {
    // 2^14 products fit the accumulator of `dot`, and a share has at most 2,048 values.
    dot(challenge.iter().copied(), values.iter().copied())
}

/// Values of one or more polynomials at some members' points.
pub(crate) struct Word<'a> {
    /// (member, values), one value a polynomial.
    pub points: Vec<(u16, &'a [u16])>,
}

impl Word<'_> {
    /// Whether all values lie on polynomials of degree below the threshold. With no more points than that they always do.
    pub fn is_consistent(&self, rules: &Rules) -> bool {
        let threshold = usize::from(rules.threshold());
        let (base, rest) = self.points.split_at(threshold.min(self.points.len()));
        let nodes: Vec<u16> = base.iter().map(|(member, _)| point(*member)).collect();
        rest.iter().all(|(member, values)| {
            let lagrange = derive_lagrange(&nodes, point(*member));
            (0..values.len()).all(|row| dot(lagrange.iter().copied(), base.iter().map(|(_, base)| base[row])) == values[row])
        })
    }

    /// The one or two members without whom the rest is consistent, with at least one point to spare. Empty if it cannot be told.
    pub fn outliers(&self, rules: &Rules) -> Vec<u16> {
        let members: Vec<u16> = self.points.iter().map(|(member, _)| *member).collect();
        let singles = members.iter().map(|&a| vec![a]);
        let pairs = members.iter().enumerate().flat_map(|(i, &a)| members[i + 1..].iter().map(move |&b| vec![a, b]));
        for left_out in singles.chain(pairs) {
            let rest = self.without(&left_out);
            // With e errors, t + 2e points determine the polynomials.
            if rest.points.len() < usize::from(rules.threshold()) + left_out.len() {
                break;
            }
            if rest.is_consistent(rules) {
                return left_out;
            }
        }
        Vec::new()
    }

    pub fn without(&self, members: &[u16]) -> Word<'_> {
        Word { points: self.points.iter().filter(|(member, _)| !members.contains(member)).copied().collect() }
    }

    /// The key (or sum of keys) that the first `threshold` points carry. There must be as many.
    pub fn derive_key(&self, rules: &Rules) -> Zeroizing<Vec<i16>> {
        let base = &self.points[..usize::from(rules.threshold())];
        let nodes: Vec<u16> = base.iter().map(|(member, _)| point(*member)).collect();
        let lagrange: Vec<Vec<u16>> = secret_points(rules).map(|x| derive_lagrange(&nodes, x)).collect();
        let coefficient = |i: usize| {
            let (row, column) = (i / rules.packing(), i % rules.packing());
            to_signed(dot(lagrange[column].iter().copied(), base.iter().map(|(_, values)| values[row])))
        };
        Zeroizing::new((0..DIMENSION).map(coefficient).collect())
    }
}

/// The point at which a member's polynomial values are taken.
fn point(member: u16) -> u16 {
    member + 1
}

fn secret_points(rules: &Rules) -> impl Iterator<Item = u16> {
    let first = rules.sites() + 1;
    first..first + (rules.threshold() - rules.collusion())
}

/// Uniform field elements from a seed: seven nine-bit candidates a word, those from 509 on rejected.
fn derive_elements(seed: &[u8; SEED_BYTES], count: usize) -> Vec<u16> {
    let mut elements = Vec::with_capacity(count);
    // 3 of 512 candidates are rejected, so 8 % more words than needed and a few to spare are plenty; if not, take more.
    let mut words = count / 6 + 16;
    loop {
        let stream = Zeroizing::new(derive_mask(seed, words));
        let candidates = stream.iter().flat_map(|word| (0..7).map(move |i| (word >> (9 * i) & 511) as u16));
        elements.extend(candidates.filter(|&x| u32::from(x) < PRIME).take(count));
        if elements.len() == count {
            return elements;
        }
        elements.clear();
        words *= 2;
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn deal(rules: &Rules, dealer: u16, key: &[i16]) -> Vec<Share> {
        let expand = |dealt| match dealt {
            Dealt::Seed(seed) => derive_share(rules, &seed),
            Dealt::Share(share) => share,
        };
        make_shares(rules, dealer, key).unwrap().into_iter().map(expand).collect()
    }

    fn word(shares: &[Share]) -> Word<'_> {
        Word { points: (0..).zip(shares).map(|(member, share)| (member, &share[..])).collect() }
    }

    #[test]
    fn any_threshold_shares_give_the_key() {
        let key: Vec<i16> = (0..2048).map(|i| i % 9 - 4).collect();
        for rules in [Rules::recommended(3), Rules::recommended(10), Rules::new(7, 5, 2, 4), Rules::recommended(50)] {
            let rules = rules.unwrap();
            let shares = deal(&rules, 1, &key);
            let all = word(&shares);
            assert!(all.is_consistent(&rules));
            assert!(*all.derive_key(&rules) == key);
            let late: Vec<u16> = (0..rules.sites() - rules.threshold()).collect();
            assert!(*all.without(&late).derive_key(&rules) == key);
        }
    }

    #[test]
    fn blinded_checks_lie_on_a_polynomial_and_a_bad_share_does_not() {
        let rules = Rules::new(9, 6, 2, 4).unwrap();
        let mut shares = deal(&rules, 4, &[1; 2048]);
        let challenge = Challenge::derive(&rules, &[9; 16]);
        let checks = |shares: &[Share]| shares.iter().map(|share| challenge.derive_checks(share)).collect::<Vec<_>>();
        let honest = checks(&shares);
        let on = |checks: &[[u16; CHECKS]]| {
            let word = Word { points: (0..).zip(checks).map(|(member, values)| (member, &values[..])).collect() };
            (word.is_consistent(&rules), word.outliers(&rules))
        };
        assert!(on(&honest).0);
        shares[5][100] = add(shares[5][100], 1);
        assert_eq!(on(&checks(&shares)), (false, vec![5]));
        shares[2][0] = add(shares[2][0], 7);
        assert!(!on(&checks(&shares)).0);
    }

    /// What one member of a consortium with f = 1 sees of a constant key, with and without the seed's help.
    #[test]
    fn a_single_share_is_uniform_whatever_the_key() {
        let rules = Rules::recommended(3).unwrap();
        for member in 0..3 {
            let mut counts = [0u32; 509];
            for _ in 0..100 {
                deal(&rules, 0, &[4; 2048])[member][..2048].iter().for_each(|&x| counts[usize::from(x)] += 1);
            }
            assert_uniform(&counts);
        }
    }

    #[test]
    fn elements_are_uniform() {
        let elements = derive_elements(&[5; 16], 509 * 400);
        let mut counts = [0u32; 509];
        elements.iter().for_each(|&x| counts[usize::from(x)] += 1);
        assert_uniform(&counts);
    }

    fn assert_uniform(counts: &[u32; 509]) {
        let expected = f64::from(counts.iter().sum::<u32>()) / 509.0;
        let chi2: f64 = counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
        // 508 degrees of freedom: mean 508, standard deviation 32.
        assert!((chi2 - 508.0).abs() < 6.0 * 32.0, "{chi2}");
    }
}
