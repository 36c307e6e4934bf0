//! The one table of verbs: what a team can be asked to do, what each is called, who may ask for it, and how it is
//! explained. The command line, its help, the authorization of operations and that of the leader's calls are made from this
//! table, and so will every other front.
//!
//! A new verb is one row here, one operation in `ops`, and one file in each front.

mod not_verb;
mod notes;
mod row;

pub use not_verb::{NOT_VERBS, NotVerb};
pub use row::{ASK_THE_LEAD, VerbAccess, VerbEffect, VerbGroup, VerbListing, VerbProcess, VerbRow};

use notes::{APPROVAL_NOTES, CONFIG_NOTES, DM_NOTES, TEXT_NOTES, WORK_NOTES};

/// Words that stand before verbs and are none: `task` in `task add`.
#[derive(Debug, Clone, Copy)]
pub struct VerbPrefix {
    /// The words: `task dep`.
    pub path: &'static str,
    /// Other names for the last word of `path`.
    pub synonyms: &'static [&'static str],
    /// The line in a list.
    pub about: &'static str,
    /// Commands to type, one example a line.
    pub examples: &'static str,
}

/// The words that begin the paths of several verbs, in the order in which help shows them.
pub const PREFIXES: [VerbPrefix; 2] = [
    VerbPrefix { path: "task", synonyms: &["tasks"], about: "The task board", examples: "teamster task list" },
    VerbPrefix {
        path: "task dep",
        synonyms: &["deps"],
        about: "What a task waits for",
        examples: "teamster task dep ls 3",
    },
];

macro_rules! verbs {
    ($($verb:ident = $row:expr;)*) => {
        /// A verb: one thing that the program can be asked to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "the row of each says what it does")]
        pub enum Verb {
            $($verb,)*
        }

        impl Verb {
            /// Every verb, in the order of the help.
            pub const ALL: &'static [Verb] = &[$(Verb::$verb,)*];

            /// Whether the verb is carried out although a file of settings can not be used: a mistake in one, by
            /// whomever, must not keep the lead from looking at a team, or from ending it.
            pub fn goes_on_without_settings(self) -> bool {
                let ends = [Verb::Down, Verb::Kill, Verb::Shutdown, Verb::Stop, Verb::Cleanup].contains(&self);
                // What this prints starts a worker.
                let starts = self == Verb::Env;
                ends || (self.row().effect == VerbEffect::Looks && !starts)
            }

            /// The row of the verb in the table.
            pub const fn row(self) -> VerbRow {
                match self {
                    $(Verb::$verb => $row,)*
                }
            }
        }
    };
}

use VerbGroup::{Jobs, Look, Members, Talk, Tasks, Team, Upkeep};

verbs! {
    Up = VerbRow::new("up", Team, "Lead the team, in the foreground until Ctrl-C",
        "teamster up\n\
         teamster up --detach")
        .only_lead("lead the team").leads();
    Down = VerbRow::new("down", Team, "End all members, then the leader",
        "teamster down\n\
         teamster down --force")
        .only_lead("end the team");
    RestartLeader = VerbRow::new("restart-leader", Team, "Replace the leader, as after an upgrade; every worker goes on",
        "teamster restart-leader")
        .only_lead("restart the leader")
        .notes("The next leader runs the program as it is installed now, and links to the workers that run.");
    Id = VerbRow::new("id", Team, "Print the name of the team",
        "teamster id")
        .looks();
    Teams = VerbRow::new("teams", Team, "List all teams, with their repositories",
        "teamster teams\n\
         teamster teams --json | jq '.teams[] | select(.open > 0)'")
        .looks();
    Agents = VerbRow::new("agents", Members, "List the agents that members may drive, and what each can do",
        "teamster agents\n\
         teamster agents --prompt        what an agent is told of itself and its team\n\
         teamster agents --json | jq '.agents[] | select(.installed) | .name'")
        .looks();
    Config = VerbRow::new("config", Upkeep, "Show each setting, and who gave it: the command line, the environment, a file, or nobody",
        "teamster config\n\
         teamster config --json")
        .notes(CONFIG_NOTES)
        .looks();
    Spawn = VerbRow::new("spawn", Members, "Start members and wait until they are ready",
        "teamster spawn alice bob --worktree\n\
         teamster spawn bob --worktree --base main --role tests\n\
         teamster spawn carol --cwd . --no-claim\n\
         teamster spawn dora --agent pi --model anthropic/claude-sonnet-4-5 --effort high\n\
         teamster spawn emil --agent pi --context branch:dora      knows what dora knows\n\
         teamster spawn erik --agent claude --max-cost 5\n\
         teamster spawn finn --agent codex --no-park              ends at a limit of its provider")
        .synonyms(&["start"])
        .only_lead("spawn members");
    List = VerbRow::new("list", Look, "List the members",
        "teamster list\n\
         teamster list --json | jq '.members[].state'")
        .synonyms(&["ls", "ps", "members"])
        .looks();
    Status = VerbRow::new("status", Look, "Show how the team, or one member, is doing",
        "teamster status\n\
         teamster status alice")
        .looks();
    Why = VerbRow::new("why", Look, "Tell why a task is not being done, or a member does nothing",
        "teamster why 7\n\
         teamster why alice")
        .looks();
    Wait = VerbRow::new("wait", Look, "Wait until tasks are completed, or until nothing goes on",
        "teamster wait 3 4\n\
         teamster wait 3 --timeout 30m\n\
         teamster wait --idle")
        .notes("Exit codes: 0 all are completed; 1 one has failed, was cancelled or removed, waits for one that\n\
            has, or the time is over; 130 interrupted.")
        .looks();
    Approvals = VerbRow::new("approvals", Talk, "List what agents ask permission for, oldest first",
        "teamster approvals\n\
         teamster approvals --json | jq -r '.approvals[].id'")
        .looks()
        .notes(APPROVAL_NOTES);
    Approve = VerbRow::new("approve", Talk, "Allow what an agent asks permission for",
        "teamster approve alice.37\n\
         teamster approve alice.37 bob.12 --always\n\
         teamster approve --all --member alice --tool Bash")
        .synonyms(&["allow"])
        .only_lead("answer questions for permission")
        .notes("--always lets the agent do the like without a question for as long as it runs, where it can be told\n\
            that; else this once.");
    Deny = VerbRow::new("deny", Talk, "Deny what an agent asks permission for; the agent is told why",
        "teamster deny alice.37\n\
         teamster deny alice.37 not on this branch")
        .only_lead("answer questions for permission");
    Send = VerbRow::new("send", Talk, "Give an idle member something to do",
        "teamster send alice --run make test\n\
         teamster send alice --run -i ./configure      it can be answered with teamster steer\n\
         git diff | teamster send alice -\n\
         teamster send alice --wait --run make test    until it has ended")
        .synonyms(&["prompt"])
        .notes(WORK_NOTES)
        .only_lead("start turns of members");
    Steer = VerbRow::new("steer", Talk, "Say something to a member's running turn",
        "teamster steer alice leave the parser alone\n\
         teamster steer alice --now not that branch    it is interrupted, and goes on with this\n\
         teamster steer alice --wait is it done?")
        .notes("A command reads it as a line of its standard input, if it was started with -i.\n\
            Most agents read it after their answer or tool, some after their turn. With --now the agent is stopped in\n\
            what it does, and prompted again in the same turn, with what it was asked and what it had said.\n\
            What follows the first word is text: options come before it, or -- does.")
        .only_lead("steer members");
    Dm = VerbRow::new("dm", Talk, "Write to a member's mailbox",
        "teamster dm alice the API moved to v2\n\
         teamster dm alice --urgent stop using main\n\
         teamster dm alice --no-wake for when you are back    alice is not started by it")
        .synonyms(&["mail"])
        .notes(DM_NOTES);
    Broadcast = VerbRow::new("broadcast", Talk, "Write to every member's mailbox",
        "teamster broadcast main is frozen until noon")
        .notes(TEXT_NOTES);
    Inbox = VerbRow::new("inbox", Talk, "Read the lead's mail, or look at a member's",
        "teamster inbox              read the lead's mail; what was shown counts as read\n\
         teamster inbox alice        look at a member's mail, without marking it read\n\
         teamster inbox --all")
        .looks();
    Logs = VerbRow::new("logs", Look, "Show what a member's agent said and did, or all attempts at a task",
        "teamster logs alice -f\n\
         teamster logs 7 -f              until the task has ended\n\
         teamster logs alice --turns 1")
        .synonyms(&["log"])
        .looks();
    Events = VerbRow::new("events", Look, "Show what happened on board, roster and mail, in order",
        "teamster events -n 20\n\
         teamster events -f --json | jq -c 'select(.kind == \"failed\") | .data'")
        .looks();
    Stop = VerbRow::new("stop", Members, "Abort the turns of members; the task of each is held for it",
        "teamster stop alice\n\
         teamster stop alice bob --reason \"wrong branch\"")
        .synonyms(&["abort"])
        .only_lead("stop members");
    Unpark = VerbRow::new("unpark", Members, "Let parked members go on before the time that their provider told",
        "teamster unpark alice\n\
         teamster unpark --all")
        .only_lead("unpark members")
        .notes("Members of one account are parked together, and go on together: those whose agent is reached by the\n\
            same program, arguments and keys, with a model of the same provider. Should the provider still take no\n\
            more, its next word parks them again.");
    Shutdown = VerbRow::new("shutdown", Members, "Ask members, or all, to end",
        "teamster shutdown alice bob\n\
         teamster shutdown alice --finish --reason \"no more work today\"\n\
         teamster shutdown")
        .only_lead("shut members down");
    Kill = VerbRow::new("kill", Members, "End the workers of members without asking",
        "teamster kill alice bob")
        .only_lead("kill members");
    Forget = VerbRow::new("forget", Members, "Take members that left off the roster",
        "teamster forget alice bob")
        .synonyms(&["rm", "remove"])
        .only_lead("take members off the roster")
        .notes("Worktrees, mail and transcripts stay until the team is cleaned up.");
    Env = VerbRow::new("env", Members, "Print the command that starts a worker by hand",
        "teamster env dave                      print the command\n\
         eval \"exec $(teamster env dave)\"       let this terminal be the worker of dave")
        .looks();
    TaskAdd = VerbRow::new("task add", Tasks, "Put a task on the board",
        "teamster task add --run make test\n\
         teamster task add --to alice --after 1,2 rename the parser\n\
         teamster task add -f task.md --title parser --timeout 30m\n\
         teamster task add make -j4 --run\n\
         teamster task add --max-tokens 200k --max-time 1h review the parser")
        .synonyms(&["new", "create"])
        .notes(WORK_NOTES);
    TaskList = VerbRow::new("task list", Tasks, "List the tasks",
        "teamster task list\n\
         teamster task list --status failed")
        .synonyms(&["ls"])
        .looks();
    TaskShow = VerbRow::new("task show", Tasks, "Show one task with its history",
        "teamster task show 3")
        .looks();
    TaskAssign = VerbRow::new("task assign", Tasks, "Give pending tasks to one member only",
        "teamster task assign 3 alice\n\
         teamster task assign 3 4 5 alice");
    TaskUnassign = VerbRow::new("task unassign", Tasks, "Open pending tasks to everybody",
        "teamster task unassign 3");
    TaskDepAdd = VerbRow::new("task dep add", Tasks, "Let a pending task wait for another",
        "teamster task dep add 3 1");
    TaskDepRm = VerbRow::new("task dep rm", Tasks, "Let a pending task no longer wait for another",
        "teamster task dep rm 3 1")
        .synonyms(&["remove"]);
    TaskDepLs = VerbRow::new("task dep ls", Tasks, "List what a task waits for and what waits for it",
        "teamster task dep ls 3")
        .synonyms(&["list"])
        .looks();
    TaskRetry = VerbRow::new("task retry", Tasks, "Open failed, cancelled or stopped tasks again",
        "teamster task retry 3\n\
         teamster task retry 3 4 5");
    TaskCancel = VerbRow::new("task cancel", Tasks, "Take tasks off the work to be done",
        "teamster task cancel 3\n\
         teamster task cancel 3 4");
    TaskEdit = VerbRow::new("task edit", Tasks, "Change a task that nobody is on and that is not completed",
        "teamster task edit 3 --priority 5 --after 1,2\n\
         teamster task edit 3 -f task.md --title parser --no-role\n\
         teamster task edit 3 --max-cost 2             a failed one may then be tried again\n\
         teamster task edit 3 --run                    it is a command after all")
        .synonyms(&["change", "update"]);
    TaskClear = VerbRow::new("task clear", Tasks, "Remove tasks from the board; the last clear can be taken back",
        "teamster task clear completed\n\
         teamster task clear failed\n\
         teamster task clear all --yes")
        .only_lead("clear the board")
        .notes("A failed task that another one waits for stays: without it the other would begin.");
    TaskRestore = VerbRow::new("task restore", Tasks, "Put back what was cleared last, with numbers and history",
        "teamster task restore")
        .only_lead("put cleared tasks back");
    Run = VerbRow::new("run", Jobs, "Do a plan: spawn workers, drain the board, end, and say what came of each task",
        "teamster run plan.toml\n\
         teamster run plan.toml -w 4 --worktree\n\
         teamster run plan.toml --dry-run\n\
         teamster run plan.toml --max-cost 20\n\
         teamster run plan.toml --agent claude --no-park          gives up at a limit of the provider\n\
         teamster run - --json\n\
         teamster run --resume\n\
         teamster run --retry-failed")
        .only_lead("run a plan on its own team").leads()
        .notes("A plan:\n  \
            [[task]]\n  \
            id = \"build\"\n  \
            run = \"make\"\n\n  \
            [[task]]\n  \
            run = \"make test\"\n  \
            after = [\"build\"]\n\n\
            Other tasks of the plan name a task by its id. On the board it has a number: a run shows both, as in\n\
            3 build, and commands take the number.\n\n\
            Ctrl-C once finishes the running tasks and ends; twice stops them, and so does --timeout, also\n\
            on members that were there before. What is left is held until a run --resume goes on.");
    Cleanup = VerbRow::new("cleanup", Upkeep, "Remove the team's files; refuses where work would be lost",
        "teamster cleanup\n\
         teamster cleanup --force")
        .only_lead("clean up")
        .notes("Refuses while anything runs, while tasks are not done, and while a worktree holds\n\
            work that is nowhere else. --force removes all the same, but first keeps such work\n\
            under refs/teamster/kept/. Files that git ignores go in both cases, as by git worktree\n\
            remove; a repository with commits of its own among them is never removed.");
    Doctor = VerbRow::new("doctor", Upkeep, "Check everything the team stands on, and mend it",
        "teamster doctor\n\
         teamster doctor --repair            mend what can be mended; every changed file is copied first\n\
         teamster doctor --json")
        .notes("Exit codes: 0 sound, 1 something is wrong, 4 a log is corrupt.")
        .looks();
    Repair = VerbRow::new("doctor", Upkeep, "Mend what can be mended without losing anything",
        "teamster doctor --repair")
        .option("repair").only_lead("repair the team");
    Demo = VerbRow::new("demo", Jobs, "Tell the whole story on a small repository, in a few seconds",
        "teamster demo\n\
         teamster demo --agent pi                      with agents that ask your model")
        .leads();
    Completions = VerbRow::new("completions", Upkeep, "Print what a shell needs to complete commands, members and tasks",
        "teamster completions bash > ~/.local/share/bash-completion/completions/teamster")
        .synonyms(&["completion", "complete"])
        .looks();
    Help = VerbRow::new("help", Upkeep, "List the commands, or explain one",
        "teamster help\n\
         teamster help task add")
        .looks();
    Manual = VerbRow::new("manual", Upkeep, "Write the pages of the manual into a directory",
        "teamster manual share/man/man1")
        .hidden();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_verbs_answer_to_one_name() {
        let mut names = BTreeSet::new();
        let mut take = |path: &str, synonyms: &[&str]| {
            let (before, last) = path.rsplit_once(' ').unwrap_or(("", path));
            for name in [last].iter().chain(synonyms) {
                assert!(names.insert(format!("{before} {name}")), "`{before} {name}` is taken twice");
            }
        };
        PREFIXES.iter().for_each(|prefix| take(prefix.path, prefix.synonyms));
        for row in Verb::ALL.iter().map(|verb| verb.row()).filter(|row| row.option.is_none()) {
            take(row.path, row.synonyms);
        }
        NOT_VERBS.iter().for_each(|word| take(word.path, &[]));
    }

    #[test]
    fn every_verb_below_a_prefix_has_it_in_the_table() {
        for verb in Verb::ALL {
            let Some((before, _)) = verb.row().path.rsplit_once(' ') else { continue };
            assert!(PREFIXES.iter().any(|prefix| prefix.path == before), "{verb:?} has an unknown prefix");
        }
    }
}
