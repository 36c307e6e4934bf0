//! `teamster doctor`.

use super::print::{TextTone, hang, paint, width};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::doctor::{
    self, CheckGroup, CheckLevel, DoctorCheck, DoctorMode, DoctorReport, RepairAct, RepairOutcome, TeamHealth,
};
use crate::ops::text::show_controls;

/// `teamster doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Mend what can be mended without losing anything
    #[arg(long)]
    pub repair: bool,
}

pub(super) async fn doctor(context: &CliContext, args: DoctorArgs) -> Result<ExitStatus, CliError> {
    let mode = if args.repair { DoctorMode::Repair } else { DoctorMode::Look };
    let report = doctor::doctor(&context.session, mode).await?;
    context.show_page(&report, |report| text(report, args.repair, context.columns))?;
    Ok(match report.state {
        TeamHealth::Sound => ExitStatus::Done,
        TeamHealth::Wrong => ExitStatus::Refused,
        TeamHealth::Corrupt => ExitStatus::Corrupt,
    })
}

fn text(report: &DoctorReport, repaired: bool, columns: usize) -> String {
    let mut text = String::new();
    if repaired {
        text.push_str(&format!("{}\n", paint(TextTone::Faint, "repairs")));
        if report.repairs.is_empty() {
            text.push_str("  there was nothing to do\n");
        }
        report.repairs.iter().for_each(|act| text.push_str(&act_text(act, columns)));
    }
    let mut group: Option<CheckGroup> = None;
    for check in &report.checks {
        if group != Some(check.group) {
            group = Some(check.group);
            text.push_str(&format!("{}\n", paint(TextTone::Faint, check.group.word())));
        }
        text.push_str(&check_text(check, columns));
    }
    let count = |wanted: &[CheckLevel]| report.checks.iter().filter(|check| wanted.contains(&check.level)).count();
    let (wrong, notes) = (count(&[CheckLevel::Wrong, CheckLevel::Corrupt]), count(&[CheckLevel::Note]));
    let notes = if notes == 0 { String::new() } else { format!(", {notes} to know about") };
    let (tone, sum) = match report.state {
        TeamHealth::Sound => (TextTone::Ok, format!("sound: {} checks{notes}", report.checks.len())),
        TeamHealth::Wrong => (TextTone::Error, format!("{wrong} wrong{notes}")),
        TeamHealth::Corrupt => (TextTone::Error, format!("corrupt: {wrong} wrong{notes}")),
    };
    text.push_str(&paint(tone, &sum).to_string());
    text
}

fn check_text(check: &DoctorCheck, columns: usize) -> String {
    let (tone, mark) = match check.level {
        CheckLevel::Ok => (TextTone::Ok, "✓"),
        CheckLevel::Note => (TextTone::Warn, "!"),
        CheckLevel::Wrong | CheckLevel::Corrupt => (TextTone::Error, "✗"),
    };
    let what = match &check.place {
        Some(place) => format!("{}: {}", show_controls(&place.display().to_string()), check.what),
        None => check.what.clone(),
    };
    let mut text = entry(tone, mark, &what, columns);
    if let Some(hint) = &check.hint {
        text.push_str(&entry(TextTone::Faint, "  →", hint, columns));
    }
    text
}

fn act_text(act: &RepairAct, columns: usize) -> String {
    let (tone, mark) = match act.outcome {
        RepairOutcome::Done => (TextTone::Ok, "✓"),
        RepairOutcome::Refused => (TextTone::Error, "✗"),
    };
    let mut text = entry(tone, mark, &act.what, columns);
    if let Some(hint) = &act.hint {
        text.push_str(&entry(TextTone::Faint, "  →", hint, columns));
    }
    if let Some(backup) = &act.backup {
        text.push_str(&entry(TextTone::Faint, "  →", &format!("as it was: {}", backup.display()), columns));
    }
    text
}

/// A mark and what it is about, broken between words where the line is full, and where it has a line end itself.
fn entry(tone: TextTone, mark: &str, what: &str, columns: usize) -> String {
    let head = format!("  {} ", paint(tone, mark));
    let heads = std::iter::once(head.clone()).chain(std::iter::repeat(" ".repeat(width(&head))));
    let lines = heads.zip(what.trim_end().split('\n'));
    lines.map(|(head, line)| hang(&head, &paint(TextTone::Plain, line).to_string(), columns) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_and_an_act_break_between_words_and_where_their_hint_does() {
        let check = DoctorCheck {
            group: CheckGroup::Locks,
            level: CheckLevel::Wrong,
            what: "it is a directory, not a file".to_owned(),
            place: Some("/s/we\nird".into()),
            hint: Some("remove it, or put back what was there\nsee teamster doctor --help".to_owned()),
        };
        let act = RepairAct {
            outcome: RepairOutcome::Refused,
            what: "/s/a.jsonl is held by another process".to_owned(),
            hint: Some("ask again".to_owned()),
            backup: None,
        };
        let shown = format!("{}{}", check_text(&check, 36), act_text(&act, 36));
        insta::assert_snapshot!(anstream::adapter::strip_str(&shown).to_string(), @r"
          ✗ /s/we\nird: it is a directory,
            not a file
            → remove it, or put back what
              was there
              see teamster doctor --help
          ✗ /s/a.jsonl is held by another
            process
            → ask again
        ");
    }
}
