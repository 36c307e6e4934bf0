//! The questions for permission that wait while a run goes on: the lead's mailbox tells of each, and the transcript of its
//! member when it is over. Nobody sees a question of a run elsewhere unless they look for it.

use std::collections::BTreeMap;

use teamster_protocol::host::clock::now_ms;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::approval::{QuestionFate, QuestionLetter, QuestionName};
use teamster_protocol::model::id::Address;
use teamster_protocol::model::mail::{MailFact, Mailbox, MessageBody};
use teamster_protocol::store::file::{LogError, LogReader, LogRecord};
use teamster_protocol::store::transcript;

use super::news::{RunEvent, RunReport};

/// The questions that wait, as far as they were told.
#[derive(Debug)]
pub(super) struct RunQuestions {
    mailbox: LogReader<Mailbox>,
    /// The letters that were not looked into yet.
    letters: Vec<(u64, QuestionLetter)>,
    waiting: BTreeMap<QuestionName, QuestionLetter>,
}

impl RunQuestions {
    /// Begins with those that wait already.
    pub(super) fn open(dir: &TeamDir) -> Result<RunQuestions, LogError> {
        let mut letters = Vec::new();
        let mailbox =
            LogReader::open_telling(dir.mailbox(&Address::Lead), |record| take_letters(&mut letters, record))?;
        Ok(RunQuestions { mailbox, letters, waiting: BTreeMap::new() })
    }

    /// The questions that were asked since the last look and wait, and those that do not wait any more.
    pub(super) fn look(&mut self, dir: &TeamDir) -> Result<Vec<RunReport>, LogError> {
        let letters = &mut self.letters;
        self.mailbox.refresh(|record| take_letters(letters, record))?;
        let mut reports = Vec::new();
        let over: Vec<(QuestionName, QuestionFate)> = self
            .waiting
            .keys()
            .filter_map(|name| Some((name.clone(), fate_of(dir, name)?)))
            .filter(|(_, fate)| *fate != QuestionFate::Waits)
            .collect();
        for (question, fate) in over {
            self.waiting.remove(&question);
            if let QuestionFate::Answered { answer, by, at_ms } = fate {
                reports.push(RunReport { at_ms, event: RunEvent::Answered { question, answer, by } });
            } else {
                reports.push(RunReport { at_ms: now_ms(), event: RunEvent::QuestionLost { question } });
            }
        }
        for (at_ms, letter) in std::mem::take(&mut self.letters) {
            if fate_of(dir, &letter.question) != Some(QuestionFate::Waits) {
                continue;
            }
            let QuestionLetter { question, tool, title, until_ms, .. } = letter.clone();
            self.waiting.insert(question.clone(), letter);
            reports.push(RunReport { at_ms, event: RunEvent::Asked { question, tool, title, until_ms } });
        }
        Ok(reports)
    }
}

/// The fate of a question; nothing if it is not known, which says nothing about it.
fn fate_of(dir: &TeamDir, name: &QuestionName) -> Option<QuestionFate> {
    transcript::fate_of_question(&dir.turns(&name.member), name.number).ok()?
}

fn take_letters(letters: &mut Vec<(u64, QuestionLetter)>, record: &LogRecord<MailFact>) {
    for fact in &record.facts {
        if let MailFact::Delivered(message) = fact
            && let MessageBody::PermissionAsked(letter) = &message.body
        {
            letters.push((record.at_ms, letter.clone()));
        }
    }
}
