//! `teamster inbox`.

use teamster_protocol::model::agent::Permission;
use teamster_protocol::model::approval::QuestionLetter;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::model::shutdown::ShutdownAnswer;

use super::approvals::detail_lines;
use super::print::{DayClock, OutputAudience, PrintedFailure, TextTone, fail, harmless_lines, paint};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::approvals::ways_to_answer;
use crate::ops::inbox::{self, ControlMail, ShownMail, ShownMessage, WantedMail};
use crate::ops::text::show_controls;

/// `teamster inbox`.
#[derive(Debug, clap::Args)]
pub struct InboxArgs {
    /// Whose mailbox [default: lead; a member's own, for what its agent runs]
    pub name: Option<Address>,
    /// Show all that is kept, not only the unread and the 20 newest
    #[arg(long, short)]
    pub all: bool,
    /// Show control messages too, such as the answers to a shutdown
    #[arg(long)]
    pub protocol: bool,
    /// Leave what is shown unread
    #[arg(long)]
    pub peek: bool,
}

pub(super) async fn inbox(context: &CliContext, args: InboxArgs) -> Result<ExitStatus, CliError> {
    if args.name.is_none() && context.says_how_to_begin()? {
        return Ok(ExitStatus::Done);
    }
    let wanted = match (args.all, args.protocol) {
        (true, _) => WantedMail::All,
        (false, true) => WantedMail::Recent { control: ControlMail::Shown },
        (false, false) => WantedMail::Recent { control: ControlMail::Hidden },
    };
    let mail = inbox::inbox(&context.session, args.name, wanted)?;
    let audience = context.show_page(&mail, |mail| text(mail, &context.clock()))?;
    // Only what somebody could see counts as read.
    if !args.peek
        && audience == OutputAudience::There
        && let Err(error) = inbox::mark_read(&context.session, &mail)
    {
        // The mail was shown, as was asked for; to show it a second time is no failure.
        fail(&PrintedFailure::new(format!("the mail stays unread: {error}")));
    }
    Ok(ExitStatus::Done)
}

fn text(mail: &ShownMail, clock: &DayClock) -> String {
    if mail.messages.is_empty() {
        return match &mail.name {
            Address::Lead => "no mail; members write to lead".to_owned(),
            Address::Member(name) => format!("no mail for {name}; write some with teamster dm {name} TEXT"),
        };
    }
    let mut text = String::new();
    for ShownMessage { message, read } in &mail.messages {
        let (mark, tone) = if *read { (" ", TextTone::Faint) } else { ("●", TextTone::Name) };
        let urgent = if message.urgency == Urgency::Now { ", urgent" } else { "" };
        let when = format!("{}{urgent}", clock.ago(message.sent_ms));
        let from = message.from.to_string();
        text.push_str(&format!("{mark} {}  {}\n", paint(tone, &from), paint(TextTone::Faint, &when)));
        let words = match (&message.body, &mail.waiting) {
            (MessageBody::PermissionAsked(letter), Some(waiting)) if !waiting.contains(&letter.question) => {
                format!("{}\nno answer is waited for any more", question_text(letter))
            }
            (body, _) => said(body),
        };
        for line in harmless_lines(words.trim_end()).lines() {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text
}

fn question_text(letter: &QuestionLetter) -> String {
    let detail: String = detail_lines(&letter.detail).iter().map(|line| format!("\n  {line}")).collect();
    format!("[asks for permission: {}]{detail}", show_controls(&letter.title))
}

/// The content of a message, in words.
pub(super) fn said(body: &MessageBody) -> String {
    match body {
        MessageBody::Text { text } => text.clone(),
        MessageBody::TaskAssigned { task } => format!("[task {task} was assigned to you]"),
        MessageBody::ShutdownRequest(request) if request.reason.is_empty() => "[asks to end]".to_owned(),
        MessageBody::ShutdownRequest(request) => format!("[asks to end: {}]", request.reason),
        MessageBody::ShutdownReply(reply) => match &reply.verdict {
            ShutdownAnswer::Approved => "[ends, as it was asked]".to_owned(),
            ShutdownAnswer::Finishing { task: Some(task) } => format!("[ends after task {task}]"),
            ShutdownAnswer::Finishing { task: None } => "[ends after its turn]".to_owned(),
            ShutdownAnswer::Refused { task: Some(task) } => format!("[does not end: it is busy with task {task}]"),
            ShutdownAnswer::Refused { task: None } => "[does not end: it is busy]".to_owned(),
        },
        MessageBody::AbortRequest { reason } if reason.is_empty() => "[stop]".to_owned(),
        MessageBody::AbortRequest { reason } => format!("[stop: {reason}]"),
        MessageBody::PermissionAsked(letter) => {
            format!("{}\n{}", question_text(letter), ways_to_answer(&letter.question))
        }
        MessageBody::PermissionReply { question, answer: Permission::Never { reason } } => {
            format!("[denies what was asked in entry {question}: {reason}]")
        }
        MessageBody::PermissionReply { question, answer: Permission::Once | Permission::Always } => {
            format!("[allows what was asked in entry {question}]")
        }
        MessageBody::Unknown => "[a message of a newer version]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::id::MessageId;
    use teamster_protocol::model::mail::Message;

    use super::*;

    #[test]
    fn unread_mail_stands_out_and_cannot_act_on_the_terminal() {
        let message = |n, from: &str, body| Message {
            id: MessageId::from_parts(0, n),
            from: from.parse().expect("a name"),
            sent_ms: 1_000,
            urgency: if n == 2 { Urgency::Now } else { Urgency::Next },
            body,
        };
        let text_of = |text: &str| MessageBody::Text { text: text.to_owned() };
        let mail = ShownMail {
            name: Address::Lead,
            waiting: None,
            messages: vec![
                ShownMessage { message: message(1, "alice", text_of("done with the parser")), read: true },
                ShownMessage { message: message(2, "bob", text_of("which branch?\n\u{1b}[2J")), read: false },
                ShownMessage {
                    message: message(3, "bob", MessageBody::AbortRequest { reason: "x".to_owned() }),
                    read: false,
                },
            ],
        };
        insta::assert_snapshot!(anstream::adapter::strip_str(&text(&mail, &DayClock::new(jiff::tz::TimeZone::UTC, 61_000))), @r#"
          alice  1m ago
            done with the parser
        ● bob  1m ago, urgent
            which branch?
        ● bob  1m ago
            [stop: x]
        "#);
    }
}
