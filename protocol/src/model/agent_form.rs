//! The two forms of an agent's name that bring a command: `acp:COMMAND ARGS` for a program that speaks the Agent Client
//! Protocol, and `cmd:COMMAND {}` for one that takes one prompt and ends. The words are parted as a shell parts them, by
//! blanks and quotes, and no shell ever sees them.

use crate::model::limits::AGENT_FORM_BYTES_MAX;

/// The place of the prompt in the words of a `cmd:` command.
pub const PROMPT_MARK: &str = "{}";

/// The forms, each by its beginning.
const FORMS: [(&str, FormKind); 2] = [("acp:", FormKind::Acp), ("cmd:", FormKind::Cmd)];

/// The way in which a program is spoken to whose command is an agent's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormKind {
    /// By the Agent Client Protocol.
    Acp,
    /// By its arguments, once for each prompt.
    Cmd,
}

/// An agent whose name is its command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentForm {
    /// The way in which the program is spoken to.
    pub kind: FormKind,
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
}

/// The fault of a command in a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormFault {
    /// There are no words.
    #[error("no command follows")]
    NoCommand,
    /// A name is kept with each member and each task that names it.
    #[error("it has more than {AGENT_FORM_BYTES_MAX} bytes; put the command into a script, and name that")]
    TooLong,
    /// A character that can not be shown as it is.
    #[error("it holds a character that can not be shown")]
    NotShown,
    /// A quote without its end.
    #[error("a {0} has no end")]
    OpenQuote(char),
    /// Nothing comes after a backslash.
    #[error("it ends with a backslash")]
    OpenEscape,
    /// A character that means something to a shell only.
    #[error("`{0}` is for a shell, and none runs it: quote it, or put the command into a script")]
    ForShell(char),
    /// The program would be what a text says.
    #[error("{PROMPT_MARK} stands for the prompt, which can not name the program")]
    PromptAsProgram,
}

impl AgentForm {
    /// Reads a form; nothing if the text is an ordinary name.
    pub fn parse(text: &str) -> Option<Result<AgentForm, FormFault>> {
        FORMS.iter().find_map(|(begin, kind)| {
            let line = text.strip_prefix(begin)?;
            Some(read_words(line).map(|command| AgentForm { kind: *kind, command }))
        })
    }
}

fn read_words(line: &str) -> Result<Vec<String>, FormFault> {
    if line.len() > AGENT_FORM_BYTES_MAX {
        return Err(FormFault::TooLong);
    }
    if !line.chars().all(|c| c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric()) {
        return Err(FormFault::NotShown);
    }
    let words = split_words(line)?;
    match words.first() {
        None => Err(FormFault::NoCommand),
        Some(program) if program.is_empty() => Err(FormFault::NoCommand),
        Some(program) if program.contains(PROMPT_MARK) => Err(FormFault::PromptAsProgram),
        Some(_) => Ok(words),
    }
}

/// Parts a line into words as a POSIX shell does, without what only a shell can do: of that a line may have nothing that
/// is not quoted, so that nobody believes in a pipe that is none.
pub fn split_words(line: &str) -> Result<Vec<String>, FormFault> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err(FormFault::OpenQuote('\'')),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                            Some(c) => word.extend(['\\', c]),
                            None => return Err(FormFault::OpenQuote('"')),
                        },
                        Some(c @ ('$' | '`')) => return Err(FormFault::ForShell(c)),
                        Some(c) => word.push(c),
                        None => return Err(FormFault::OpenQuote('"')),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next().ok_or(FormFault::OpenEscape)?),
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' | '\n' => return Err(FormFault::ForShell(c)),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        split_words(line).unwrap()
    }

    #[test]
    fn words_are_parted_as_a_shell_parts_them() {
        assert_eq!(words(r#"  a  'b c' "d \"e\" \n" f\ g h'i'"j" '' "#), ["a", "b c", r#"d "e" \n"#, "f g", "hij", ""]);
        assert_eq!(words("claude -p {} --x='a|b' \"c;d\""), ["claude", "-p", "{}", "--x=a|b", "c;d"]);
        assert_eq!(words(""), [""; 0]);
    }

    #[test]
    fn what_only_a_shell_can_do_is_refused() {
        for (line, fault) in [
            ("a | b", FormFault::ForShell('|')),
            ("a $HOME", FormFault::ForShell('$')),
            ("a \"$HOME\"", FormFault::ForShell('$')),
            ("a > b", FormFault::ForShell('>')),
            ("a 'b", FormFault::OpenQuote('\'')),
            ("a \"b", FormFault::OpenQuote('"')),
            ("a \\", FormFault::OpenEscape),
        ] {
            assert_eq!(split_words(line), Err(fault), "{line}");
        }
    }

    #[test]
    fn a_form_is_a_driver_and_a_command() {
        let parse = |text: &str| AgentForm::parse(text).unwrap();
        let form =
            |kind, words: &[&str]| AgentForm { kind, command: words.iter().map(|word| (*word).to_owned()).collect() };
        assert_eq!(parse("acp:opencode acp"), Ok(form(FormKind::Acp, &["opencode", "acp"])));
        assert_eq!(parse("cmd:claude -p {}"), Ok(form(FormKind::Cmd, &["claude", "-p", "{}"])));
        assert_eq!(AgentForm::parse("acp"), None);
        assert_eq!(AgentForm::parse("other:x"), None);
        assert_eq!(parse("cmd: "), Err(FormFault::NoCommand));
        assert_eq!(parse("cmd:'' x"), Err(FormFault::NoCommand));
        assert_eq!(parse("cmd:{} x"), Err(FormFault::PromptAsProgram));
        assert_eq!(parse("cmd:a\u{202e}b"), Err(FormFault::NotShown));
        assert_eq!(parse("acp:a\nb"), Err(FormFault::NotShown));
        assert_eq!(parse(&format!("cmd:{}", "a".repeat(AGENT_FORM_BYTES_MAX + 1))), Err(FormFault::TooLong));
    }
}
