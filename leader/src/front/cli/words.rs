//! Text on the command line: words that need no quotes, or standard input for `-`.

use std::io::{self, Read};

/// Words of a text, or `-` for standard input.
#[derive(Debug, Clone, clap::Args)]
pub struct TextWords {
    /// The text; words are joined by spaces, - reads standard input
    #[arg(required = true, num_args = 1.., value_name = "TEXT")]
    words: Vec<String>,
}

/// Standard input could not be read as text.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the text from standard input: {0}")]
pub struct StdinError(#[from] io::Error);

impl TextWords {
    /// The text. Reads standard input to its end if the only word is `-`, and blocks for that.
    pub fn resolve(&self) -> Result<String, StdinError> {
        joined(&self.words)
    }
}

/// As [`TextWords::resolve`], for words that are optional.
pub(super) fn joined(words: &[String]) -> Result<String, StdinError> {
    if words == ["-"] {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text)?;
        return Ok(text);
    }
    Ok(words.join(" "))
}

/// One word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandWord(pub String);

impl From<&str> for CommandWord {
    fn from(word: &str) -> CommandWord {
        CommandWord(word.to_owned())
    }
}
