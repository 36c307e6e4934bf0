//! The agents of the matrix, and what makes each speak with the model on loopback and with nobody else.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::trial::Outcome;

/// One agent that is measured.
#[derive(Debug)]
pub struct AgentRow {
    /// The name of its row and its folder.
    pub name: &'static str,
    /// The agent as `--agent` takes it.
    pub agent: &'static str,
    /// The page that shows it.
    pub page: MatrixPage,
    /// The words by which the scripted model reaches a usage limit that this agent knows.
    pub(super) limit: &'static str,
    settings: fn(&Path, u16) -> Outcome<AgentSettings>,
}

/// The page that shows what was measured of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatrixPage {
    /// The first page of the project, and the page of the tests.
    Readme,
    /// The page of the tests alone.
    Tests,
}

/// What the agent is started with.
#[derive(Debug, Default)]
pub(crate) struct AgentSettings {
    pub(crate) env: Vec<(&'static str, String)>,
    pub(crate) args: Vec<String>,
}

impl AgentRow {
    /// Writes the agent's files into a home, and returns what else it is to be told.
    pub(crate) fn settle(&self, home: &Path, port: u16) -> Outcome<AgentSettings> {
        (self.settings)(home, port)
    }
}

/// All agents that can be measured. `scripts/agents.sh` has the version of each.
pub const AGENTS: &[AgentRow] = &[
    AgentRow { name: "pi", agent: "pi", page: MatrixPage::Readme, limit: "codex", settings: pi },
    AgentRow { name: "claude", agent: "claude", page: MatrixPage::Readme, limit: "claude", settings: claude },
    AgentRow { name: "codex", agent: "codex", page: MatrixPage::Readme, limit: "codex", settings: codex },
    AgentRow { name: "opencode", agent: "opencode", page: MatrixPage::Readme, limit: "codex", settings: opencode },
    AgentRow { name: "old-pi", agent: "pi", page: MatrixPage::Tests, limit: "codex", settings: pi },
    AgentRow {
        name: "claude-agent-acp",
        agent: "acp:claude-agent-acp",
        page: MatrixPage::Tests,
        limit: "claude",
        settings: claude,
    },
    AgentRow {
        name: "codex-acp",
        agent: "acp:codex-acp",
        page: MatrixPage::Tests,
        limit: "codex",
        settings: codex_acp,
    },
    AgentRow { name: "gemini", agent: "gemini", page: MatrixPage::Tests, limit: "codex", settings: gemini },
    AgentRow { name: "qwen", agent: "qwen", page: MatrixPage::Tests, limit: "codex", settings: qwen },
    AgentRow { name: "kimi", agent: "kimi", page: MatrixPage::Tests, limit: "codex", settings: kimi },
    AgentRow { name: "llm", agent: "llm", page: MatrixPage::Tests, limit: "codex", settings: llm },
];

fn pi(home: &Path, port: u16) -> Outcome<AgentSettings> {
    let dir = home.join("pi");
    let model = json!({
        "id": "rig-model", "name": "Rig", "reasoning": true, "input": ["text"], "contextWindow": 200_000,
        "maxTokens": 8192, "cost": {"input": 3, "output": 15, "cacheRead": 0.3, "cacheWrite": 3.75},
    });
    let provider = json!({
        "baseUrl": format!("http://127.0.0.1:{port}/v1"), "api": "openai-completions", "apiKey": "rig",
        "models": [model],
    });
    fs::create_dir_all(&dir)?;
    fs::write(dir.join("models.json"), json!({"providers": {"rig": provider}}).to_string())?;
    let switches = ["PI_OFFLINE", "PI_SKIP_VERSION_CHECK"].map(|name| (name, "1".to_owned()));
    let mut env = vec![("PI_CODING_AGENT_DIR", dir.display().to_string()), ("PI_TELEMETRY", "0".to_owned())];
    env.extend(switches);
    let args = ["--provider", "rig", "--model", "rig-model", "--no-skills", "--no-context-files"];
    Ok(AgentSettings { env, args: args.map(str::to_owned).to_vec() })
}

fn claude(home: &Path, port: u16) -> Outcome<AgentSettings> {
    let switches = [
        "DISABLE_AUTOUPDATER",
        "DISABLE_TELEMETRY",
        "DISABLE_ERROR_REPORTING",
        "DISABLE_BUG_COMMAND",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    ];
    let mut env = vec![
        ("CLAUDE_CONFIG_DIR", home.join("claude").display().to_string()),
        ("ANTHROPIC_BASE_URL", format!("http://127.0.0.1:{port}")),
        // A subscription: usage limits with a time of reset exist for these only.
        ("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-rig".to_owned()),
    ];
    env.extend(switches.map(|name| (name, "1".to_owned())));
    Ok(AgentSettings { env, args: Vec::new() })
}

fn codex(home: &Path, port: u16) -> Outcome<AgentSettings> {
    let dir = home.join("codex");
    fs::create_dir_all(&dir)?;
    let settings = format!(
        "model = \"gpt-5-codex\"\nmodel_provider = \"rig\"\ncheck_for_update_on_startup = false\n\
         [model_providers.rig]\nname = \"rig\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\nwire_api = \"responses\"\n\
         env_key = \"RIG_KEY\"\n[analytics]\nenabled = false\n"
    );
    fs::write(dir.join("config.toml"), settings)?;
    let env = vec![("CODEX_HOME", dir.display().to_string()), ("RIG_KEY", "rig".to_owned())];
    Ok(AgentSettings { env, args: Vec::new() })
}

fn opencode(home: &Path, port: u16) -> Outcome<AgentSettings> {
    let file = home.join("opencode.json");
    let model = json!({
        "name": "Rig", "tool_call": true, "reasoning": true, "limit": {"context": 200_000, "output": 8192},
        "cost": {"input": 3, "output": 15, "cache_read": 0.3, "cache_write": 3.75},
    });
    let provider = json!({
        "npm": "@ai-sdk/openai-compatible", "name": "Rig", "models": {"rig-model": model},
        "options": {"baseURL": format!("http://127.0.0.1:{port}/v1"), "apiKey": "rig"},
    });
    let settings = json!({
        "autoupdate": false, "share": "disabled", "model": "rig/rig-model", "small_model": "rig/rig-model",
        "enabled_providers": ["rig"], "provider": {"rig": provider},
    });
    fs::write(&file, settings.to_string())?;
    let switches = [
        "OPENCODE_DISABLE_AUTOUPDATE",
        "OPENCODE_DISABLE_MODELS_FETCH",
        "OPENCODE_DISABLE_LSP_DOWNLOAD",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS",
        "OPENCODE_DISABLE_SHARE",
    ];
    let mut env = vec![("OPENCODE_CONFIG", file.display().to_string())];
    env.extend(switches.map(|name| (name, "1".to_owned())));
    for (name, dir) in [("XDG_DATA_HOME", ".local/share"), ("XDG_CACHE_HOME", ".cache")] {
        env.push((name, home.join(dir).display().to_string()));
    }
    Ok(AgentSettings { env, args: Vec::new() })
}

fn codex_acp(home: &Path, port: u16) -> Outcome<AgentSettings> {
    let mut settings = codex(home, port)?;
    let own = [("MODEL_PROVIDER", "rig"), ("NO_BROWSER", "1"), ("CODEX_API_KEY", "rig")];
    settings.env.extend(own.map(|(name, value)| (name, value.to_owned())));
    Ok(settings)
}

fn gemini(home: &Path, port: u16) -> Outcome<AgentSettings> {
    let dir = home.join(".gemini");
    fs::create_dir_all(&dir)?;
    let settings = json!({
        "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": false}},
        "general": {"disableAutoUpdate": true}, "privacy": {"usageStatisticsEnabled": false},
        "telemetry": {"enabled": false},
    });
    fs::write(dir.join("settings.json"), settings.to_string())?;
    let address = ("GOOGLE_GEMINI_BASE_URL", format!("http://127.0.0.1:{port}"));
    Ok(AgentSettings { env: vec![("GEMINI_API_KEY", "rig".to_owned()), address], args: Vec::new() })
}

fn qwen(home: &Path, port: u16) -> Outcome<AgentSettings> {
    let dir = home.join(".qwen");
    fs::create_dir_all(&dir)?;
    let settings = json!({
        "security": {"auth": {"selectedType": "openai"}}, "general": {"disableAutoUpdate": true},
        "privacy": {"usageStatisticsEnabled": false}, "telemetry": {"enabled": false},
    });
    fs::write(dir.join("settings.json"), settings.to_string())?;
    let own = [("OPENAI_API_KEY", "rig"), ("OPENAI_MODEL", "rig-model"), ("HTTPS_PROXY", ""), ("HTTP_PROXY", "")];
    let mut env = vec![("OPENAI_BASE_URL", format!("http://127.0.0.1:{port}/v1"))];
    // It would go to loopback by a proxy too.
    env.extend(own.map(|(name, value)| (name, value.to_owned())));
    Ok(AgentSettings { env, args: Vec::new() })
}

fn kimi(_: &Path, port: u16) -> Outcome<AgentSettings> {
    let own = [
        ("KIMI_MODEL_NAME", "rig-model"),
        ("KIMI_MODEL_API_KEY", "rig"),
        ("KIMI_MODEL_PROVIDER_TYPE", "openai"),
        ("KIMI_MODEL_MAX_CONTEXT_SIZE", "200000"),
    ];
    let mut env = vec![("KIMI_MODEL_BASE_URL", format!("http://127.0.0.1:{port}/v1"))];
    env.extend(own.map(|(name, value)| (name, value.to_owned())));
    Ok(AgentSettings { env, args: Vec::new() })
}

fn llm(_: &Path, port: u16) -> Outcome<AgentSettings> {
    let args = vec!["--model=openai/rig-model".to_owned(), format!("--base-url=http://127.0.0.1:{port}/v1/")];
    Ok(AgentSettings { env: vec![("OPENAI_API_KEY", "rig".to_owned())], args })
}
