//! The leader's side of [`LeaderApi`](teamster_protocol::wire::api::LeaderApiServer). Calls about the lives of workers
//! go to the core; the board, the roster and mail are on disk; a running worker is called directly.

use std::sync::Arc;

use jsonrpsee::core::client::Error as RpcError;
use jsonrpsee::core::{RpcResult, async_trait};
use jsonrpsee::types::ErrorObjectOwned;
use teamster_protocol::model::agent::Permission;
use teamster_protocol::model::id::{Address, MemberName, MessageId};
use teamster_protocol::model::last_turn::steer_now;
use teamster_protocol::model::limits::PROTOCOL_VERSION;
use teamster_protocol::model::limits::pace::LEAVING_WITHIN;
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::model::receipt::TextId;
use teamster_protocol::model::roster::{AfterLeaving, MemberPresence, MemberSpec, TeamFact, WakeRight};
use teamster_protocol::model::shutdown::WhenBusy;
use teamster_protocol::model::task::{BoardRefusal, TaskWork, WorkKind};
use teamster_protocol::store::presence::WorkerLife;
use teamster_protocol::team::{TeamError, worker_life};
use teamster_protocol::wire::api::{
    EndedMember, LeaderApiServer, LeaderInfo, PassedVia, PromptAnswer, ProtocolHello, SpawnRequest, SpawnedMember,
    SteerAnswer, SteerHaste, SteerPassed, StoppedTurn, TeamEnding, WorkerApiClient, code,
};
use teamster_protocol::wire::peer::Peer;
use tokio::time::timeout;

use super::by_mail::stop_by_mail;
use crate::core::{LeaderAnswer, LeaderAsk};
use crate::daemon::{AskError, LeaderShared};
use crate::verb::{ASK_THE_LEAD, Verb, VerbAccess};
use crate::warden;

/// The service of the leader's calls for one connected front.
#[derive(Debug, Clone)]
pub struct FrontServer {
    shared: Arc<LeaderShared>,
    /// The one whose process calls, or why the system does not tell.
    caller: Result<Address, String>,
}

/// A refusal as it goes over the wire.
pub fn refused(code: i32, why: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(code, why.into(), None::<()>)
}

/// The same words as where no leader runs.
fn not_running(name: &MemberName) -> ErrorObjectOwned {
    refused(code::REFUSED, format!("{name} is not running\nstart it with teamster spawn {name}"))
}

/// Why the core did not answer, as it goes over the wire.
fn not_answered(error: &AskError) -> ErrorObjectOwned {
    let code = match error {
        AskError::Ended => code::ENDED,
        AskError::Refused(_) => code::REFUSED,
    };
    refused(code, error.to_string())
}

/// An error of the team on disk as it goes over the wire.
pub fn team_error(error: &TeamError) -> ErrorObjectOwned {
    let code = match error {
        TeamError::Refused(BoardRefusal::NoTask(_)) | TeamError::Roster(_) => code::NOT_FOUND,
        TeamError::Refused(_) | TeamError::Mail(_) => code::REFUSED,
        TeamError::Log(error) if error.is_of_the_file() => code::CORRUPT,
        TeamError::Log(_)
        | TeamError::NotDurable(_)
        | TeamError::Dir(_)
        | TeamError::Lock(_)
        | TeamError::Transcript(_) => code::SYSTEM,
    };
    refused(code, error.to_string())
}

impl FrontServer {
    /// A server on what the leader shares, for who calls.
    pub fn new(shared: Arc<LeaderShared>, caller: Result<Address, String>) -> FrontServer {
        FrontServer { shared, caller }
    }

    /// Refuses a member what the table of verbs gives to the lead alone. Operations ask the same before they call; this is for
    /// other callers, and by the kernel's word about the caller.
    fn authorize(&self, verb: Verb) -> RpcResult<()> {
        match (&self.caller, verb.row().access) {
            (Ok(caller), access) => access
                .refusal(caller)
                .map_or(Ok(()), |why| Err(refused(code::REFUSED, format!("{why}\n{ASK_THE_LEAD}")))),
            (Err(_), VerbAccess::Anybody) => Ok(()),
            (Err(why), VerbAccess::Lead { doing }) => {
                Err(refused(code::SYSTEM, format!("{why}\nonly the lead may {doing}: try again in a moment")))
            }
        }
    }

    async fn ended(&self, what: LeaderAsk) -> RpcResult<Vec<EndedMember>> {
        match self.shared.ask(what).await.map_err(|error| not_answered(&error))? {
            LeaderAnswer::Ended(mut ended) => {
                // Members come in the order in which they ended, which is another one each time.
                ended.sort_by(|one, other| one.name.cmp(&other.name));
                Ok(ended)
            }
            LeaderAnswer::Spawned(_) | LeaderAnswer::TurnEnded(_) => unreachable!("ends are answered with ends"),
        }
    }

    /// Why nobody with this name could be ended. Asked after the core: a member that is being spawned for the first
    /// time can be ended, and is not on the roster yet.
    fn not_running(&self, name: &MemberName) -> ErrorObjectOwned {
        self.must_be_member(name).err().unwrap_or_else(|| not_running(name))
    }

    /// The link to a member, or whether it is to be reached by mail.
    fn reach(&self, name: &MemberName) -> RpcResult<MemberReach> {
        self.must_be_member(name)?;
        if let Some(peer) = self.shared.links.peer(name) {
            return Ok(MemberReach::Linked(peer));
        }
        let life = match self.shared.team().roster().member(name) {
            Ok(member) => worker_life(&self.shared.dir, name, &member.presence),
            Err(refusal) => return Err(refused(code::NOT_FOUND, refusal.to_string())),
        };
        match life {
            Ok(WorkerLife::Locked | WorkerLife::LockLost | WorkerLife::Dying) => Ok(MemberReach::ByMail),
            Ok(WorkerLife::Dead) => Err(not_running(name)),
            Err(error) => Err(refused(code::SYSTEM, error.to_string())),
        }
    }

    fn must_be_member(&self, name: &MemberName) -> RpcResult<()> {
        let mut team = self.shared.team();
        team.refresh(|_| ()).map_err(|error| team_error(&error))?;
        team.roster().member(name).map_err(|refusal| refused(code::NOT_FOUND, refusal.to_string()))?;
        Ok(())
    }

    /// The settings of a member that left and may be started again by a text of the caller; nothing for one that did not leave.
    /// Refused for one that is started by the lead alone, or by nothing but a spawn.
    fn spec_to_wake(&self, name: &MemberName) -> RpcResult<Option<MemberSpec>> {
        let team = self.shared.team();
        let member = team.roster().member(name).map_err(|refusal| refused(code::NOT_FOUND, refusal.to_string()))?;
        match &member.presence {
            MemberPresence::Joined { .. }
            | MemberPresence::Expected { .. }
            | MemberPresence::Left { then: AfterLeaving::Again { .. }, .. } => Ok(None),
            MemberPresence::Left { how, .. }
                if self.caller.as_ref().is_ok_and(|caller| how.may_be_woken_by(caller)) =>
            {
                Ok(Some(member.spec.clone()))
            }
            MemberPresence::Left { how, .. } => {
                let (by, hint) = match how.wake_right() {
                    WakeRight::Nobody => ("by no text or task", format!("start it with teamster spawn {name}")),
                    WakeRight::LeadAlone | WakeRight::Anybody => ("by the lead alone", ASK_THE_LEAD.to_owned()),
                };
                Err(refused(code::REFUSED, format!("{name} is started {by}: {}\n{hint}", how.sentence())))
            }
        }
    }

    /// Whether the agent of a member reads words, and runs not only commands.
    fn reads_words(&self, name: &MemberName) -> bool {
        let team = self.shared.team();
        team.roster().member(name).is_ok_and(|member| member.spec.prompts().takes(WorkKind::Text))
    }

    /// Whether a member was asked or told to end.
    fn is_ending(&self, name: &MemberName) -> bool {
        let team = self.shared.team();
        team.roster().member(name).is_ok_and(|member| member.ending_since_ms().is_some())
    }

    /// Writes down that a turn was stopped that is on no board. The turn is stopped in any case.
    fn note_stop(&self, fact: TeamFact) {
        if let Err(error) = self.shared.team().enroll(fact) {
            tracing::warn!("cannot write down that a turn was stopped: {error}");
        }
    }

    fn post(&self, to: &MemberName, urgency: Urgency, body: MessageBody) -> RpcResult<MessageId> {
        let to = Address::Member(to.clone());
        self.shared.team().post(&to, urgency, body).map_err(|error| team_error(&error))
    }
}

enum MemberReach {
    Linked(Peer),
    ByMail,
}

/// The worker's own refusal with the way out, which is on a second line where the worker knows one, or that it could not
/// be asked.
fn passed(name: &MemberName, error: RpcError, hint: Option<&str>) -> ErrorObjectOwned {
    match (error, hint) {
        (RpcError::Call(error), Some(hint)) if error.code() == code::REFUSED && !error.message().contains('\n') => {
            refused(error.code(), format!("{name} did not take it: {}\n{hint}", error.message()))
        }
        (RpcError::Call(error), _) => refused(error.code(), format!("{name} did not take it: {}", error.message())),
        (error, _) => refused(code::SYSTEM, format!("cannot reach {name}: {error}")),
    }
}

#[async_trait]
impl LeaderApiServer for FrontServer {
    async fn hello(&self, hello: ProtocolHello) -> RpcResult<LeaderInfo> {
        if hello.protocol != PROTOCOL_VERSION {
            let theirs = hello.protocol;
            let why = format!("the leader speaks protocol {PROTOCOL_VERSION}, this program {theirs}");
            return Err(refused(code::OTHER_VERSION, why));
        }
        Ok(LeaderInfo { ending: self.shared.ending(), ..self.shared.info.clone() })
    }

    async fn spawn(&self, request: SpawnRequest) -> RpcResult<SpawnedMember> {
        self.authorize(Verb::Spawn)?;
        match self.shared.ask(LeaderAsk::Spawn(Box::new(request))).await.map_err(|error| not_answered(&error))? {
            LeaderAnswer::Spawned(spawned) => Ok(spawned),
            LeaderAnswer::Ended(_) | LeaderAnswer::TurnEnded(_) => unreachable!("a spawn is answered with a spawn"),
        }
    }

    async fn wake(&self, name: MemberName) -> RpcResult<Option<SpawnedMember>> {
        // Whoever may write to a member may start it with that.
        self.authorize(Verb::Dm)?;
        self.must_be_member(&name)?;
        let Some(spec) = self.spec_to_wake(&name)? else { return Ok(None) };
        // The worker that said goodbye may not have ended quite. If it does not, the start says so.
        let _ = timeout(LEAVING_WITHIN, self.shared.ask(LeaderAsk::AwaitEnd { name: name.clone() })).await;
        match self.shared.ask(LeaderAsk::Spawn(Box::new(SpawnRequest::again(name.clone(), spec)))).await {
            Ok(LeaderAnswer::Spawned(spawned)) => Ok(Some(spawned)),
            Ok(LeaderAnswer::Ended(_) | LeaderAnswer::TurnEnded(_)) => {
                unreachable!("a spawn is answered with a spawn")
            }
            Err(error) => {
                // Another caller may have woken it in the same moment.
                self.must_be_member(&name)?;
                match self.spec_to_wake(&name) {
                    Ok(None) => Ok(None),
                    Ok(Some(_)) | Err(_) => Err(not_answered(&error)),
                }
            }
        }
    }

    async fn send(&self, name: MemberName, work: TaskWork) -> RpcResult<PromptAnswer> {
        self.authorize(Verb::Send)?;
        match self.reach(&name)? {
            MemberReach::Linked(peer) => {
                let hint = match self.is_ending(&name) {
                    true => {
                        let shown = if self.reads_words(&name) { "TEXT" } else { "--run COMMAND" };
                        format!(
                            "it takes nothing more: give it to another member, or, once {name} has ended, type \
                             teamster spawn {name}, then teamster send {name} {shown}"
                        )
                    }
                    false if work.kind() == WorkKind::Text && self.reads_words(&name) => format!(
                        "let it finish, or interrupt it, so that it goes on with this in the same turn: {} (without --now \
                         when it can); teamster stop {name} ends the turn",
                        steer_now(&name, work.text())
                    ),
                    false => format!("let it finish, or end its turn with teamster stop {name}"),
                };
                peer.prompt(work).await.map_err(|error| passed(&name, error, Some(&hint)))
            }
            MemberReach::ByMail => {
                let why = format!("there is no link to {name}, so it takes no prompt");
                let hint = format!("give it a task: teamster task add --to {name} …");
                Err(refused(code::REFUSED, format!("{why}\n{hint}")))
            }
        }
    }

    async fn steer(&self, name: MemberName, text: String, haste: Option<SteerHaste>) -> RpcResult<SteerPassed> {
        self.authorize(Verb::Steer)?;
        match self.reach(&name)? {
            MemberReach::Linked(peer) => {
                let what = if self.reads_words(&name) { "TEXT" } else { "--run COMMAND" };
                let hint = match self.is_ending(&name) {
                    true => format!("it takes nothing more; teamster stop {name} ends what it is at"),
                    false => format!("give it something to do with teamster send {name} {what}"),
                };
                let steered = peer.steer(text, haste).await.map_err(|error| passed(&name, error, Some(&hint)))?;
                let SteerAnswer { text, state, haste } = steered;
                Ok(SteerPassed { via: PassedVia::Rpc, text, state: Some(state), haste })
            }
            MemberReach::ByMail if haste == Some(SteerHaste::Now) => {
                let why = format!("there is no link to {name}, so its turn can not be interrupted");
                Err(refused(code::REFUSED, format!("{why}\nsay it without --now: it goes by mail")))
            }
            MemberReach::ByMail => {
                let id = self.post(&name, Urgency::Now, MessageBody::Text { text })?;
                Ok(SteerPassed { via: PassedVia::Mail, text: TextId::Message(id), state: None, haste: None })
            }
        }
    }

    async fn stop(&self, name: MemberName, reason: String) -> RpcResult<StoppedTurn> {
        self.authorize(Verb::Stop)?;
        let peer = match self.reach(&name)? {
            MemberReach::Linked(peer) => peer,
            MemberReach::ByMail => {
                return stop_by_mail(&mut self.shared.team(), &name, reason).map_err(|error| team_error(&error));
            }
        };
        let aborting = peer.abort(reason.clone()).await.map_err(|error| passed(&name, error, None))?;
        if aborting.task.is_none() {
            self.note_stop(TeamFact::TurnStopped { name: name.clone(), turn: aborting.turn, reason });
        }
        let stop = match self.shared.ask(LeaderAsk::AwaitTurnEnd { name, turn: aborting.turn }).await {
            Ok(LeaderAnswer::TurnEnded(stop)) => stop,
            Ok(LeaderAnswer::Spawned(_) | LeaderAnswer::Ended(_)) => {
                unreachable!("a wait for a turn is answered with its end")
            }
            // How the turn ended is on the board.
            Err(AskError::Ended | AskError::Refused(_)) => None,
        };
        Ok(StoppedTurn { via: PassedVia::Rpc, task: aborting.task, stop })
    }

    async fn permit(&self, name: MemberName, question: u64, answer: Permission) -> RpcResult<PassedVia> {
        self.authorize(match answer {
            Permission::Once | Permission::Always => Verb::Approve,
            Permission::Never { .. } => Verb::Deny,
        })?;
        match self.reach(&name)? {
            MemberReach::Linked(peer) => {
                peer.permit(question, answer).await.map_err(|error| passed(&name, error, None))?;
                Ok(PassedVia::Rpc)
            }
            MemberReach::ByMail => {
                self.post(&name, Urgency::Now, MessageBody::PermissionReply { question, answer })?;
                Ok(PassedVia::Mail)
            }
        }
    }

    async fn shutdown(
        &self,
        name: Option<MemberName>,
        reason: String,
        when_busy: WhenBusy,
    ) -> RpcResult<Vec<EndedMember>> {
        self.authorize(Verb::Shutdown)?;
        let one = name.clone();
        let ended = self.ended(LeaderAsk::Shutdown { name, reason, when_busy }).await?;
        // Asked after the core: a member that is being spawned for the first time can be ended, and is not on the roster yet.
        match one {
            Some(name) if ended.is_empty() => self.must_be_member(&name)?,
            Some(_) | None => {}
        }
        Ok(ended)
    }

    async fn kill(&self, name: MemberName) -> RpcResult<EndedMember> {
        self.authorize(Verb::Kill)?;
        let ended = self.ended(LeaderAsk::Kill { name: name.clone() }).await?;
        ended.into_iter().next().ok_or_else(|| self.not_running(&name))
    }

    async fn hand_over(&self) -> RpcResult<()> {
        self.authorize(Verb::RestartLeader)?;
        if !warden::is_above() {
            let why = "this leader has no warden that would start the next one: it leads for one command";
            return Err(refused(code::REFUSED, why));
        }
        self.ended(LeaderAsk::HandOver).await.map(|_| ())
    }

    async fn down(&self, force: bool) -> RpcResult<Vec<EndedMember>> {
        self.authorize(Verb::Down)?;
        self.ended(LeaderAsk::Down { how: if force { TeamEnding::ByForce } else { TeamEnding::Gently } }).await
    }
}
