//! `teamster unpark`.

use teamster_protocol::model::id::MemberName;

use super::print::{TextTone, paint};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::unpark::{self, UnparkWanted, UnparkedMembers};

/// `teamster unpark`.
#[derive(Debug, clap::Args)]
pub struct UnparkArgs {
    /// Members that are parked
    #[arg(required_unless_present = "all", conflicts_with = "all", num_args = 1.., value_name = "NAME")]
    pub names: Vec<MemberName>,
    /// Lift the limits of all accounts
    #[arg(long)]
    pub all: bool,
}

pub(super) async fn unpark(context: &CliContext, args: UnparkArgs) -> Result<ExitStatus, CliError> {
    let all = args.all;
    let wanted = if args.all { UnparkWanted::All } else { UnparkWanted::Members(args.names) };
    let unparked = unpark::unpark(&context.session, wanted)?;
    context.show(&unparked, |unparked| sentence(unparked, all))?;
    Ok(ExitStatus::Done)
}

fn sentence(unparked: &UnparkedMembers, all: bool) -> String {
    let names: Vec<String> =
        unparked.members.iter().map(|name| paint(TextTone::Name, name.as_str()).to_string()).collect();
    match &names[..] {
        [] if all => "nobody is parked".to_owned(),
        [] => "the limit is lifted; nobody runs who uses the account".to_owned(),
        [one] => format!("the limit is lifted for {one}"),
        [firsts @ .., last] => format!("the limit is lifted for {} and {last}", firsts.join(", ")),
    }
}
