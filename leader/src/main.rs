//! `teamster`: the leader of a team of coding agents, and its command line.

use teamster_leader::front::cli;
use teamster_leader::warden;

fn main() {
    if let Some(exit) = cli::answer_shell(cli::program) {
        std::process::exit(i32::from(exit.code()));
    }
    let code = match cli::parse(std::env::args_os()) {
        Err(exit) => i32::from(exit.code()),
        Ok(line) => match cli::guard(&line) {
            Some(guard) => {
                cli::listen_to_logs(&line);
                // Before anything else is here: a warden has one thread, and next to nothing.
                drop(line);
                warden::stand(guard)
            }
            None => {
                warden::unblock();
                i32::from(cli::obey(line).code())
            }
        },
    };
    // An exit rather than a return: a thread may still block on standard input.
    std::process::exit(code);
}
