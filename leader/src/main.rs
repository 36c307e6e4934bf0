//! `teamster`: the leader of a team of coding agents, and its command line.

fn main() {
    let exit = teamster_leader::front::main(std::env::args_os());
    // An exit rather than a return: a thread may still block on standard input.
    std::process::exit(i32::from(exit.code()));
}
