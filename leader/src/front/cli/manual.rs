//! The pages for `man`, one for each command, made from the same texts as `--help`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap_mangen::Man;

use super::print::PagerUse;
use super::{CliError, ExitStatus};
use crate::ops::error::OpsError;

/// `teamster manual`.
#[derive(Debug, clap::Args)]
pub struct ManualArgs {
    /// The directory; made if it is not there
    pub dir: PathBuf,
}

/// Writes the page of each command that is shown in the help into a directory.
pub(super) fn write_pages(
    ManualArgs { dir }: ManualArgs,
    mut program: clap::Command,
    _: PagerUse,
) -> Result<ExitStatus, CliError> {
    let failed = |source| OpsError::Path { doing: "write the pages of the manual to", path: dir.clone(), source };
    fs::create_dir_all(&dir).map_err(failed)?;
    program.build();
    write_below(&program, &dir).map_err(failed)?;
    Ok(ExitStatus::Done)
}

fn write_below(command: &clap::Command, dir: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write_below(below, dir)?;
    }
    let page = Man::new(command.clone()).source(format!("teamster {}", env!("TEAMSTER_VERSION")));
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    text.extend(examples(command).into_bytes());
    fs::write(dir.join(page.get_filename()), text)
}

/// The examples at the end of `--help`, line by line.
fn examples(command: &clap::Command) -> String {
    let Some(help) = command.get_after_help() else { return String::new() };
    let help = help.to_string();
    let text = help.trim_start_matches("Examples:").trim_start_matches("Example:").trim_matches('\n');
    let lines: Vec<String> = text.lines().map(roff_line).collect();
    format!(".SH EXAMPLES\n.nf\n{}\n.fi\n", lines.join("\n"))
}

/// A line that roff shows as it is: a backslash begins an escape, and a dot or a quote at the beginning a request.
fn roff_line(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_page_with_its_examples_line_by_line() {
        let dir = tempfile::tempdir().expect("a directory");
        write_pages(ManualArgs { dir: dir.path().to_owned() }, crate::front::cli::program(), PagerUse::Off)
            .expect("they can be written");
        let mut names: Vec<String> = Vec::new();
        for entry in fs::read_dir(dir.path()).expect("a directory") {
            names.push(entry.expect("an entry").file_name().into_string().expect("text"));
        }
        for name in ["teamster.1", "teamster-spawn.1", "teamster-task.1", "teamster-task-add.1"] {
            assert!(names.iter().any(|found| found == name), "there is no {name} in {names:?}");
        }
        let page = fs::read_to_string(dir.path().join("teamster-task-dep-add.1")).expect("a page");
        assert!(page.contains(".SH EXAMPLES\n.nf\n  teamster task dep add 3 1\n.fi"), "{page}");
        assert_eq!(roff_line(".x \\n --y"), "\\&.x \\en \\-\\-y");
    }
}
