//! The way out for whoever typed a word that is no command.

use crate::front::cli::print::did_you_mean;
use crate::ops::text::begins_with;
use crate::verb::NOT_VERBS;

/// From so many letters on any letter of a command may be mistyped.
const LONG_WORD_LETTERS: usize = 4;

/// Where the help of a command is.
pub(super) fn see_help(path: &str) -> String {
    format!("see {path} --help")
}

/// The way out for a word that is no command below `command`, whose words are `path`.
pub(super) fn hint_for_word(command: &clap::Command, path: &str, word: &str) -> String {
    let below = path.strip_prefix("teamster").unwrap_or(path).trim_start();
    let typed = format!("{below} {word}");
    if let Some(known) = NOT_VERBS.iter().find(|known| known.path == typed.trim_start()) {
        return known.way_out.to_owned();
    }
    let shown = || command.get_subcommands().filter(|below| !below.is_hide_set());
    // Whoever types the beginning of a command means that one rather than a synonym that only looks alike.
    if let Some(meant) = shown().map(|below| below.get_name()).find(|name| begins_with(name, word)) {
        return format!("did you mean {meant}?");
    }
    let names = shown().flat_map(|below| std::iter::once(below.get_name()).chain(below.get_all_aliases()));
    let names = names.filter(|name| word.len() >= LONG_WORD_LETTERS || is_short_slip(word, name));
    match did_you_mean(word, names) {
        Some(meant) => format!("did you mean {meant}?"),
        None => see_help(path),
    }
}

/// Whether a short word may be meant by one of a few letters: it begins like that, and a letter is missing, is too much, or
/// changed places. One letter for another is half of the word: `rm` is no slip for `dm`.
fn is_short_slip(word: &str, meant: &str) -> bool {
    let letters = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    letters(word) == letters(meant) || (word.len() != meant.len() && word.chars().next() == meant.chars().next())
}
