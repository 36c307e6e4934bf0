//! "Did you mean …?": the known word closest to a mistyped one.

const WORD_CHARS_MAX: usize = 100;

/// From so many letters on the beginning of a word stands for the word.
const BEGINNING_LETTERS_MIN: usize = 3;

/// The candidate that `word` was most likely meant to be, or none if nothing comes close.
///
/// Close is one slip of the keyboard (a letter too many, missing, wrong, or two swapped) in every three
/// letters, and at least one; case does not count. Among equals the first wins, and a single slip is near
/// enough to look no further. Where nothing is close, a candidate that begins with the word is meant. Comparing with one
/// candidate costs the product of both lengths.
pub fn did_you_mean<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = typed.to_lowercase();
    let letters = word.chars().count();
    if letters == 0 || letters > WORD_CHARS_MAX {
        return None;
    }
    let slips_max = letters.div_ceil(3);
    let mut best: Option<(usize, &str)> = None;
    let mut begun: Option<&str> = None;
    for candidate in candidates {
        begun = begun.or_else(|| begins_with(candidate, typed).then_some(candidate));
        let candidate_letters = candidate.chars().take(letters + slips_max + 1).count();
        // A distance is never less than the difference in length, and comparing costs the product of both.
        if candidate_letters.abs_diff(letters) > slips_max {
            continue;
        }
        let slips = strsim::osa_distance(&word, &candidate.to_lowercase());
        let is_close = slips <= slips_max && slips < letters.max(candidate_letters);
        if is_close && best.is_none_or(|(fewest, _)| slips < fewest) {
            best = Some((slips, candidate));
            if slips <= 1 {
                break;
            }
        }
    }
    best.map(|(_, candidate)| candidate).or(begun)
}

/// Whether a word is longer than what was typed, and begins with it.
pub fn begins_with(word: &str, typed: &str) -> bool {
    let is_enough = typed.chars().count() >= BEGINNING_LETTERS_MIN && word.len() > typed.len();
    is_enough && word.get(..typed.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(typed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_strangers_are_not() {
        let known = ["after", "run", "prompt", "priority", "a"];
        for (word, meant) in [
            ("aftre", Some("after")),
            ("After", Some("after")),
            ("rnu", Some("run")),
            ("priorty", Some("priority")),
            ("promt", Some("prompt")),
            ("pri", Some("priority")),
            ("PRIO", Some("priority")),
            ("pr", None),
            ("depends_on", None),
            ("b", None),
            ("", None),
        ] {
            assert_eq!(did_you_mean(word, known), meant, "{word}");
        }
    }
}
