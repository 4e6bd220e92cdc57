//! The program `lanpost`. Everything it does is in the library; exit codes are in `app::cli::exit`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lanpost::app::cli::main()
}
