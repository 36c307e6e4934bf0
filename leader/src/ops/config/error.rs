//! The faults that a file of settings can have, beside those of any document.

use teamster_protocol::model::id::BadName;
use teamster_protocol::model::limits::APPROVAL_RULES_MAX;
use teamster_protocol::model::limits::sizes::CONFIG_BYTES_MAX;

use crate::ops::budget::BudgetError;
use crate::ops::document::{self, DocumentError, DocumentFault, quoted};

/// One thing that is wrong with a file of settings.
pub type ConfigProblem = document::DocumentProblem<ConfigFault>;
/// Everything that is wrong with a file of settings.
pub type ConfigError = DocumentError<ConfigFault>;
/// A problem with a file of settings on its way into the list.
pub(super) type ConfigReport = document::ProblemReport<ConfigFault>;
/// The problems of a file of settings found so far.
pub(super) type ConfigProblems = document::DocumentProblems<ConfigFault>;

/// A fault in a file of settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigFault {
    /// A fault that any document can have.
    #[error(transparent)]
    Document(#[from] DocumentFault),
    /// The file has more than [`CONFIG_BYTES_MAX`] bytes.
    #[error("the file has more than {CONFIG_BYTES_MAX} bytes, which is no file of settings")]
    TooLarge,
    /// A number outside its bounds, or with a fraction.
    #[error("{field} must be a whole number from {min} to {max}, not {}", quoted(text))]
    BadNumber {
        /// The key in question.
        field: &'static str,
        /// The least.
        min: u32,
        /// The most.
        max: u32,
        /// The text as it was written.
        text: String,
    },
    /// The value is no budget.
    #[error("{field}: {why}")]
    BadBudget {
        /// The key in question.
        field: &'static str,
        /// The fault of the value.
        why: BudgetError,
    },
    /// None of the words that the key takes.
    #[error("{field} can not be `{}`", quoted(text))]
    UnknownWord {
        /// The key in question.
        field: &'static str,
        /// The text as it was written.
        text: String,
    },
    /// The text is not a name.
    #[error("{field}: {why}")]
    BadName {
        /// The key in question.
        field: &'static str,
        /// The fault of the name.
        why: BadName,
    },
    /// A name that leaves no room for what is put after it.
    #[error("`name` has {chars} characters, at most {max} are allowed")]
    LongName {
        /// The number of characters that it has.
        chars: usize,
        /// How many it may have.
        max: usize,
    },
    /// A byte that no program can be given.
    #[error("{field} has a zero byte in it")]
    ZeroByte {
        /// The key in question.
        field: &'static str,
    },
    /// A directory that depends on where the command is typed.
    #[error("`root` must be an absolute path, or begin with ~/")]
    RelativeRoot,
    /// `~/` where no home is known.
    #[error("`root` begins with ~/, and HOME is not set")]
    NoHome,
    /// A repository that would move the root.
    #[error("`root` can not be set by a repository: it would decide where your teams are kept")]
    RootOfRepository,
    /// A repository that would start a program of its choice.
    #[error("`agent` can not be a command in a repository's file, which starts nothing by itself")]
    CommandOfRepository,
    /// A command where the name of an agent belongs.
    #[error("a command is no name of an agent's table")]
    CommandAsTable,
    /// A key that a table can not do without.
    #[error("`{field}` is missing")]
    MissingKey {
        /// The key.
        field: &'static str,
    },
    /// A text that is too long.
    #[error("{field} has more than {max} bytes")]
    LongText {
        /// The key in question.
        field: &'static str,
        /// How many bytes it may have.
        max: usize,
    },
    /// More rules than are kept.
    #[error("{rules} rules are too many, at most {APPROVAL_RULES_MAX} are allowed")]
    TooManyRules {
        /// How many there are.
        rules: usize,
    },
    /// A repository that would allow its own agents something.
    #[error("`answer` can not be allow here: a repository would grant itself what you are asked for")]
    AllowedByRepository,
    /// A reason that nobody is told.
    #[error("`reason` is told to the agent with a no, and this rule allows")]
    ReasonOfYes,
    /// A user's file that names the team of every repository.
    #[error("`name` can not be set for every repository: all of them would be one team")]
    NameOfUser,
    /// A name of a variable that no environment can hold.
    #[error("`{}` can not be the name of a variable", quoted(name))]
    BadVariable {
        /// The name as it was written.
        name: String,
    },
}
