//! The hash by which GitHub's code scanning knows a line again: `primaryLocationLineHash`.
//!
//! `upload-sarif` computes it from the file where a result lacks it, and warns where a result has another one. So it is
//! theirs to the letter: a rolling hash, modulo 2⁶⁴ and with 37 as its base, over a line's first hundred UTF-16 units and
//! those behind it, without blanks and with every line end as a line feed; then how often that hash has been seen in the
//! file. Source: `src/fingerprints.ts` of github/codeql-action.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many units a line's hash is made of.
const WINDOW: usize = 100;
const BASE: u64 = 37;
/// What stands behind the last unit of a file.
const END: u16 = u16::MAX;

/// The hashes of these lines (from 1) of a file that a byte order mark may begin.
#[must_use]
pub fn of_lines(text: &str, wanted: &BTreeSet<u32>) -> BTreeMap<u32, String> {
    let mut rolling = Rolling::new(wanted);
    for unit in text.encode_utf16() {
        rolling.read(unit);
    }
    rolling.read(END);
    rolling.finish()
}

struct Rolling<'w> {
    wanted: &'w BTreeSet<u32>,
    /// The last units, and for those that begin a line its number.
    window: [(u16, Option<u32>); WINDOW],
    /// The oldest of them.
    next: usize,
    /// `BASE` to the power of `WINDOW`: the weight of a unit that leaves.
    leaving: u64,
    hash: u64,
    line: u32,
    begins_line: bool,
    is_behind_return: bool,
    seen: HashMap<u64, usize>,
    found: BTreeMap<u32, String>,
}

impl<'w> Rolling<'w> {
    fn new(wanted: &'w BTreeSet<u32>) -> Self {
        Self {
            wanted,
            window: [(0, None); WINDOW],
            next: 0,
            leaving: (0..WINDOW).fold(1, |power: u64, _| power.wrapping_mul(BASE)),
            hash: 0,
            line: 0,
            begins_line: true,
            is_behind_return: false,
            seen: HashMap::new(),
            found: BTreeMap::new(),
        }
    }

    fn read(&mut self, unit: u16) {
        const BLANKS: [u16; 2] = [b' ' as u16, b'\t' as u16];
        const FEED: u16 = b'\n' as u16;
        const RETURN: u16 = b'\r' as u16;
        if BLANKS.contains(&unit) || (self.is_behind_return && unit == FEED) {
            self.is_behind_return = false;
            return;
        }
        self.is_behind_return = unit == RETURN;
        let unit = if unit == RETURN { FEED } else { unit };
        let mut begun = None;
        if std::mem::replace(&mut self.begins_line, unit == FEED) {
            self.line += 1;
            begun = Some(self.line);
        }
        self.shift(unit, begun);
    }

    /// A line's hash is known when its first unit is about to leave.
    fn shift(&mut self, unit: u16, begun: Option<u32>) {
        let Some(oldest) = self.window.get_mut(self.next) else {
            return;
        };
        let (gone, line) = std::mem::replace(oldest, (unit, begun));
        if let Some(line) = line {
            let count = self.seen.entry(self.hash).or_default();
            *count += 1;
            if self.wanted.contains(&line) {
                self.found.insert(line, format!("{:x}:{count}", self.hash));
            }
        }
        self.hash = BASE
            .wrapping_mul(self.hash)
            .wrapping_add(u64::from(unit))
            .wrapping_sub(self.leaving.wrapping_mul(u64::from(gone)));
        self.next = (self.next + 1) % WINDOW;
    }

    fn finish(mut self) -> BTreeMap<u32, String> {
        for _ in 0..WINDOW {
            self.shift(0, None);
        }
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(text: &str) -> Vec<String> {
        of_lines(text, &(1..=20).collect()).into_values().collect()
    }

    /// Those of `src/fingerprints.test.ts`.
    #[test]
    fn the_hashes_are_those_of_upload_sarif() {
        assert_eq!(hashes(""), ["c129715d7a2bc9a3:1"]);
        assert_eq!(
            hashes(" a\nb\n  \t\tc\n d"),
            [
                "271789c17abda88f:1",
                "54703d4cd895b18:1",
                "180aee12dab6264:1",
                "a23a3dc5e078b07b:1"
            ]
        );
        let ended = [
            "e9496ae3ebfced30:1",
            "fb7c023a8b9ccb3f:1",
            "ce8ba1a563dcdaca:1",
            "e20e36e16fcb0cc8:1",
            "b3edc88f2938467e:1",
            "c8e28b0b4002a3a0:1",
            "c129715d7a2bc9a3:1",
        ];
        for text in [
            " hello; \t\nworld!!!\n\n\n  \t\tGreetings\n End\n",
            " hello; \t\r\nworld!!!\r\n\r\n\r\n  \t\tGreetings\r\n End\r\n",
            " hello; \t\rworld!!!\r\r\r  \t\tGreetings\r End\r",
        ] {
            assert_eq!(hashes(text), ended, "{text:?}");
        }
    }

    #[test]
    fn lines_that_read_alike_are_counted() {
        let text = "a: 1\n".repeat(120);
        let found = of_lines(&text, &[1, 2, 3].into());
        let [one, two, three] = [1, 2, 3].map(|line| found[&line].split_once(':').unwrap());
        assert_eq!((one.0, two.0, three.0), (one.0, one.0, one.0));
        assert_eq!([one.1, two.1, three.1], ["1", "2", "3"]);
    }
}
