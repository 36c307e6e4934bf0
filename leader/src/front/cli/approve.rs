//! `teamster approve`.

use teamster_protocol::model::approval::QuestionName;
use teamster_protocol::model::id::MemberName;

use super::interrupt::unless_interrupted;
use super::print::{TextTone, harmless, paint};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::approvals::{AnswerTaken, AnsweredQuestion, GivenAnswers, UnansweredQuestion};
use crate::ops::approve::{ApprovalSpan, WantedApprovals, approve as approve_questions};

/// `teamster approve`.
#[derive(Debug, clap::Args)]
pub struct ApproveArgs {
    /// The questions, as teamster approvals names them
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub ids: Vec<QuestionName>,
    /// Allow all that wait
    #[arg(long, short)]
    pub all: bool,
    /// With --all: only those of this member
    #[arg(long, value_name = "NAME", requires = "all")]
    pub member: Option<MemberName>,
    /// With --all: only those about this tool
    #[arg(long, value_name = "TOOL", requires = "all")]
    pub tool: Option<String>,
    /// Allow the like too, for as long as the agent runs
    #[arg(long)]
    pub always: bool,
}

pub(super) async fn approve(context: &CliContext, args: ApproveArgs) -> Result<ExitStatus, CliError> {
    let wanted = match args.all {
        true => WantedApprovals::All { member: args.member, tool: args.tool },
        false => WantedApprovals::Named(args.ids),
    };
    let span = if args.always { ApprovalSpan::Always } else { ApprovalSpan::Once };
    let given = unless_interrupted(approve_questions(&context.session, wanted, span)).await?;
    show_answers(context, &given, "allowed")
}

/// Shows what came of answers; `how` is the word for them.
pub(super) fn show_answers(context: &CliContext, given: &GivenAnswers, how: &str) -> Result<ExitStatus, CliError> {
    context.show(given, |given| text(given, how))?;
    Ok(if given.failed.is_empty() { ExitStatus::Done } else { ExitStatus::Refused })
}

fn text(given: &GivenAnswers, how: &str) -> String {
    if given.answered.is_empty() && given.failed.is_empty() {
        return "no such question waits for an answer".to_owned();
    }
    let answered = |answered: &AnsweredQuestion| {
        let id = paint(TextTone::Name, &answered.id.to_string()).to_string();
        match answered.taken {
            AnswerTaken::Yes => format!("{id} {how}"),
            AnswerTaken::NotYet => {
                format!("{id} {how}: it is in the mailbox of {}, which has not read it yet", answered.id.member)
            }
        }
    };
    let failed = |failed: &UnansweredQuestion| {
        let id = paint(TextTone::Error, &failed.id.to_string()).to_string();
        format!("not answered, {id}: {}", harmless(&failed.why))
    };
    given.answered.iter().map(answered).chain(given.failed.iter().map(failed)).collect::<Vec<_>>().join("\n")
}
