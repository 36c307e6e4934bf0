//! The texts of the help that stand below the examples of a verb, where there is more to say than a few lines.

pub(super) const CONFIG_NOTES: &str = "\
Settings are read from teamster.toml in the repository, for everybody who works in it, and from
~/.config/teamster/config.toml, for you. The command line is before the environment, the
environment before the repository, the repository before you, and you before what is built in.

  [run]
  workers = 4              # how many a run has
  worktree = true          # run and spawn: a git worktree for each member
  agent = \"shell\"          # run and spawn: what a member drives
  max-cost = 20            # all tasks of a run, in US dollars; also max-tokens,
                           # max-turns and max-time. Of a limit that both files
                           # have, the lower one holds

  [team]
  name = \"crew\"            # repository only: how the team's name begins
  root = \"~/teams\"         # yours only: where teams are kept
  durability = \"power\"     # or process: what written results must survive
  poll = \"5s\"              # how often to look at files although no event came
  on-stall = \"show\"        # or steer, abort, restart: of a silent agent
  stall-after = \"10m\"

  [limits]
  run-time = \"2h\"          # a whole run
  task-time = \"30m\"        # an attempt at a task that names no limit
  attempts = 3             # deaths of workers that a task survives
  answer-within = \"10s\"    # a worker to its leader
  leader-grace = \"30s\"     # a worker without its leader
  approval-within = \"10m\"  # a question for permission; then the answer is no

  [agent.mine]             # yours: an agent of your own, for --agent mine; of a
                           # repository: model and effort only
  driver = \"pi\"            # how it is spoken to
  command = [\"my-pi\", \"--mode\", \"rpc\"]
  env = { MY_VARIABLE = \"1\" }
  model = \"a/model\"
  effort = \"high\"
  approval = \"ask\"         # or auto, deny
  idle-after = \"10m\"       # without work, then its program ends until the next
                           # turn; or never
  start = \"for-work\"       # with its first turn; or at-once, with its member
  max-tokens = \"2M\"        # each member, in all its turns; also max-cost,
                           # max-turns and max-time
  on-limit = \"park\"        # wait while the provider takes no more; or end, and
                           # give the task back

  [prompt]                 # what an agent is told: teamster agents --prompt
  with-shell = \"I am {member}\"      # for agents whose commands reach the team
  without-shell = \"I am {member}\"   # for the others, such as codex

  [[approval]]             # answers questions; the first rule that fits decides
  tool = \"Bash\"            # with * for any characters
  pattern = \"git log*\"     # in the command, the path or the address
  member = \"w*\"
  answer = \"allow\"         # yours only; a repository\'s rules can only deny
  reason = \"ask first\"     # with deny: the agent is told

In a text of [prompt], {member}, {team}, {role}, {workspace} and {branch} stand for what they name; a line
that names what the member does not have is left out, and an empty text tells the agent nothing.

Rules go before --approval, those of the repository before yours, and a member keeps those that it was
spawned with. A rule that allows has to fit the whole command, and its * stops where a shell would begin
another one; a rule that denies fits wherever its pattern is found.

A repository\'s file is the work of whoever can commit to it: nothing in it starts a command by
itself, and it can not move the root.

A mistake in a file keeps nobody from looking at a team or from ending it: these commands go on without
what is wrong. Only where your own file may say where teams are kept, and can not be understood there,
every command asks for --root or TEAMSTER_ROOT.";

pub(super) const APPROVAL_NOTES: &str = "\
A member that was spawned with --approval ask, which is the default, asks the lead. A question ends as a
no after 10 minutes (approval-within under [limits]), or with its turn. Rules that answer before anybody
is asked are in the files of settings: see the help of config.";

pub(super) const TEXT_NOTES: &str = "\
What follows the first word is text: options come before it, or -- does.";

pub(super) const DM_NOTES: &str = "\
A member that left in order is started again by a text or a task for it, with its settings and its
conversation, where a leader runs; one that was shut down only by those of the lead. With --no-wake
nobody is. One that was killed or given up, whose agent could not go on, or that has used up its budget
is not: see the help of spawn.

What follows the first word is text: options come before it, or -- does.";

pub(super) const WORK_NOTES: &str = "\
With --run the text is a command, which sh runs whatever agent takes it. Without it the text is words
for an agent that reads, and is never run: a member that drives shell takes none.

What follows the first word is text, whatever it looks like: options come before it, and only --run
may also be the last word. After -- all is text.";
