//! pi, for the rows that are about a real agent: where it lies, and what makes it speak with the model on loopback and with
//! nobody else.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use teamster_protocol::model::agent::options::AgentOptions;

use super::Outcome;
use super::place::Place;
use crate::granted::has_python;
use crate::matrix::AGENTS;
use crate::model_server::ModelServer;

/// The word in the table where pi is missing.
pub(super) const NOT_HERE: &str = "pi is not here";

/// What to do about that.
pub(super) const WAY_OUT: &str = "`scripts/agents.sh pi` installs it; its model needs Python 3.9 or later";

/// pi with a model that answers at once.
pub(super) struct PiAtHand {
    /// Its arguments after those of its interface.
    pub(super) args: Vec<String>,
    /// Variables that it needs.
    pub(super) env: Vec<(&'static str, String)>,
    _model: ModelServer,
}

impl PiAtHand {
    /// Starts the model for it; nothing where pi or its model can not be had.
    pub(super) fn find(place: &Place, home: &str) -> Outcome<Option<PiAtHand>> {
        let (Some(path), Ok(())) = (search_path(), has_python()) else { return Ok(None) };
        let home = place.file(home);
        fs::create_dir_all(&home)?;
        let model = ModelServer::start(&home)?;
        let row = AGENTS.iter().find(|row| row.name == "pi").ok_or("pi is none of the agents that are measured")?;
        let settings = row.settle(&home, model.port())?;
        let mut env = settings.env;
        env.push(("PATH", path.into_string().map_err(|_| "PATH is not UTF-8")?));
        // Loopback is for the model; whatever else pi tries fails at once.
        let outside = ["HTTPS_PROXY", "HTTP_PROXY"].map(|name| (name, "http://127.0.0.1:9".to_owned()));
        env.extend(outside);
        env.push(("NO_PROXY", "127.0.0.1,localhost".to_owned()));
        env.push(("HOME", home.display().to_string()));
        Ok(Some(PiAtHand { args: settings.args, env, _model: model }))
    }

    /// As the roster has it for a member. The member is told nothing of itself, as a bare pi is told nothing.
    pub(super) fn options(&self) -> AgentOptions {
        AgentOptions { args: self.args.clone(), identity: Some(String::new()), ..AgentOptions::default() }
    }
}

/// The `PATH` that has a pi: with the folders into which `scripts/agents.sh` installs it, or the usual one.
fn search_path() -> Option<OsString> {
    let usual = std::env::var_os("PATH").unwrap_or_default();
    let has_pi = |folder: &PathBuf| folder.join("pi").is_file();
    let folders = std::env::split_paths(&usual);
    match cached().and_then(|cache| Some([newest(&cache, "pi-")?, newest(&cache, "node-")?])) {
        Some(own) => std::env::join_paths(own.into_iter().chain(folders)).ok(),
        None => folders.into_iter().any(|folder| has_pi(&folder)).then_some(usual),
    }
}

/// The cache of `scripts/agents.sh`.
fn cached() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(cache.join("teamster-agents"))
}

/// The programs of the last version there, by the order of the names.
fn newest(cache: &Path, begins: &str) -> Option<PathBuf> {
    let folders = fs::read_dir(cache).ok()?.flatten();
    let of_it = folders.filter(|folder| folder.file_name().to_string_lossy().starts_with(begins));
    of_it.map(|folder| folder.path().join("bin")).filter(|bin| bin.is_dir()).max()
}
