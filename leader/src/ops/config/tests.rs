//! Files of settings as a user writes them, what is said about them, and who wins.

use std::num::NonZeroU64;
use std::path::Path;

use teamster_protocol::model::identity::IdentityKind;
use teamster_protocol::model::limits::sizes::CONFIG_BYTES_MAX;

use super::*;

const FULL: &str = r#"
[run]
workers = 6
worktree = true
agent = "pi"
max-tokens = "2M"
max-cost = 0.5

[team]
name = "crew"
durability = "process"
poll = "2s"
on-stall = "restart"
stall-after = "5m"

[limits]
run-time = "2h"
task-time = "30m"
attempts = 5
answer-within = "20s"
leader-grace = "1m"

[agent.pi]
driver = "pi"
command = ["pi", "--mode", "rpc"]
model = "some/model"
effort = "high"
approval = "ask"
on-limit = "end"
max-turns = 50
max-time = "2h"

[agent.pi.env]
PI_KEY = "secret"
"#;

fn file(scope: ConfigScope, text: &str) -> ConfigFile {
    let path = match scope {
        ConfigScope::Repository => "/src/tool/teamster.toml",
        ConfigScope::User => "/home/ada/.config/teamster/config.toml",
    };
    let settings = FileSettings::parse(text.as_bytes(), scope, path, Some(Path::new("/home/ada")))
        .unwrap_or_else(|error| panic!("{error}"));
    ConfigFile { scope, path: path.into(), settings }
}

fn error(scope: ConfigScope, text: &[u8]) -> String {
    FileSettings::parse(text, scope, "teamster.toml", None).expect_err("a problem").to_string()
}

fn shown(config: &Config) -> String {
    let rows = config.rows(Path::new("/teams"), &"crew-9c030b".parse().expect("a name"), TeamNameOrigin::Rule);
    let lines = rows.iter().map(|row| serde_json::to_string(row).expect("it is plain"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_key_is_read_and_shown_with_the_line_it_stands_on() {
    let layers = ConfigLayers { repository: Some(file(ConfigScope::Repository, FULL)), ..ConfigLayers::default() };
    insta::assert_snapshot!(shown(&layers.merge()), @r#"
    {"key":"run.workers","value":6,"from":"repository","file":"/src/tool/teamster.toml","line":3}
    {"key":"run.worktree","value":true,"from":"repository","file":"/src/tool/teamster.toml","line":4}
    {"key":"run.agent","value":"pi","from":"repository","file":"/src/tool/teamster.toml","line":5}
    {"key":"run.max-tokens","value":2000000,"from":"repository","file":"/src/tool/teamster.toml","line":6}
    {"key":"run.max-cost","value":0.5,"from":"repository","file":"/src/tool/teamster.toml","line":7}
    {"key":"run.max-turns","value":null,"from":"built_in","note":"no limit"}
    {"key":"run.max-time","value":null,"from":"built_in","note":"no limit"}
    {"key":"team.name","value":"crew-9c030b","from":"repository","file":"/src/tool/teamster.toml","line":10,"note":"ends with what is derived from the repository's place"}
    {"key":"team.root","value":"/teams","from":"built_in"}
    {"key":"team.durability","value":"process","from":"repository","file":"/src/tool/teamster.toml","line":11}
    {"key":"team.poll","value":"2s","from":"repository","file":"/src/tool/teamster.toml","line":12}
    {"key":"team.on-stall","value":"restart","from":"repository","file":"/src/tool/teamster.toml","line":13}
    {"key":"team.stall-after","value":"5m","from":"repository","file":"/src/tool/teamster.toml","line":14}
    {"key":"limits.run-time","value":"2h","from":"repository","file":"/src/tool/teamster.toml","line":17}
    {"key":"limits.task-time","value":"30m","from":"repository","file":"/src/tool/teamster.toml","line":18}
    {"key":"limits.attempts","value":5,"from":"repository","file":"/src/tool/teamster.toml","line":19}
    {"key":"limits.answer-within","value":"20s","from":"repository","file":"/src/tool/teamster.toml","line":20}
    {"key":"limits.leader-grace","value":"1m","from":"repository","file":"/src/tool/teamster.toml","line":21}
    {"key":"limits.approval-within","value":"10m","from":"built_in"}
    {"key":"prompt.with-shell","value":null,"from":"built_in","note":"see teamster agents --prompt"}
    {"key":"prompt.without-shell","value":null,"from":"built_in","note":"see teamster agents --prompt"}
    {"key":"agent.pi.driver","value":"pi","from":"repository","file":"/src/tool/teamster.toml","line":24,"note":"not trusted, since a repository's file starts nothing by itself"}
    {"key":"agent.pi.command","value":["pi","--mode","rpc"],"from":"repository","file":"/src/tool/teamster.toml","line":25,"note":"not trusted, since a repository's file starts nothing by itself"}
    {"key":"agent.pi.env","value":{"PI_KEY":"(hidden)"},"from":"repository","file":"/src/tool/teamster.toml","line":33,"note":"not trusted, since a repository's file starts nothing by itself"}
    {"key":"agent.pi.model","value":"some/model","from":"repository","file":"/src/tool/teamster.toml","line":26}
    {"key":"agent.pi.effort","value":"high","from":"repository","file":"/src/tool/teamster.toml","line":27}
    {"key":"agent.pi.approval","value":"ask","from":"repository","file":"/src/tool/teamster.toml","line":28,"note":"not trusted, since a repository's file starts nothing by itself"}
    {"key":"agent.pi.on-limit","value":"end","from":"repository","file":"/src/tool/teamster.toml","line":29}
    {"key":"agent.pi.max-turns","value":50,"from":"repository","file":"/src/tool/teamster.toml","line":30}
    {"key":"agent.pi.max-time","value":"2h","from":"repository","file":"/src/tool/teamster.toml","line":31}
    "#);
}

#[test]
fn where_nobody_says_anything_it_is_built_in() {
    insta::assert_snapshot!(shown(&ConfigLayers::default().merge()), @r#"
    {"key":"run.workers","value":null,"from":"built_in","note":"4, or one a task"}
    {"key":"run.worktree","value":false,"from":"built_in"}
    {"key":"run.agent","value":"shell","from":"built_in"}
    {"key":"run.max-tokens","value":null,"from":"built_in","note":"no limit"}
    {"key":"run.max-cost","value":null,"from":"built_in","note":"no limit"}
    {"key":"run.max-turns","value":null,"from":"built_in","note":"no limit"}
    {"key":"run.max-time","value":null,"from":"built_in","note":"no limit"}
    {"key":"team.name","value":"crew-9c030b","from":"place","note":"derived from the repository, or the directory"}
    {"key":"team.root","value":"/teams","from":"built_in"}
    {"key":"team.durability","value":"power","from":"built_in"}
    {"key":"team.poll","value":"5s","from":"built_in"}
    {"key":"team.on-stall","value":"show","from":"built_in"}
    {"key":"team.stall-after","value":"10m","from":"built_in"}
    {"key":"limits.run-time","value":null,"from":"built_in","note":"no limit"}
    {"key":"limits.task-time","value":null,"from":"built_in","note":"no limit"}
    {"key":"limits.attempts","value":3,"from":"built_in"}
    {"key":"limits.answer-within","value":"10s","from":"built_in"}
    {"key":"limits.leader-grace","value":"30s","from":"built_in"}
    {"key":"limits.approval-within","value":"10m","from":"built_in"}
    {"key":"prompt.with-shell","value":null,"from":"built_in","note":"see teamster agents --prompt"}
    {"key":"prompt.without-shell","value":null,"from":"built_in","note":"see teamster agents --prompt"}
    "#);
}

#[test]
fn the_command_line_is_before_the_environment_the_repository_the_user_and_what_is_built_in() {
    let user =
        file(ConfigScope::User, "[team]\nroot = \"~/teams\"\npoll = \"3s\"\n[run]\nworkers = 2\nworktree = true");
    let repository = file(ConfigScope::Repository, "[team]\nname = \"crew\"\npoll = \"2s\"\n[run]\nworkers = 3");
    let mut layers = ConfigLayers { repository: Some(repository), user: Some(user), ..ConfigLayers::default() };
    let config = layers.merge();
    assert_eq!(config.root.value, Some(PathBuf::from("/home/ada/teams")));
    assert_eq!(config.poll.value, Duration::from_secs(2));
    assert_eq!(config.workers.value, Some(3));
    assert!(matches!(config.workers.origin, SettingOrigin::File { scope: ConfigScope::Repository, line: 5, .. }));
    assert!(config.worktree.value, "of the user alone");
    assert_eq!(config.attempts.origin, SettingOrigin::BuiltIn);

    layers.environment.poll = Some(Duration::from_secs(1));
    layers.environment_root = Some("/env".into());
    layers.environment_team = Some("env".parse().expect("a name"));
    let config = layers.merge();
    assert_eq!(config.poll.value, Duration::from_secs(1));
    assert_eq!(config.root.value, Some(PathBuf::from("/env")));
    assert_eq!(config.team.value, TeamChoice::Named("env".parse().expect("a name")));

    layers.command_line = CommandLineSettings { team: Some("typed".parse().expect("a name")), root: Some("/t".into()) };
    let config = layers.merge();
    assert_eq!(config.root.origin, SettingOrigin::CommandLine { option: "--root" });
    assert_eq!(config.team.value, TeamChoice::Named("typed".parse().expect("a name")));
}

#[test]
fn a_repository_moves_no_root_and_starts_nothing() {
    insta::assert_snapshot!(error(ConfigScope::Repository, b"[team]\nroot = \"/tmp/mine\"\n"), @r#"
    teamster.toml:2:8: `root` can not be set by a repository: it would decide where your teams are kept
      2 | root = "/tmp/mine"
        |        ^^^^^^^^^^^
      hint: set it in your own config.toml, or use --root or TEAMSTER_ROOT
    "#);
    let text =
        "[agent.pi]\ncommand = \"rm -rf /\"\ndriver = \"cmd\"\nmodel = \"m\"\n[agent.pi.env]\nPATH = \"/evil\"\n";
    let users = "[agent.pi]\ncommand = \"pi\"\n";
    let layers = ConfigLayers {
        repository: Some(file(ConfigScope::Repository, text)),
        user: Some(file(ConfigScope::User, users)),
        ..ConfigLayers::default()
    };
    let rows = shown(&layers.merge());
    let agents: Vec<&str> = rows.lines().filter(|line| line.contains("agent.pi")).collect();
    assert!(!rows.contains("/evil"), "the value of a variable may be a secret");
    insta::assert_snapshot!(agents.join("\n"), @r#"
    {"key":"agent.pi.driver","value":"cmd","from":"repository","file":"/src/tool/teamster.toml","line":3,"note":"not trusted, since a repository's file starts nothing by itself"}
    {"key":"agent.pi.command","value":"rm -rf /","from":"repository","file":"/src/tool/teamster.toml","line":2,"note":"not trusted, since a repository's file starts nothing by itself"}
    {"key":"agent.pi.env","value":{"PATH":"(hidden)"},"from":"repository","file":"/src/tool/teamster.toml","line":5,"note":"not trusted, since a repository's file starts nothing by itself"}
    {"key":"agent.pi.model","value":"m","from":"repository","file":"/src/tool/teamster.toml","line":4}
    {"key":"agent.pi.command","value":"pi","from":"user","file":"/home/ada/.config/teamster/config.toml","line":2}
    "#);
}

#[test]
fn a_command_as_an_agent_is_the_users_alone_and_no_table() {
    let text = b"[run]\nagent = \"cmd:evil {}\"\n";
    insta::assert_snapshot!(error(ConfigScope::Repository, text), @r#"
    teamster.toml:2:9: `agent` can not be a command in a repository's file, which starts nothing by itself
      2 | agent = "cmd:evil {}"
        |         ^^^^^^^^^^^^^
      hint: set it in your own config.toml, or use --agent
    "#);
    let layers = ConfigLayers {
        user: Some(file(ConfigScope::User, std::str::from_utf8(text).expect("text"))),
        ..ConfigLayers::default()
    };
    assert_eq!(layers.merge().agent.value.as_str(), "cmd:evil {}");
    insta::assert_snapshot!(error(ConfigScope::User, b"[run]\nagent = \"cmd:a | b\"\n"), @r#"
    teamster.toml:2:9: `agent`: "cmd:a | b" is not an agent: `|` is for a shell, and none runs it: quote it, or put the command into a script
      2 | agent = "cmd:a | b"
        |         ^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(error(ConfigScope::User, b"[agent.\"acp:a\"]\nmodel = \"m\"\n"), @r#"
    teamster.toml:1:8: a command is no name of an agent's table
      1 | [agent."acp:a"]
        |        ^^^^^^^
      hint: give the agent a name, [agent.NAME], and write its driver and command on the lines below
    "#);
}

#[test]
fn one_name_for_every_repository_is_refused() {
    insta::assert_snapshot!(error(ConfigScope::User, b"[team]\nname = \"crew\"\n"), @r#"
    teamster.toml:2:8: `name` can not be set for every repository: all of them would be one team
      2 | name = "crew"
        |        ^^^^^^
      hint: set it in the teamster.toml of one repository, or use --team
    "#);
}

#[test]
fn each_mistake_is_shown_with_its_place_and_the_way_out() {
    let text = r#"workers = 3
[run]
worker = 4
workers = 0
worktree = "yes"
agent = "Pi"
[teem]
[team]
durability = "powr"
poll = 5
on_stall = "abort"
name = "a-name-that-is-longer-than-thirty-three"
"#;
    let said = error(ConfigScope::Repository, text.as_bytes());
    insta::assert_snapshot!(said, @r#"
    teamster.toml:1:1: unknown key `workers`
      1 | workers = 3
        | ^^^^^^^
      hint: this key belongs under a [run] line

    teamster.toml:3:1: unknown key `worker`
      3 | worker = 4
        | ^^^^^^
      hint: did you mean `workers`?

    teamster.toml:4:11: `workers` must be a whole number from 1 to 200, not 0
      4 | workers = 0
        |           ^

    teamster.toml:5:12: `worktree` must be true or false, not text
      5 | worktree = "yes"
        |            ^^^^^

    teamster.toml:6:9: `agent`: "Pi" is not a name: use 1 to 40 of a-z, 0-9 and -
      6 | agent = "Pi"
        |         ^^^^

    teamster.toml:7:2: unknown key `teem`
      7 | [teem]
        |  ^^^^
      hint: did you mean `team`?

    teamster.toml:9:14: `durability` can not be `powr`
      9 | durability = "powr"
        |              ^^^^^^
      hint: did you mean `power`?

    teamster.toml:10:8: `poll` must be text with a unit, not a number
      10 | poll = 5
         |        ^
      hint: write "5s" for seconds

    teamster.toml:11:1: unknown key `on_stall`
      11 | on_stall = "abort"
         | ^^^^^^^^
      hint: did you mean `on-stall`?

    teamster.toml:12:8: `name` has 39 characters, at most 33 are allowed
      12 | name = "a-name-that-is-longer-than-thirty-three"
         |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    let text = r#"[limits]
task-time = "5 parsecs"
attempts = 1.5
[agent.Big]
[agent.pi]
approval = "yes"
comand = "pi"
command = []
env = { "A=B" = "x", C = 1 }
"#;
    let said = error(ConfigScope::Repository, text.as_bytes());
    insta::assert_snapshot!(said, @r#"
    teamster.toml:2:13: `task-time`: `5 parsecs` is not a duration, write for example 90s, 10m, 1h30m or 500ms
      2 | task-time = "5 parsecs"
        |             ^^^^^^^^^^^

    teamster.toml:3:12: `attempts` must be a whole number from 1 to 100, not 1.5
      3 | attempts = 1.5
        |            ^^^

    teamster.toml:4:8: an agent: "Big" is not a name: use 1 to 40 of a-z, 0-9 and -
      4 | [agent.Big]
        |        ^^^
      hint: an agent is written as [agent.NAME], and its keys on the lines below

    teamster.toml:6:12: `approval` can not be `yes`
      6 | approval = "yes"
        |            ^^^^^
      hint: it is one of ask, auto, deny

    teamster.toml:7:1: unknown key `comand`
      7 | comand = "pi"
        | ^^^^^^
      hint: did you mean `command`?

    teamster.toml:8:11: `command` is empty
      8 | command = []
        |           ^^

    teamster.toml:9:9: `A=B` can not be the name of a variable
      9 | env = { "A=B" = "x", C = 1 }
        |         ^^^^^

    teamster.toml:9:26: a variable must be text, not a number
      9 | env = { "A=B" = "x", C = 1 }
        |                          ^
    "#);
}

#[test]
fn what_is_no_settings_at_all_is_refused() {
    let long = vec![b'#'; CONFIG_BYTES_MAX + 1];
    let said = [&b"run = 3"[..], b"[run", b"# caf\xe9", &long, b"[[agent]]\n", b"[run]\n[run]\n"]
        .map(|text| error(ConfigScope::User, text));
    insta::assert_snapshot!(said.join("\n"), @r#"
    teamster.toml:1:7: `run` must be a table, not a number
      1 | run = 3
        |       ^
    teamster.toml:1:5: unclosed table, expected `]`
      1 | [run
        |     ^
    teamster.toml:1:6: the text from here on is not UTF-8
      1 | # caf
        |      ^
    teamster.toml: the file has more than 262144 bytes, which is no file of settings
    teamster.toml:1:1: `agent` must be a table, not a list
      1 | [[agent]]
        | ^^^^^^^^^
    teamster.toml:2:2: duplicate key
      2 | [run]
        |  ^^^
    "#);
    assert_eq!(file(ConfigScope::User, "\u{feff}\n# nothing\n").settings, FileSettings::default());
    assert_eq!(file(ConfigScope::User, "").settings, FileSettings::default());
    let relative = error(ConfigScope::User, b"[team]\nroot = \"teams\"\n");
    assert!(relative.contains("`root` must be an absolute path"), "{relative}");
}

const RULES: &str = r#"
[limits]
approval-within = "90s"

[[approval]]
tool = "Bash"
pattern = "git push"
answer = "deny"
reason = "ask a person"

[[approval]]
tool = "Write"
member = "w*"
answer = "deny"
"#;

#[test]
fn rules_of_the_repository_deny_and_come_before_the_users_which_may_allow() {
    let allows = "[[approval]]\ntool = \"Bash\"\npattern = \"git *\"\nanswer = \"allow\"\n";
    let layers = ConfigLayers {
        repository: Some(file(ConfigScope::Repository, RULES)),
        user: Some(file(ConfigScope::User, allows)),
        ..ConfigLayers::default()
    };
    let config = layers.merge();
    let shown: Vec<String> = shown(&config).lines().filter(|row| row.contains("approval")).map(str::to_owned).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    {"key":"limits.approval-within","value":"1m30s","from":"repository","file":"/src/tool/teamster.toml","line":3}
    {"key":"approval.1","value":{"answer":"deny","pattern":"git push","reason":"ask a person","tool":"Bash"},"from":"repository","file":"/src/tool/teamster.toml","line":5}
    {"key":"approval.2","value":{"answer":"deny","member":"w*","tool":"Write"},"from":"repository","file":"/src/tool/teamster.toml","line":11}
    {"key":"approval.3","value":{"answer":"allow","pattern":"git *","tool":"Bash"},"from":"user","file":"/home/ada/.config/teamster/config.toml","line":1}
    "#);
    let tools = |name: &str| -> Vec<String> {
        let rules = config.rules_for(&name.parse().expect("a name"));
        rules.into_iter().map(|rule| format!("{} {}", rule.answer.word(), rule.tool.0)).collect()
    };
    assert_eq!(tools("alice"), ["deny Bash", "allow Bash"]);
    assert_eq!(tools("w2"), ["deny Bash", "deny Write", "allow Bash"]);
}

#[test]
fn a_rule_that_is_none_is_refused_and_no_repository_allows_itself_anything() {
    let text = r#"[[approval]]
tool = "Bash"
answer = "allow"

[[approval]]
tol = "Bash"
answer = "yes"

[[approval]]
tool = 3
pattern = ""
answer = "deny"
"#;
    insta::assert_snapshot!(error(ConfigScope::Repository, text.as_bytes()), @r#"
    teamster.toml:3:10: `answer` can not be allow here: a repository would grant itself what you are asked for
      3 | answer = "allow"
        |          ^^^^^^^
      hint: write it into your own config.toml; a repository's file may only deny

    teamster.toml:5:1: `tool` is missing
      5 | [[approval]]
        | ^^^^^^^^^^^^

    teamster.toml:6:1: unknown key `tol`
      6 | tol = "Bash"
        | ^^^
      hint: did you mean `tool`?

    teamster.toml:7:10: `answer` can not be `yes`
      7 | answer = "yes"
        |          ^^^^^
      hint: it is one of allow, deny

    teamster.toml:10:8: `tool` must be text, not a number
      10 | tool = 3
         |        ^

    teamster.toml:11:11: `pattern` is empty
      11 | pattern = ""
         |           ^^
    "#);
    let reason = "[[approval]]\ntool = \"Bash\"\nanswer = \"allow\"\nreason = \"why not\"\n";
    insta::assert_snapshot!(error(ConfigScope::User, reason.as_bytes()), @r#"
    teamster.toml:4:10: `reason` is told to the agent with a no, and this rule allows
      4 | reason = "why not"
        |          ^^^^^^^^^
      hint: leave it out, or write it behind a #
    "#);
    let many = "[[approval]]\ntool = \"x\"\nanswer = \"deny\"\n".repeat(101);
    let said = [error(ConfigScope::User, b"[approval]\ntool = \"x\"\n"), error(ConfigScope::User, many.as_bytes())];
    insta::assert_snapshot!(said.map(|said| said.lines().next().unwrap_or_default().to_owned()).join("\n"), @"
    teamster.toml:1:1: `approval` must be a list of tables, each below [[approval]], not a table
    teamster.toml:1:1: 101 rules are too many, at most 100 are allowed
    ");
}

#[test]
fn a_text_of_who_an_agent_is_may_have_many_lines_and_be_empty() {
    let text = "[prompt]\nwith-shell = \"\"\"\nYou are {member}.\nSpeak French.\n\"\"\"\nwithout-shell = \"\"\n";
    let layers = ConfigLayers { repository: Some(file(ConfigScope::Repository, text)), ..ConfigLayers::default() };
    let config = layers.merge();
    let prompt = |kind| config.prompt(kind).value.as_deref();
    assert_eq!(prompt(IdentityKind::WithShell), Some("You are {member}.\nSpeak French.\n"));
    assert_eq!(prompt(IdentityKind::WithoutShell), Some(""));
    let shown: Vec<String> = shown(&config).lines().filter(|row| row.contains("prompt.")).map(str::to_owned).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    {"key":"prompt.with-shell","value":"You are {member}.\nSpeak French.\n","from":"repository","file":"/src/tool/teamster.toml","line":2}
    {"key":"prompt.without-shell","value":"","from":"repository","file":"/src/tool/teamster.toml","line":6}
    "#);
    let long = format!("[prompt]\nwith-shell = \"{}\"\nwith-shel = 3\n", "x".repeat(9000));
    let said = error(ConfigScope::User, long.as_bytes());
    assert!(said.contains("`with-shell` has more than 8192 bytes"), "{}", said.replace("xxxxxxxx", ""));
    assert!(said.contains("did you mean `with-shell`?"), "{}", said.replace("xxxxxxxx", ""));
}

#[test]
fn of_a_budget_that_both_files_limit_the_lower_limit_holds() {
    let repository = file(ConfigScope::Repository, "[run]\nmax-cost = 100\nmax-turns = 5");
    let user = file(ConfigScope::User, "[run]\nmax-cost = \"2.50\"\nmax-turns = 10\nmax-time = \"1h\"");
    let layers = ConfigLayers { repository: Some(repository), user: Some(user), ..ConfigLayers::default() };
    let budget = layers.merge().run_budget;
    assert_eq!(budget.max_cost.value.map(NonZeroU64::get), Some(2_500_000));
    assert!(matches!(budget.max_cost.origin, SettingOrigin::File { scope: ConfigScope::User, line: 2, .. }));
    assert_eq!(budget.max_turns.value.map(NonZeroU64::get), Some(5));
    assert_eq!(budget.max_time.value, Some(Duration::from_secs(3600)));
    assert_eq!(budget.max_tokens.value, None);
    let refused = error(ConfigScope::User, b"[agent.pi]\nmax-tokens = 0\nmax-cost = \"much\"\nmax-time = 5");
    for words in ["a budget of nothing", "`much` is not an amount", "`max-time`"] {
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn a_root_that_can_not_be_understood_is_in_doubt_and_what_else_is_wrong_leaves_it_known() {
    let root_of = |text: &[u8]| {
        FileSettings::parse_what_is_right(text, ConfigScope::User, "config.toml", Some(Path::new("/home/ada"))).root
    };
    for known in [
        "",
        "[team]\nroot = \"/teams\"\n",
        "[team]\nroot = \"/teams\"\nrooot = 1\n",
        "[team]\npolll = \"5s\"\n",
        "[run]\nworkerz = 1\n",
        "run = 1\n",
        "[agent.root]\nmodle = \"x\"\n",
    ] {
        assert_eq!(root_of(known.as_bytes()), RootReading::Known, "{known}");
    }
    for in_doubt in [
        "[team\n",
        "[team]\nroot = teams\n",
        "[team]\nroot = \"teams\"\n",
        "[team]\nroot = 1\n",
        "[team]\nroot = \"/a\"\nroot = \"/b\"\n",
        "[team]\nrooot = \"/teams\"\n",
        "[teem]\nroot = \"/teams\"\n",
        "root = \"/teams\"\n",
        "team = \"/teams\"\n",
    ] {
        assert_eq!(root_of(in_doubt.as_bytes()), RootReading::InDoubt, "{in_doubt}");
    }
    assert_eq!(root_of(b"\xff"), RootReading::InDoubt, "it is no text");
    assert_eq!(root_of(&vec![b'#'; CONFIG_BYTES_MAX + 1]), RootReading::InDoubt, "it is not read to its end");
}
