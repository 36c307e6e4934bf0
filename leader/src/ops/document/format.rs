//! Which of the two notations a document is written in.

use std::path::Path;

/// The notation of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `[[task]]` tables.
    Toml,
    /// `{"task":[…]}` or the bare list.
    Json,
}

impl Format {
    /// By the extension `.toml` or `.json` in any case; for any other name, and for none, by the content.
    pub fn of(path: Option<&Path>, text: &str) -> Self {
        let extension = path.and_then(Path::extension).map(|extension| extension.to_ascii_lowercase());
        match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("toml") => Self::Toml,
            Some("json") => Self::Json,
            Some(_) | None => Self::of_content(text),
        }
    }

    // A TOML document may begin with `[`, but then a key or another `[` follows, which no list of objects has.
    fn of_content(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let in_list = text.strip_prefix('[').map(str::trim_start);
        if text.starts_with('{') || in_list.is_some_and(|rest| rest.starts_with(['{', ']'])) {
            Self::Json
        } else {
            Self::Toml
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_decides_else_the_content() {
        let of = |path: &str, text| Format::of(Some(Path::new(path)), text);
        assert_eq!(of("plan.toml", "{}"), Format::Toml);
        assert_eq!(of("plan.JSON", "[[task]]"), Format::Json);
        assert_eq!(of("/dev/fd/63", " [ {\"run\":1}]"), Format::Json);
        assert_eq!(of("plan.txt", "\n{"), Format::Json);
        assert_eq!(Format::of(None, "[[task]]"), Format::Toml);
        assert_eq!(Format::of(None, "[]"), Format::Json);
        assert_eq!(Format::of(None, "# a plan"), Format::Toml);
        assert_eq!(Format::of(None, ""), Format::Toml);
    }
}
