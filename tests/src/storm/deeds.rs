//! Commands that run beside the storm: each in a process of its own, a few at a time, so that kills meet them midway.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::trial::Outcome;
use crate::trial::team::Team;

/// Those that run, and what came of those that did.
pub(super) struct Deeds {
    team: Arc<Team>,
    running: JoinSet<(&'static str, String, Outcome<bool>)>,
    /// What each is about: a member, or `leader`. One at a time for each.
    about: BTreeSet<String>,
    pub(super) told: BTreeMap<&'static str, (u64, u64)>,
    pub(super) wrong: Vec<String>,
}

impl Deeds {
    pub(super) fn new(team: Arc<Team>) -> Deeds {
        let (running, about) = (JoinSet::new(), BTreeSet::new());
        Deeds { team, running, about, told: BTreeMap::new(), wrong: Vec::new() }
    }

    /// Begins a command, unless one about the same is still under way. The verb is its first word.
    pub(super) fn begin(&mut self, verb: &'static str, about: &str, rest: &[&str]) {
        let about = format!("{verb} {about}");
        if !self.about.insert(about.clone()) {
            return;
        }
        let team = Arc::clone(&self.team);
        let words: Vec<String> = [&[verb], rest].concat().into_iter().map(str::to_owned).collect();
        self.running.spawn(async move {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let outcome = team.run(&words).await.map(|output| output.status.success());
            (verb, about, outcome)
        });
    }

    /// Takes in what has ended.
    pub(super) fn collect(&mut self) {
        while let Some(ended) = self.running.try_join_next() {
            self.note(ended);
        }
    }

    /// Waits for all.
    pub(super) async fn finish(&mut self) {
        while let Some(ended) = self.running.join_next().await {
            self.note(ended);
        }
    }

    fn note(&mut self, ended: Result<(&'static str, String, Outcome<bool>), tokio::task::JoinError>) {
        match ended {
            Ok((verb, about, outcome)) => {
                self.about.remove(&about);
                let (all, in_vain) = self.told.entry(verb).or_default();
                *all += 1;
                match outcome {
                    Ok(true) => {}
                    Ok(false) => *in_vain += 1,
                    Err(error) => self.wrong.push(error.to_string()),
                }
            }
            Err(error) => self.wrong.push(format!("a command broke: {error}")),
        }
    }
}
