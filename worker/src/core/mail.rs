//! Mail: control is obeyed if it is the lead's, text is handed on when its urgency says, and each is acknowledged after
//! that and not before.

use std::collections::VecDeque;

use teamster_protocol::model::id::{Address, MessageId};
use teamster_protocol::model::mail::{Body, Message, Urgency};
use teamster_protocol::model::notice::Said;
use teamster_protocol::model::roster::LeftHow;
use teamster_protocol::model::shutdown::{Busy, ShutdownReply, ShutdownRequest, Verdict, WhenBusy, verdict};
use teamster_protocol::model::task::Work;

use super::turn::TurnFor;
use super::{Action, Approval, Before, Conversation, Core, Handed, Phase, SteerOf};

impl Core {
    pub(super) fn mail(&mut self, now_ms: u64, messages: Vec<Message>) {
        let (mut control, mut texts) = (Vec::new(), Vec::new());
        for message in messages {
            if self.taken.insert(message.id) {
                if matches!(message.body, Body::Text { .. }) { texts.push(message) } else { control.push(message) }
            }
        }
        for message in control {
            self.control(now_ms, message);
        }
        for message in texts {
            self.text(message);
        }
        self.settle_if_free(now_ms);
    }

    /// Acts on control mail. Only the lead controls: a member's is acknowledged and said to be refused.
    pub(super) fn control(&mut self, now_ms: u64, message: Message) {
        let lead = message.from == Address::Lead;
        match message.body {
            // It was meant for a worker before this one, or its asker has gone up the ladder since.
            Body::ShutdownRequest(request)
                if lead
                    && (self.born_ms.is_some_and(|born_ms| message.sent_ms < born_ms)
                        || request.deadline_ms < now_ms) =>
            {
                self.trouble("an old request to shut down was found in the mailbox, and is not followed");
            }
            Body::ShutdownRequest(request) if lead => return self.shutdown_requested(message.id, request),
            Body::AbortRequest { reason } if lead => match &mut self.phase {
                Phase::Turn(turn) => {
                    let begun = turn.ending.is_some();
                    turn.stop(reason);
                    if !begun {
                        self.act(Action::AbortTurn);
                    }
                }
                Phase::Starting | Phase::Idle | Phase::Claiming(_) | Phase::Recording { .. } | Phase::Left => {
                    self.trouble("asked to abort a turn, but none is running");
                }
            },
            Body::TaskAssigned { .. } => {}
            Body::ShutdownRequest(_) | Body::AbortRequest { .. } => {
                self.trouble(format!("control mail from {} was refused: only the lead controls", message.from));
            }
            Body::ShutdownReply(_) | Body::Unknown => {
                self.trouble(format!("a message from {} is of a kind it does not understand", message.from));
            }
            Body::Text { .. } => unreachable!("texts are not control"),
        }
        self.acknowledge(vec![message.id]);
    }

    /// Answers first and acknowledges then.
    pub(super) fn shutdown_requested(&mut self, message: MessageId, request: ShutdownRequest) {
        let busy = match &self.phase {
            Phase::Turn(turn) | Phase::Recording { turn, .. } => Busy::Turn { task: turn.task() },
            Phase::Starting | Phase::Idle | Phase::Claiming(_) | Phase::Left => Busy::No,
        };
        // Once it has agreed to end it can not refuse to.
        let when_busy = if self.leave.is_some() { WhenBusy::Finish } else { request.when_busy };
        let verdict = verdict(when_busy, busy);
        let request = request.request;
        match verdict {
            // Answered when it leaves, in `settle`: the approval and the end are one.
            Verdict::Approved => {
                return self.leave_for(LeftHow::Shutdown, Some(Approval { request, message: Some(message) }));
            }
            Verdict::Finishing { .. } => self.leave_for(LeftHow::Shutdown, Some(Approval { request, message: None })),
            Verdict::Refused { .. } => {}
        }
        self.act(Action::Reply(ShutdownReply { request, verdict }));
        self.acknowledge(vec![message]);
    }

    /// It ends once it has nothing in hand, and for no earlier reason: a request that this one overtakes is not
    /// answered any more.
    pub(super) fn text(&mut self, message: Message) {
        match (&self.phase, &message.body) {
            (Phase::Turn(turn), Body::Text { text }) if message.urgency == Urgency::Now && turn.ending.is_none() => {
                let (from, text) = (message.from.clone(), text.clone());
                self.act(Action::Steer { of: SteerOf::Mail(Box::new(message)), from, text });
            }
            _ if message.urgency == Urgency::Idle => self.idle_texts.push_back(message),
            _ => self.texts.push_back(message),
        }
    }

    /// Hands texts on, in order: as a prompt, or by showing them.
    pub(super) fn hand_all_on(&mut self, now_ms: u64, texts: VecDeque<Message>, before: Before) -> Handed {
        match self.settings.conversation {
            Conversation::No => texts.into_iter().for_each(|message| self.hand_on(message)),
            Conversation::Yes if texts.is_empty() => {}
            Conversation::Yes => {
                if before == Before::Waiting {
                    self.act(Action::Away);
                }
                let messages: Vec<Message> = texts.into();
                let prompt = messages.iter().map(as_prompt).collect::<Vec<_>>().join("\n\n");
                for message in &messages {
                    self.act(Action::Say(said(message)));
                }
                self.start_turn(now_ms, TurnFor::Mail(messages), None, Work::Prompt(prompt));
                return Handed::AsTurn;
            }
        }
        Handed::Shown
    }

    /// Puts a text where the agent, or who watches it, sees it, and acknowledges it then.
    pub(super) fn hand_on(&mut self, message: Message) {
        self.act(Action::Say(said(&message)));
        self.acknowledge(vec![message.id]);
    }

    pub(super) fn acknowledge(&mut self, ids: Vec<MessageId>) {
        self.act(Action::Acknowledge { ids });
    }

    /// To be called by the shell once acknowledgements are written.
    pub fn acknowledged(&mut self, ids: &[MessageId]) {
        for id in ids {
            self.taken.remove(id);
        }
    }
}

fn said(message: &Message) -> Said {
    Said::Mail { id: message.id, from: message.from.clone(), text: text(message).to_owned() }
}

fn as_prompt(message: &Message) -> String {
    format!("Message from {}:\n{}", message.from, text(message))
}

/// What control says is not for the agent.
fn text(message: &Message) -> &str {
    match &message.body {
        Body::Text { text } => text,
        Body::TaskAssigned { .. }
        | Body::ShutdownRequest(_)
        | Body::ShutdownReply(_)
        | Body::AbortRequest { .. }
        | Body::Unknown => "",
    }
}
