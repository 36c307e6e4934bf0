//! Mail: control is obeyed if it is the lead's, text is handed on when its urgency says, and each is acknowledged once it
//! has arrived and not before.

use std::collections::VecDeque;

use teamster_protocol::model::agent::preset::PromptKind;
use teamster_protocol::model::id::{Address, MessageId};
use teamster_protocol::model::mail::{Message, MessageBody, Urgency};
use teamster_protocol::model::receipt::{ReceiptState, TextId, TextRole};
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::model::shutdown::{
    ShutdownAnswer, ShutdownReply, ShutdownRequest, WhenBusy, WorkerBusy, verdict,
};
use teamster_protocol::model::task::{TaskWork, WorkKind};

use super::prompt_parts::bytes_of;
use super::text::{TextShown, WaitingText, joined};
use super::turn::{SteerWay, TurnFor, TurnStop};
use super::{
    AskRefused, BeforeClaim, CallId, HandedTexts, ShutdownApproval, SteerOf, WorkPhase, WorkerAction, WorkerAnswer,
    WorkerCore,
};
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::wire::api::SteerAnswer;

/// The prompt of a turn that is begun only so that an agent takes in the texts it keeps in a queue of its own.
const NUDGE: &str = "Messages came for you during your last turn. Read them, and do what they ask for.";

impl WorkerCore {
    pub(super) fn take_mail(&mut self, now_ms: u64, messages: Vec<Message>) {
        let (mut control, mut texts) = (Vec::new(), Vec::new());
        for message in messages {
            if self.taken.insert(message.id) {
                if matches!(message.body, MessageBody::Text { .. }) {
                    texts.push(message)
                } else {
                    control.push(message)
                }
            }
        }
        for message in control {
            self.obey(now_ms, message);
        }
        for message in texts {
            self.take_text(message);
        }
        self.settle_if_free(now_ms);
    }

    /// Acts on control mail. Only the lead controls: a member's is acknowledged and said to be refused.
    fn obey(&mut self, now_ms: u64, message: Message) {
        let lead = message.from == Address::Lead;
        match message.body {
            // Such a request was meant for a worker before this one, or the lead has gone up the ladder since.
            MessageBody::ShutdownRequest(request)
                if lead
                    && (self.born_ms.is_some_and(|born_ms| message.sent_ms < born_ms)
                        || request.deadline_ms < now_ms) =>
            {
                self.trouble("an old request to shut down was found in the mailbox, and is not followed");
            }
            MessageBody::ShutdownRequest(request) if lead => return self.take_shutdown_request(message.id, request),
            MessageBody::AbortRequest { reason } if lead => match &mut self.phase {
                WorkPhase::Turn(_) => self.stop_turn(now_ms, reason),
                WorkPhase::Parked(parked) if parked.work.is_some() => {
                    let asked = TranscriptText::AskedToStop { turn: self.turns, reason: reason.clone() };
                    self.act(WorkerAction::Say(asked));
                    self.end_parked(now_ms, TurnStop::Stopped { reason });
                }
                WorkPhase::Starting
                | WorkPhase::Idle
                | WorkPhase::Claiming(_)
                | WorkPhase::Recording { .. }
                | WorkPhase::Parked(_)
                | WorkPhase::Left(_) => {
                    self.trouble("asked to abort a turn, but none is running");
                }
            },
            MessageBody::PermissionReply { question, answer } if lead => {
                if let Err(why) = self.permit_by_lead(now_ms, question, answer) {
                    self.trouble(format!("an answer to question {question} came by mail, but {why}"));
                }
            }
            MessageBody::TaskAssigned { .. } => {}
            MessageBody::ShutdownRequest(_)
            | MessageBody::AbortRequest { .. }
            | MessageBody::PermissionReply { .. } => {
                self.trouble(format!("control mail from {} was refused: only the lead controls", message.from));
            }
            MessageBody::ShutdownReply(_) | MessageBody::PermissionAsked(_) | MessageBody::Unknown => {
                self.trouble(format!("a message from {} is of a kind it does not understand", message.from));
            }
            MessageBody::Text { .. } => unreachable!("texts are not control"),
        }
        self.acknowledge(vec![message.id]);
    }

    /// Answers first and acknowledges then.
    fn take_shutdown_request(&mut self, message: MessageId, request: ShutdownRequest) {
        let busy = match &self.phase {
            WorkPhase::Turn(turn) | WorkPhase::Recording { turn, .. } => WorkerBusy::Turn { task: turn.task() },
            // A parked worker does nothing for a long time: its task goes to a member that can do it.
            WorkPhase::Starting
            | WorkPhase::Idle
            | WorkPhase::Claiming(_)
            | WorkPhase::Parked(_)
            | WorkPhase::Left(_) => WorkerBusy::No,
        };
        // Once it has agreed to end it can not refuse to.
        let when_busy = if self.leave.is_some() { WhenBusy::Finish } else { request.when_busy };
        let verdict = verdict(when_busy, busy);
        self.act(WorkerAction::Say(TranscriptText::AskedToEnd { reason: request.reason }));
        let request = request.request;
        match verdict {
            // Answered when it leaves, in `settle`: the approval and the end are one.
            ShutdownAnswer::Approved => {
                return self.leave_for(WorkerEnd::Shutdown, Some(ShutdownApproval { request, message: Some(message) }));
            }
            ShutdownAnswer::Finishing { .. } => {
                self.leave_for(WorkerEnd::Shutdown, Some(ShutdownApproval { request, message: None }))
            }
            ShutdownAnswer::Refused { .. } => {}
        }
        self.act(WorkerAction::Reply(ShutdownReply { request, verdict }));
        self.acknowledge(vec![message]);
    }

    /// Says something to the turn that runs, because the lead asked for it by a call.
    pub(super) fn steer_turn(&mut self, call: CallId, text: String) {
        let ability = self.settings.abilities.steering;
        let is_held = self.is_held();
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        let way = if is_held { SteerWay::NextPrompt } else { turn.steer_way(ability) };
        let (id, state) = (turn.name_text(), ReceiptState::Accepted);
        let (from, urgency) = (Address::Lead, Urgency::Now);
        let mut text = WaitingText { id, from, text, urgency, state, shown: TextShown::No };
        match way {
            SteerWay::Now => self.act(WorkerAction::Steer { of: SteerOf::Call(call), text }),
            SteerWay::NextPrompt => {
                let state = ReceiptState::Queued;
                text.state = state.clone();
                self.act(WorkerAction::Say(said_steer(&text)));
                self.act(WorkerAction::Say(TranscriptText::Receipt { text: id, state: state.clone() }));
                self.texts.push_back(text);
                self.answer(call, Ok(WorkerAnswer::Steered(SteerAnswer { text: id, state, haste: None })));
            }
            SteerWay::Nowhere => {
                let refused = AskRefused::new("it runs a command whose standard input is closed, so nothing reads it");
                let name = &self.settings.me.name;
                let hint = format!(
                    "end it with teamster stop {name}; what is to be steered is begun with -i: teamster send {name} \
                     --run -i COMMAND"
                );
                self.answer(call, Err(refused.with_hint(hint)));
            }
        }
    }

    /// Lets a text steer the turn that runs, if it is urgent and the agent reads it there; else it waits. To a command it
    /// is never given: what reads there may well run what it reads.
    fn take_text(&mut self, message: Message) {
        let urgency = message.urgency;
        let text = text_of(message);
        let ability = self.settings.abilities.steering;
        match &self.phase {
            WorkPhase::Turn(turn) if urgency == Urgency::Now && turn.takes_mail(ability) && !self.is_held() => {
                self.act(WorkerAction::Steer { of: SteerOf::Mail, text });
            }
            _ if urgency == Urgency::Idle => self.idle_texts.push_back(text),
            _ => self.texts.push_back(text),
        }
    }

    /// Takes the outcome of a steer and answers the call that asked for it. A message that the running turn did not take
    /// is handed on after that turn.
    pub(super) fn steered(&mut self, of: SteerOf, mut text: WaitingText, outcome: Result<ReceiptState, String>) {
        let id = text.id;
        match (of, outcome) {
            (SteerOf::Call(call), Err(why)) => self.answer(call, Err(AskRefused::new(why))),
            (SteerOf::Stall, Err(why)) => self.trouble(format!("the agent can not be asked to go on: {why}")),
            // The text did not reach the running turn: it is handed on when that ends.
            (SteerOf::Mail, Err(_)) => self.texts.push_back(text),
            (SteerOf::Call(call), Ok(state)) => {
                self.act(WorkerAction::Say(said_steer(&text)));
                text.state.advance(state.clone());
                self.hand(id, TextRole::Steer, vec![text]);
                let answer = SteerAnswer { text: id, state: state.clone(), haste: None };
                self.answer(call, Ok(WorkerAnswer::Steered(answer)));
                self.receipt(id, state);
            }
            (SteerOf::Stall, Ok(_)) => self.act(WorkerAction::Say(said_steer(&text))),
            (SteerOf::Mail, Ok(state)) => {
                self.show(&mut text);
                self.hand(id, TextRole::Steer, vec![text]);
                self.receipt(id, state);
            }
        }
    }

    /// Hands texts on, in order: as a prompt, or by showing them.
    pub(super) fn hand_all_on(
        &mut self,
        now_ms: u64,
        texts: VecDeque<WaitingText>,
        before: BeforeClaim,
    ) -> HandedTexts {
        match self.settings.abilities.prompts {
            PromptKind::Program => {
                for mut text in texts {
                    self.show(&mut text);
                    self.acknowledge(text.message().into_iter().collect());
                }
                HandedTexts::Shown
            }
            PromptKind::Conversation if texts.is_empty() => HandedTexts::Shown,
            PromptKind::Conversation => {
                if before == BeforeClaim::Waiting {
                    self.act(WorkerAction::Away);
                }
                let mut texts = self.take_fitting(texts);
                texts.iter_mut().for_each(|text| self.show(text));
                let work = TaskWork::Prompt(joined(&texts));
                self.start_turn_with(now_ms, TurnFor::Texts, None, work, texts);
                HandedTexts::AsTurn
            }
        }
    }

    /// The first of these texts, as many as a prompt has room for, and one at least. The others wait for the turn after it.
    fn take_fitting(&mut self, mut texts: VecDeque<WaitingText>) -> Vec<WaitingText> {
        let mut room = self.settings.prompt_bytes_max.saturating_sub(self.words_before_bytes(WorkKind::Text));
        let mut fitting: Vec<WaitingText> = texts.pop_front().into_iter().collect();
        fitting.iter().for_each(|text| room = room.saturating_sub(bytes_of(text)));
        while let Some(left) = texts.front().and_then(|text| room.checked_sub(bytes_of(text))) {
            room = left;
            fitting.extend(texts.pop_front());
        }
        for text in texts.into_iter().rev() {
            match text.urgency {
                Urgency::Now | Urgency::Next => self.texts.push_front(text),
                Urgency::Idle => self.idle_texts.push_front(text),
            }
        }
        fitting
    }

    /// Lets the agent take the texts that it keeps, in a turn for them.
    pub(super) fn hand_queue_on(&mut self, now_ms: u64) -> HandedTexts {
        if self.settings.abilities.prompts == PromptKind::Program || !self.nudge_queued() {
            return HandedTexts::Shown;
        }
        self.act(WorkerAction::Away);
        self.start_turn(now_ms, TurnFor::Queued, None, TaskWork::Prompt(NUDGE.to_owned()));
        HandedTexts::AsTurn
    }

    pub(super) fn acknowledge(&mut self, ids: Vec<MessageId>) {
        self.act(WorkerAction::Acknowledge { ids });
    }

    /// To be called by the shell once acknowledgements are written.
    pub fn acknowledged(&mut self, ids: &[MessageId]) {
        for id in ids {
            self.taken.remove(id);
        }
    }
}

pub(super) fn said_steer(text: &WaitingText) -> TranscriptText {
    TranscriptText::Steered { id: text.id, from: text.from.clone(), text: text.text.clone() }
}

/// The text of a message for the agent; that of a control message is empty, because no agent sees control.
fn text_of(message: Message) -> WaitingText {
    let text = match message.body {
        MessageBody::Text { text } => text,
        MessageBody::TaskAssigned { .. }
        | MessageBody::ShutdownRequest(_)
        | MessageBody::ShutdownReply(_)
        | MessageBody::AbortRequest { .. }
        | MessageBody::PermissionAsked(_)
        | MessageBody::PermissionReply { .. }
        | MessageBody::Unknown => String::new(),
    };
    let (id, state) = (TextId::Message(message.id), ReceiptState::Accepted);
    WaitingText { id, from: message.from, text, urgency: message.urgency, state, shown: TextShown::No }
}
