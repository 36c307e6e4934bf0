//! Makes inputs from inputs. The same seed makes the same ones.

use crate::chance::Chance;

/// An input beyond this is cut.
const BYTES_MAX: usize = 128 * 1024;

/// What formats turn on, and where numbers end.
const WORDS: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"\0",
    b"\x1b[2J",
    b"\xff\xfe",
    b"\xe2\x80\xae",
    b"{}",
    b"[]",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"4294967295",
    b"4294967296",
    b"18446744073709551615",
    b"-9223372036854775808",
    b"\"id\":",
    b"\"lead\"",
    b"\"../x\"",
    b",",
    b"[[task]]\n",
    b"'''",
];

/// What goes deep, or gets long, when it is said again and again.
const NESTS: &[&[u8]] = &[b"[", b"{\"a\":", b"a.", b"x", b"[[task]]\n", b"\n"];

/// Makes one input after another from seeds.
#[derive(Debug, Clone)]
pub struct Mutator {
    chance: Chance,
    seeds: Vec<Vec<u8>>,
    given: usize,
}

impl Mutator {
    /// Begins with the seeds as they are.
    pub fn new(seed: u64, seeds: Vec<Vec<u8>>) -> Mutator {
        Mutator { chance: Chance::new(seed), seeds, given: 0 }
    }

    /// The next input.
    pub fn next_input(&mut self) -> Vec<u8> {
        self.given += 1;
        if let Some(seed) = self.seeds.get(self.given - 1) {
            return seed.clone();
        }
        let mut bytes = self.chance.pick(&self.seeds).clone();
        for _ in 0..1 + self.chance.below(4) {
            self.change(&mut bytes);
        }
        bytes.truncate(BYTES_MAX);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let chance = &mut self.chance;
        let at = chance.index(bytes.len() + 1);
        let end = (at + 1 + chance.index(32)).min(bytes.len());
        match chance.below(10) {
            0 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
            1 => bytes.insert(at, chance.bits() as u8),
            2 | 3 => drop(bytes.splice(at..at, chance.pick(WORDS).iter().copied())),
            4 => drop(bytes.drain(at..end)),
            5 => drop(bytes.splice(at..end, chance.pick(WORDS).iter().copied())),
            6 => {
                let part = bytes[at..end].repeat(1 + chance.index(8));
                bytes.splice(at..at, part);
            }
            7 => {
                let other = chance.pick(&self.seeds);
                let from = chance.index(other.len() + 1);
                let part = other[from..(from + 1 + chance.index(200)).min(other.len())].to_vec();
                bytes.splice(at..at, part);
            }
            8 => {
                let line = |byte: &u8| *byte == b'\n';
                let start = bytes[..at].iter().rposition(line).map_or(0, |newline| newline + 1);
                let end = bytes[at..].iter().position(line).map_or(bytes.len(), |newline| at + newline + 1);
                let whole = bytes[start..end].to_vec();
                bytes.splice(start..start, whole);
            }
            _ if chance.one_in(20) => {
                // Deep, long, or both.
                let deep = chance.pick(NESTS).repeat(1 + chance.index(20_000));
                bytes.splice(at..at, deep);
            }
            _ => bytes.truncate(at),
        }
    }
}
