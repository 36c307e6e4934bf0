//! What the table says of each verb: its names, its heading, who may ask for it, and how it is explained.

use teamster_protocol::model::id::Address;

/// The verbs under one heading of the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerbGroup {
    /// The team and the process that leads it.
    Team,
    /// Starting and ending members.
    Members,
    /// Saying something to members.
    Talk,
    /// Looking at what goes on.
    Look,
    /// The task board.
    Tasks,
    /// Whole jobs.
    Jobs,
    /// Keeping teams and this program in order.
    Upkeep,
}

impl VerbGroup {
    /// Every group, in the order of the help.
    pub const ALL: [VerbGroup; 7] = [
        VerbGroup::Team,
        VerbGroup::Members,
        VerbGroup::Talk,
        VerbGroup::Look,
        VerbGroup::Tasks,
        VerbGroup::Jobs,
        VerbGroup::Upkeep,
    ];

    /// The heading above its verbs.
    pub const fn heading(self) -> &'static str {
        match self {
            VerbGroup::Team => "Lead a team",
            VerbGroup::Members => "Start and end members",
            VerbGroup::Talk => "Talk to members",
            VerbGroup::Look => "Look",
            VerbGroup::Tasks => "Tasks",
            VerbGroup::Jobs => "Whole jobs",
            VerbGroup::Upkeep => "Upkeep",
        }
    }
}

/// The callers that may ask for a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerbAccess {
    /// The lead and every member.
    Anybody,
    /// Only the lead.
    Lead {
        /// The deed in the words that end `alice may not …`.
        doing: &'static str,
    },
}

/// The process that does the work of a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerbProcess {
    /// The calling one: it reads and writes the team's files, or calls the leader.
    Caller,
    /// The calling one leads the team meanwhile, so a warden has to watch it.
    Leader,
}

/// Whether a verb changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerbEffect {
    /// It does: to do it a second time does more.
    Changes,
    /// It changes nothing, however often it is done.
    Looks,
}

/// Whether a verb is shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerbListing {
    /// The verb is in every list.
    Shown,
    /// Nowhere: only programs of this project ask for it.
    Hidden,
}

/// The row of a verb in the table of verbs.
#[derive(Debug, Clone, Copy)]
pub struct VerbRow {
    /// The words of its command: `task dep add`.
    pub path: &'static str,
    /// The option that makes the command at `path` this verb; none where the command is the verb.
    pub option: Option<&'static str>,
    /// Other names for the last word of `path`.
    pub synonyms: &'static [&'static str],
    /// The verb's one line in a list.
    pub about: &'static str,
    /// The heading that the verb stands under.
    pub group: VerbGroup,
    /// The callers that may ask for the verb.
    pub access: VerbAccess,
    /// The process that does the verb's work.
    pub process: VerbProcess,
    /// Whether it changes anything.
    pub effect: VerbEffect,
    /// Whether lists of verbs show it.
    pub listing: VerbListing,
    /// Commands to type, one example a line.
    pub examples: &'static str,
    /// The text of its help below the examples; empty where nothing needs to be said.
    pub notes: &'static str,
}

/// The way out for a member that asks for what is the lead's alone.
pub const ASK_THE_LEAD: &str = "ask for it: teamster dm lead TEXT";

impl VerbAccess {
    /// Why the caller may not ask for the verb; nothing if it may.
    pub fn refusal(self, caller: &Address) -> Option<String> {
        match (caller, self) {
            (Address::Member(name), VerbAccess::Lead { doing }) => {
                Some(format!("{name} may not {doing}: only the lead does that"))
            }
            (Address::Member(_), VerbAccess::Anybody) | (Address::Lead, _) => None,
        }
    }
}

impl VerbRow {
    pub(super) const fn new(
        path: &'static str,
        group: VerbGroup,
        about: &'static str,
        examples: &'static str,
    ) -> VerbRow {
        VerbRow {
            path,
            option: None,
            synonyms: &[],
            about,
            group,
            access: VerbAccess::Anybody,
            process: VerbProcess::Caller,
            effect: VerbEffect::Changes,
            listing: VerbListing::Shown,
            examples,
            notes: "",
        }
    }

    pub(super) const fn option(mut self, option: &'static str) -> VerbRow {
        self.option = Some(option);
        self
    }

    pub(super) const fn synonyms(mut self, synonyms: &'static [&'static str]) -> VerbRow {
        self.synonyms = synonyms;
        self
    }

    pub(super) const fn only_lead(mut self, doing: &'static str) -> VerbRow {
        self.access = VerbAccess::Lead { doing };
        self
    }

    pub(super) const fn leads(mut self) -> VerbRow {
        self.process = VerbProcess::Leader;
        self
    }

    pub(super) const fn looks(mut self) -> VerbRow {
        self.effect = VerbEffect::Looks;
        self
    }

    pub(super) const fn hidden(mut self) -> VerbRow {
        self.listing = VerbListing::Hidden;
        self
    }

    pub(super) const fn notes(mut self, notes: &'static str) -> VerbRow {
        self.notes = notes;
        self
    }
}
