//! What people type that is no verb, with the command that does what they most likely mean.

/// Words that people type, and that are no verbs because a verb of that name would mean something else to them.
#[derive(Debug, Clone, Copy)]
pub struct NotVerb {
    /// The words that people type, as a command.
    pub path: &'static str,
    /// The command to type instead.
    pub way_out: &'static str,
}

/// The words that people type as commands and that are none, each with what to type instead.
pub const NOT_VERBS: &[NotVerb] = &[
    NotVerb {
        path: "attach",
        way_out: "watch a member with teamster logs NAME -f, and speak to it with teamster steer",
    },
    NotVerb {
        path: "watch",
        way_out: "see what happens with teamster events -f, or one member with teamster logs NAME -f",
    },
    NotVerb {
        path: "add",
        way_out: "put a task on the board with teamster task add, start a member with teamster spawn",
    },
    NotVerb { path: "exec", way_out: "let a member run a command with teamster task add --run, or teamster send NAME" },
    NotVerb {
        path: "cancel",
        way_out: "cancel a task with teamster task cancel ID, interrupt a member with teamster stop",
    },
    NotVerb { path: "retry", way_out: "open a task again with teamster task retry ID" },
    NotVerb {
        path: "restart",
        way_out: "end a member with teamster kill NAME and start it with teamster spawn NAME; the leader is replaced by \
                  teamster restart-leader",
    },
    NotVerb { path: "quit", way_out: "end the team with teamster down, one member with teamster shutdown NAME" },
    NotVerb { path: "exit", way_out: "end the team with teamster down, one member with teamster shutdown NAME" },
    NotVerb { path: "version", way_out: "print the version with teamster --version" },
    NotVerb { path: "task complete", way_out: TASK_IS_COMPLETED },
    NotVerb { path: "task done", way_out: TASK_IS_COMPLETED },
    NotVerb { path: "task rm", way_out: TASK_IS_TAKEN_OFF },
    NotVerb { path: "task remove", way_out: TASK_IS_TAKEN_OFF },
    NotVerb { path: "task delete", way_out: TASK_IS_TAKEN_OFF },
];

const TASK_IS_COMPLETED: &str =
    "a task is completed by the member that does it; if it needs no doing, teamster task cancel ID";
const TASK_IS_TAKEN_OFF: &str =
    "teamster task cancel ID takes a task off the work to be done, teamster task clear removes what is over";
