//! A case: who dies where in one telling of the story, and how it is written on a command line.

use std::fmt;
use std::str::FromStr;

/// The kinds of processes that die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The process above the leader.
    Warden,
    /// The leader.
    Leader,
    /// The worker of this member.
    Worker(&'static str),
    /// The command of this name.
    Front(&'static str),
}

impl Role {
    /// All whose points are tried.
    pub const ALL: [Role; 8] = [
        Role::Warden,
        Role::Leader,
        Role::Worker("ada"),
        Role::Worker("ben"),
        Role::Front("task"),
        Role::Front("dm"),
        Role::Front("up"),
        Role::Front("cleanup"),
    ];

    /// As the process calls itself.
    pub(super) fn own_word(self) -> String {
        match self {
            Role::Warden => "warden".to_owned(),
            Role::Leader => "leader".to_owned(),
            Role::Worker(name) => format!("worker:{name}"),
            Role::Front(_) => "front".to_owned(),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Front(verb) => write!(f, "front:{verb}"),
            Role::Warden | Role::Leader | Role::Worker(_) => f.write_str(&self.own_word()),
        }
    }
}

/// What makes the worktrees of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// The library.
    Libgit2,
    /// The `git` program, in a repository that the library would harm.
    GitProgram,
}

impl Engine {
    /// Every way in which git is worked with.
    pub const ALL: [Engine; 2] = [Engine::Libgit2, Engine::GitProgram];

    /// Whose points are tried: with the `git` program, those who have to do with worktrees.
    pub(super) fn roles(self) -> &'static [Role] {
        match self {
            Engine::Libgit2 => &Role::ALL,
            Engine::GitProgram => &[Role::Leader, Role::Front("cleanup")],
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Libgit2 => "libgit2",
            Engine::GitProgram => "git program",
        })
    }
}

/// Where a process is to die. By name and time, not by a number over all points: what another process does meanwhile
/// changes the order of a process' steps more than their kinds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The kind of the process that dies.
    pub role: Role,
    /// At points of this name.
    pub name: String,
    /// The first time it comes to one, the second, and so on.
    pub time: u64,
}

impl Point {
    /// In place of a name: whatever it is.
    pub(super) const ANY: &str = "*";

    /// As the environment tells the process.
    pub(super) fn own_words(&self) -> String {
        format!("{}:{}:{}", self.role.own_word(), self.name, self.time)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.role, self.name, self.time)
    }
}

/// One telling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// What makes the worktrees.
    pub engine: Engine,
    /// The first death.
    pub first: Point,
    /// The second one, if there is to be one.
    pub second: Option<Point>,
}

impl Case {
    /// Its deaths in their order.
    pub fn deaths(&self) -> impl Iterator<Item = &Point> {
        std::iter::once(&self.first).chain(&self.second)
    }
}

const PROGRAM: &str = "git program; ";

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.engine {
            Engine::Libgit2 => {}
            Engine::GitProgram => f.write_str(PROGRAM)?,
        }
        write!(f, "{}", self.first)?;
        self.second.iter().try_for_each(|second| write!(f, "; {second}"))
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Case, String> {
        let (engine, points) = match text.trim().strip_prefix(PROGRAM) {
            Some(points) => (Engine::GitProgram, points),
            None => (Engine::Libgit2, text.trim()),
        };
        let mut points = points.split("; ").map(point);
        let first = points.next().expect("a split has a first part")?;
        let second = points.next().transpose()?;
        match points.next() {
            None => Ok(Case { engine, first, second }),
            Some(_) => Err(format!("{text:?} has more than two deaths")),
        }
    }
}

fn point(text: &str) -> Result<Point, String> {
    let no = |what: &str| format!("{text:?} names no {what}: it is one like leader:log synced:3");
    let of = |role: &Role| text.strip_prefix(&format!("{role}:")).map(|rest| (*role, rest));
    let (role, rest) = Role::ALL.iter().find_map(of).ok_or_else(|| no("role that is tried"))?;
    let (name, time) = rest.rsplit_once(':').ok_or_else(|| no("time"))?;
    let time = time.parse().map_err(|_| no("time"))?;
    Ok(Point { role, name: name.to_owned(), time })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read_as_it_is_written() {
        for text in [
            "leader:log synced:3",
            "worker:ada:turn begun, agent not prompted:1; leader:*:2",
            "git program; front:cleanup:worktree removed:1; warden:leader ended:1",
        ] {
            assert_eq!(text.parse::<Case>().expect("a case").to_string(), text);
        }
        for text in ["", "leader", "leader:x", "leader:x:y", "nobody:x:1", "leader:x:1; leader:x:1; leader:x:1"] {
            assert!(text.parse::<Case>().is_err(), "{text}");
        }
    }
}
