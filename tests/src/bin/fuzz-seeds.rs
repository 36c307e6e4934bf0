//! Writes the inputs that were written by hand where the fuzz targets look for theirs: `fuzz-seeds DIRECTORY`.

use std::path::PathBuf;
use std::process::ExitCode;

use teamster_tests::fuzz::write_seeds;

fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: fuzz-seeds DIRECTORY");
        return ExitCode::from(2);
    };
    match write_seeds(&dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write seeds below {}: {error}", dir.display());
            ExitCode::FAILURE
        }
    }
}
