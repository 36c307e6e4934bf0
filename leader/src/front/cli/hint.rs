//! The way out for whoever typed a word that is no command.

use crate::front::cli::print::did_you_mean;
use crate::ops::verb::NOT_VERBS;

/// From so many letters on the first letter of a command may be mistyped too.
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
    let shown = command.get_subcommands().filter(|below| !below.is_hide_set());
    let names = shown.flat_map(|below| std::iter::once(below.get_name()).chain(below.get_all_aliases()));
    // Of a short word one slip is half of it: `rm` is no slip for `dm`.
    let names = names.filter(|name| word.len() >= LONG_WORD_LETTERS || name.chars().next() == word.chars().next());
    match did_you_mean(word, names) {
        Some(meant) => format!("did you mean {meant}?"),
        None => see_help(path),
    }
}
