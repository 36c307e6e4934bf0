//! The two notations that a document may be written in.

use std::path::Path;

/// The notation of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentFormat {
    /// TOML, with `[[task]]` tables.
    Toml,
    /// `{"task":[…]}` or the bare list.
    Json,
}

impl DocumentFormat {
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
        let of = |path: &str, text| DocumentFormat::of(Some(Path::new(path)), text);
        assert_eq!(of("plan.toml", "{}"), DocumentFormat::Toml);
        assert_eq!(of("plan.JSON", "[[task]]"), DocumentFormat::Json);
        assert_eq!(of("/dev/fd/63", " [ {\"run\":1}]"), DocumentFormat::Json);
        assert_eq!(of("plan.txt", "\n{"), DocumentFormat::Json);
        assert_eq!(DocumentFormat::of(None, "[[task]]"), DocumentFormat::Toml);
        assert_eq!(DocumentFormat::of(None, "[]"), DocumentFormat::Json);
        assert_eq!(DocumentFormat::of(None, "# a plan"), DocumentFormat::Toml);
        assert_eq!(DocumentFormat::of(None, ""), DocumentFormat::Toml);
    }
}
