//! Reading how many tests passed from the output of test runners.

use std::ops::AddAssign;

/// Passed, failed and skipped tests.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub passed: u32,
    pub failed: u32,
    pub skipped: u32,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Counts {
    /// One check that is no test runner.
    pub fn check(passed: bool) -> Self {
        Self { passed: passed.into(), failed: (!passed).into(), skipped: 0 }
    }

    /// Sums the closing lines of libtest (`test result: ok. 3 passed; 0 failed; 1 ignored`) and of Node's runner (`# pass 3`).
    ///
    /// A test that finds its data missing prints a line `skipped: reason`, and is counted as skipped instead of passed.
    pub fn read(output: &str) -> Self {
        let mut counts = Self::default();
        let mut excused = 0;
        for line in output.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("test result:") {
                counts.passed += number_before(rest, " passed");
                counts.failed += number_before(rest, " failed");
                counts.skipped += number_before(rest, " ignored");
            } else if let Some((word, number)) = node_line(line) {
                match word {
                    "pass" => counts.passed += number,
                    "fail" => counts.failed += number,
                    "skipped" => counts.skipped += number,
                    _ => {}
                }
            } else if line.starts_with("skipped: ") {
                excused += 1;
            }
        }
        let excused = excused.min(counts.passed);
        counts.passed -= excused;
        counts.skipped += excused;
        counts
    }
}

fn number_before(text: &str, word: &str) -> u32 {
    let before = text.find(word).map_or("", |end| &text[..end]);
    before.rsplit(|letter: char| !letter.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn node_line(line: &str) -> Option<(&str, u32)> {
    let rest = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ "))?;
    let (word, number) = rest.split_once(' ')?;
    Some((word, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_and_node_lines_are_summed() {
        let output = "running 3 tests\ntest result: ok. 3 passed; 1 failed; 2 ignored; 0 measured\n# tests 5\n# pass 4\n# fail 1\n# skipped 0\nℹ pass 2\n";
        assert_eq!(Counts::read(output), Counts { passed: 9, failed: 2, skipped: 2 });
    }

    #[test]
    fn a_test_without_its_data_is_not_counted_as_passed() {
        let output = "skipped: no data\ntest result: ok. 2 passed; 0 failed; 0 ignored;\n";
        assert_eq!(Counts::read(output), Counts { passed: 1, failed: 0, skipped: 1 });
    }
}
