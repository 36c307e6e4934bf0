//! The conversation, kept as JSON lines in the member's place of the team's directory. Each message is written before the next
//! step is taken, so that a later life of the agent goes on after whatever ended this one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use genai::chat::{ChatMessage, ChatRole, ToolCall, ToolResponse};
use serde::{Deserialize, Serialize};
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::agent::SessionId;
use teamster_protocol::model::id::MemberName;

use crate::limits::BYTES_PER_TOKEN;

/// The version of the files.
const VERSION: u32 = 1;

/// One line of a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ConversationLine {
    /// The first line.
    Conversation { v: u32, id: SessionId },
    /// The next message, in the form of the crate `genai`.
    Message(ChatMessage),
    /// These take the place of all messages before.
    Compacted { messages: Vec<ChatMessage> },
}

/// A conversation with its file, which only this process writes.
#[derive(Debug)]
pub(crate) struct Conversation {
    file: File,
    path: PathBuf,
    id: SessionId,
    messages: Vec<ChatMessage>,
    /// The tokens that the messages were, when the provider counted last, and the bytes that came since.
    counted_tokens: u64,
    uncounted_bytes: usize,
}

impl Conversation {
    /// A new one of that member.
    pub(crate) fn begin(dir: &TeamDir, member: &MemberName) -> Result<Conversation, String> {
        let folder = dir.conversations(member);
        let made = DirBuilder::new().mode(0o700).recursive(true).create(&folder);
        let begun = made.and_then(|()| {
            let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
            let id = SessionId(uuid.trim().to_owned());
            let path = folder.join(file_name(&id));
            let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
            let mut begun = Conversation {
                file,
                path,
                id: id.clone(),
                messages: Vec::new(),
                counted_tokens: 0,
                uncounted_bytes: 0,
            };
            begun.write(&ConversationLine::Conversation { v: VERSION, id })?;
            Ok(begun)
        });
        begun.map_err(|error| format!("cannot keep a conversation in {}: {error}", folder.display()))
    }

    /// An earlier one of that member. Fails with the reason why it can not be gone on with.
    pub(crate) fn resume(dir: &TeamDir, member: &MemberName, id: SessionId) -> Result<Conversation, String> {
        let path = dir.conversations(member).join(checked_name(&id)?);
        let (messages, whole_bytes) = read(&path)?;
        let opened = OpenOptions::new().append(true).open(&path).and_then(|file| {
            // A line that a kill cut off.
            file.set_len(whole_bytes as u64)?;
            Ok(file)
        });
        let file = opened.map_err(|error| format!("{}: {error}", path.display()))?;
        let uncounted_bytes = messages.iter().map(ChatMessage::size).sum();
        let mut resumed = Conversation { file, path, id, messages, counted_tokens: 0, uncounted_bytes };
        resumed.answer_open_calls("the agent was ended before this call was done")?;
        Ok(resumed)
    }

    /// A new one that begins with the messages of another, of whichever member of the team.
    pub(crate) fn copy(dir: &TeamDir, member: &MemberName, of: &SessionId) -> Result<Conversation, String> {
        let name = checked_name(of)?;
        let folders = fs::read_dir(dir.members_dir()).map_err(|error| error.to_string())?;
        let found = folders.flatten().map(|folder| folder.path().join(&name)).find(|path| path.exists());
        let (messages, _) = read(&found.ok_or_else(|| format!("there is no conversation {of} in this team"))?)?;
        let mut copy = Conversation::begin(dir, member)?;
        copy.replace(messages)?;
        copy.answer_open_calls("another does this call")?;
        Ok(copy)
    }

    /// The name by which a later life goes on with the conversation.
    pub(crate) fn id(&self) -> &SessionId {
        &self.id
    }

    /// What was said.
    pub(crate) fn messages(&self) -> &[ChatMessage] {
        &self.messages
    }

    /// How many tokens it is about.
    pub(crate) fn tokens(&self) -> u64 {
        self.counted_tokens + self.uncounted_bytes as u64 / BYTES_PER_TOKEN
    }

    /// The provider has counted all that is there.
    pub(crate) fn set_tokens(&mut self, tokens: u64) {
        if tokens > 0 {
            (self.counted_tokens, self.uncounted_bytes) = (tokens, 0);
        }
    }

    /// Adds a message.
    pub(crate) fn push(&mut self, message: ChatMessage) -> Result<(), String> {
        self.uncounted_bytes += message.size();
        let written = self.write(&ConversationLine::Message(message.clone()));
        self.messages.push(message);
        written.map_err(|error| self.unwritten(&error))
    }

    /// Puts these messages in the place of all.
    pub(crate) fn replace(&mut self, messages: Vec<ChatMessage>) -> Result<(), String> {
        let written = self.write(&ConversationLine::Compacted { messages: messages.clone() });
        (self.counted_tokens, self.uncounted_bytes) = (0, messages.iter().map(ChatMessage::size).sum());
        self.messages = messages;
        written.map_err(|error| self.unwritten(&error))
    }

    /// Answers the calls of tools that have no answer: a provider takes no conversation with such.
    pub(crate) fn answer_open_calls(&mut self, why: &str) -> Result<(), String> {
        for call in open_calls(&self.messages) {
            self.push(ChatMessage::from(ToolResponse::from_tool_call(&call, format!("[{why}]"))))?;
        }
        Ok(())
    }

    fn write(&mut self, line: &ConversationLine) -> io::Result<()> {
        let mut line = serde_json::to_vec(line).map_err(io::Error::other)?;
        line.push(b'\n');
        let whole_bytes = self.file.metadata()?.len();
        self.file.write_all(&line).inspect_err(|_| {
            // Half a line would make the next one unreadable. To cut it off needs no room.
            let _ = self.file.set_len(whole_bytes);
        })
    }

    fn unwritten(&self, error: &io::Error) -> String {
        format!("cannot write the conversation to {}: {error}", self.path.display())
    }
}

fn file_name(id: &SessionId) -> String {
    format!("{id}.jsonl")
}

/// The file of a conversation that somebody named. Names of ours lead nowhere else.
fn checked_name(id: &SessionId) -> Result<String, String> {
    match id.0.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-') && !id.0.is_empty() {
        true => Ok(file_name(id)),
        false => Err(format!("{id} is no conversation of this agent")),
    }
}

/// The messages of a file, and how many bytes of it are whole lines.
fn read(path: &Path) -> Result<(Vec<ChatMessage>, usize), String> {
    let failed = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", path.display());
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("there is no {}", path.display()),
        _ => failed(&error),
    })?;
    // First the line that a kill cut off, which may be in the midst of a letter.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(&bytes[..0], |end| &bytes[..=end]);
    let whole = str::from_utf8(whole).map_err(|error| failed(&error))?;
    let mut messages = Vec::new();
    let mut has_begun = false;
    for (number, line) in (1..).zip(whole.lines()) {
        let at = || format!("{}:{number}", path.display());
        match serde_json::from_str(line).map_err(|error| format!("{}: {error}", at()))? {
            ConversationLine::Conversation { v: VERSION, .. } => has_begun = true,
            ConversationLine::Conversation { v, .. } => return Err(format!("{}: version {v} is not known here", at())),
            ConversationLine::Message(message) => messages.push(message),
            ConversationLine::Compacted { messages: fewer } => messages = fewer,
        }
    }
    if !has_begun {
        return Err(format!("{} is empty", path.display()));
    }
    Ok((messages, whole.len()))
}

/// The calls after which no answer to them stands.
fn open_calls(messages: &[ChatMessage]) -> Vec<ToolCall> {
    let Some(last) = messages.iter().rposition(|message| message.role == ChatRole::Assistant) else {
        return Vec::new();
    };
    let answered: Vec<&str> = messages[last..]
        .iter()
        .flat_map(|message| message.content.tool_responses())
        .map(|response| response.call_id.as_str())
        .collect();
    let calls = messages[last].content.tool_calls().into_iter();
    calls.filter(|call| !answered.contains(&call.call_id.as_str())).cloned().collect()
}

#[cfg(test)]
mod tests {
    use genai::chat::MessageContent;
    use serde_json::json;

    use super::*;

    fn team() -> (tempfile::TempDir, TeamDir, MemberName) {
        let root = tempfile::tempdir().expect("a temporary folder");
        let dir = TeamDir::new(root.path(), "t".parse().expect("a name"));
        dir.create().expect("it can be made");
        (root, dir, "alice".parse().expect("a name"))
    }

    fn call(id: &str) -> ToolCall {
        ToolCall {
            call_id: id.into(),
            fn_name: "bash".into(),
            fn_arguments: json!({"command": "ls"}),
            thought_signatures: None,
        }
    }

    fn shown(talk: &Conversation) -> Vec<String> {
        talk.messages().iter().map(|message| serde_json::to_string(&message.content).expect("plain data")).collect()
    }

    #[test]
    fn a_conversation_goes_on_where_a_kill_ended_it() {
        let (_root, dir, alice) = team();
        let mut talk = Conversation::begin(&dir, &alice).expect("it can be written");
        talk.push(ChatMessage::user("count")).expect("it can be written");
        talk.push(ChatMessage::assistant(MessageContent::from_tool_calls(vec![call("a"), call("b")])))
            .expect("written");
        talk.push(ChatMessage::from(ToolResponse::new("a", "41"))).expect("it can be written");
        let (id, path) = (talk.id().clone(), talk.path.clone());
        talk.file.write_all(b"{\"message\":{\"content\":\"\xc3").expect("it can be written");
        drop(talk);
        let resumed = Conversation::resume(&dir, &alice, id.clone()).expect("it is whole but for its end");
        assert_eq!(resumed.messages().len(), 4);
        assert!(shown(&resumed)[3].contains("ended before this call was done"), "{:?}", shown(&resumed));
        let again = Conversation::resume(&dir, &alice, id.clone()).expect("and is whole now");
        assert_eq!(shown(&again), shown(&resumed));

        let bob = "bob".parse().expect("a name");
        let copy = Conversation::copy(&dir, &bob, &id).expect("anybody's can be copied");
        assert_ne!(copy.id(), &id);
        assert_eq!(shown(&copy), shown(&resumed));

        fs::write(&path, "nonsense\n").expect("it can be written");
        let lost = Conversation::resume(&dir, &alice, id).expect_err("it can not be read");
        assert!(lost.contains(".jsonl:1: expected"), "{lost}");
    }

    #[test]
    fn a_conversation_that_is_not_there_or_no_name_of_one_is_refused() {
        let (_root, dir, alice) = team();
        let refused = |id: &str| Conversation::resume(&dir, &alice, SessionId(id.into())).expect_err(id);
        assert!(refused("00-11").contains("there is no "));
        assert!(refused("../alice").contains("is no conversation of this agent"));
        assert!(Conversation::copy(&dir, &alice, &SessionId("00-11".into())).is_err());
    }

    #[test]
    fn the_specification_shows_such_a_file() {
        let spec = include_str!("../../../protocol/SPEC.md");
        let begin = spec.find("{\"conversation\":").expect("an example");
        let example = spec[begin..].split("```").next().expect("its lines");
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("a"), example).expect("it can be written");
        let (messages, _) = read(&folder.path().join("a")).expect("it can be read");
        assert_eq!(messages.len(), 1);
        let written: Vec<String> =
            messages.iter().map(|message| serde_json::to_string(message).expect("plain")).collect();
        assert!(example.contains(&written[0]), "{written:?}");
    }

    #[test]
    fn few_words_take_the_place_of_many() {
        let (_root, dir, alice) = team();
        let mut talk = Conversation::begin(&dir, &alice).expect("it can be written");
        talk.push(ChatMessage::user("x".repeat(4_000))).expect("it can be written");
        assert_eq!(talk.tokens(), 1_000);
        talk.replace(vec![ChatMessage::user("short")]).expect("it can be written");
        talk.push(ChatMessage::assistant("ok")).expect("it can be written");
        assert_eq!(talk.tokens(), 1);
        let id = talk.id().clone();
        let resumed = Conversation::resume(&dir, &alice, id).expect("it is whole");
        assert_eq!(shown(&resumed), shown(&talk));
    }
}
